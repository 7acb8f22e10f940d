// The page: which class is looked for is kept in the address (#17), everything shown comes from one stream of events.
import { draw } from './draw.js';
import { Matches } from './matches.js';
import { Others } from './others.js';

const $ = (id) => document.getElementById(id);
const count = (value) => value.toLocaleString('en');

const about = await (await fetch('about')).json();
const matches = new Matches(about.inputShape);
const others = new Others(about, look);
let stream;
let wanted;

$('data').textContent = `${about.data}`;
document.querySelector('.all-classes').textContent = count(about.classes);
$('class').max = about.classes - 1;
$('class-range').textContent = `0 to ${count(about.classes - 1)}`;

$('choose').addEventListener('submit', (event) => {
  event.preventDefault();
  choose();
});
// Arrow keys and the little arrows of the field change it without a submit.
$('class').addEventListener('change', choose);
$('random').addEventListener('click', () => look(Math.floor(Math.random() * about.classes)));
addEventListener('hashchange', fromAddress);
fromAddress();

function choose() {
  if ($('choose').reportValidity()) look($('class').valueAsNumber);
}

function fromAddress() {
  const classId = Number(location.hash.slice(1));
  const known = Number.isInteger(classId) && classId >= 0 && classId < about.classes;
  look(known ? classId : 0);
}

/** Begins to look for a class. */
function look(classId) {
  if (classId === wanted) return;
  wanted = classId;
  if (location.hash !== `#${classId}`) history.replaceState(null, '', `#${classId}`);
  $('class').value = classId;
  $('announcement').textContent = `Looking for class ${classId}`;
  $('portrait').setAttribute('aria-label', `A clean drawing of class ${classId}`);
  $('threshold').textContent = '…';
  $('searched').textContent = '0';
  others.show(classId);
  portrait(classId);
  matches.clear();
  listen(classId);
}

async function portrait(classId) {
  const [{ image }] = await (await fetch(`portraits?from=${classId}&count=1`)).json();
  if (classId === wanted) draw($('portrait'), image, about.inputShape);
}

function listen(classId) {
  stream?.close();
  stream = new EventSource(`events?class=${classId}`);
  stream.addEventListener('looking', ({ data }) => {
    // After a lost connection the server begins anew, and so does the page.
    matches.clear();
    $('connection').textContent = '';
    $('threshold').textContent = JSON.parse(data).threshold.toFixed(2);
  });
  stream.addEventListener('match', ({ data }) => matches.add(JSON.parse(data)));
  stream.addEventListener('report', ({ data }) => report(JSON.parse(data)));
  stream.addEventListener('error', () => {
    $('connection').textContent = 'Connection lost; trying again…';
  });
}

function report({ sources, costs, counts }) {
  $('searched').textContent = count(counts.searched);
  matches.tally(counts);
  const rows = sources.map(({ name, rate }) => {
    const row = document.createElement('li');
    const value = document.createElement('span');
    value.textContent = `${count(Math.round(rate))} images/s`;
    row.append(name, value);
    return row;
  });
  $('sources').replaceChildren(...rows);
  if (costs) showCosts(costs);
}

function showCosts(costs) {
  const ratio = costs.all / costs.one;
  $('ratio').textContent = `${ratio.toFixed(ratio < 10 ? 1 : 0)} ×`;
  // The longest bar leaves room for its number.
  const scale = 66 / Math.max(costs.one, costs.all, costs.predict);
  for (const name of ['one', 'all', 'predict']) {
    $(`cost-${name}`).textContent = `${costs[name].toFixed(1)} µs`;
    $(`bar-${name}`).style.width = `${Math.max(1, costs[name] * scale)}%`;
  }
}
