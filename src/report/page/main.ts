/** Makes the page of a report work. What it can show without a program is in the file already. */
import { ClassTable } from './class-table.js';
import { Figures } from './figures.js';
import { byId } from './format.js';
import type { ReportData } from './report-data.js';
import { startTheme } from './theme.js';

const report = JSON.parse(byId('report-data').textContent!) as ReportData;
startTheme();
const figures = new Figures(report);

function choose(one: number): void {
  figures.choose(one);
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  byId('thresholds').scrollIntoView({ behavior: still ? 'auto' : 'smooth' });
  byId('scope').focus({ preventScroll: true });
}

new ClassTable(report, choose);
// Classes that are named in tables made before.
for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-choose]'))
  button.addEventListener('click', () => choose(Number(button.dataset.choose)));
const more = document.getElementById('more-confusions') as HTMLButtonElement | null;
more?.addEventListener('click', () => {
  for (const row of document.querySelectorAll<HTMLTableRowElement>('#confusions tr[hidden]')) row.hidden = false;
  more.remove();
});
performance.mark('ready');
document.documentElement.dataset.ready = '';
