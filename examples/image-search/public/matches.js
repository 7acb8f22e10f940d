// The list of matches, latest first.
import { draw } from './draw.js';

/** More would only be scrolled past. */
const most = 42;

export class Matches {
  #list = document.getElementById('matches');
  #empty = document.getElementById('empty');
  #tally = document.getElementById('tally');
  #inputShape;

  constructor(inputShape) {
    this.#inputShape = inputShape;
  }

  clear() {
    this.#list.replaceChildren();
    this.#empty.hidden = false;
    this.#tally.textContent = 'None yet';
  }

  add(match) {
    this.#empty.hidden = true;
    this.#list.prepend(this.#card(match));
    while (this.#list.children.length > most) this.#list.lastElementChild.remove();
  }

  /** How good the search was so far, by what the cameras know. */
  tally({ present, found, falseAlarms, forgotten }) {
    if (present + falseAlarms === 0) return;
    const alarms = falseAlarms === 1 ? '1 false alarm' : `${falseAlarms} false alarms`;
    const lost = forgotten ? ` · ${forgotten} not sent: the connection is slow` : '';
    this.#tally.textContent = `${found} of ${present} found · ${alarms}${lost}`;
  }

  #card({ source, score, threshold, label, right, image }) {
    const card = element('li', right ? 'right' : 'wrong');
    Object.assign(card.dataset, { label, score, threshold, source });
    const canvas = element('canvas');
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Image from ${source}, ${right ? 'truly of the class' : `in truth of class ${label}`}`);
    draw(canvas, image, this.#inputShape);
    const top = element('div', 'line');
    top.append(element('span', '', source), element('span', 'truth', right ? '✓' : `✗ is ${label}`));
    const bottom = element('div', 'line');
    bottom.append(element('span', '', 'Score'), element('span', 'number', score.toFixed(2)));
    card.append(canvas, top, bottom, bar(score, threshold));
    return card;
  }
}

/** The score from the threshold's half on: what is below never matches. */
function bar(score, threshold) {
  const box = element('div', 'score');
  box.setAttribute('aria-hidden', 'true');
  const [least, greatest] = [threshold - 4, threshold + 8];
  const place = (value) => `${Math.max(0, Math.min(100, (100 * (value - least)) / (greatest - least)))}%`;
  const fill = element('i');
  fill.style.width = place(score);
  const mark = element('b');
  mark.style.left = place(threshold);
  box.append(fill, mark);
  return box;
}

function element(name, className = '', text = '') {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
