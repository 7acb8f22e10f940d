/** The table of classes: sorted by any column, searched by name, a page at a time. */
import { className } from './figures.js';
import { byId, count, element, scoreText, share } from './format.js';
import type { ClassData, ReportData } from './report-data.js';

const rowsOfPage = 25;

interface Column {
  readonly title: string;
  /** Null sorts last. */
  readonly key: (data: ClassData) => number | string | null;
  readonly text: (data: ClassData) => string;
}

const rate = (part: number, other: number) => (part + other > 0 ? part / (part + other) : null);

function columnsOf(report: ReportData): Column[] {
  const name = (data: ClassData) => className(report, data.class, data.name);
  const number = (title: string, value: (data: ClassData) => number | null, text: (value: number | null) => string): Column => ({
    title,
    key: value,
    text: (data) => text(value(data)),
  });
  const width = report.edges[1]! - report.edges[0]!;
  const recall = ({ positives, threshold }: ClassData) => (threshold ? threshold.truePositives / positives : null);
  const precision = ({ threshold }: ClassData) => (threshold ? rate(threshold.truePositives, threshold.falsePositives) : null);
  return [
    { title: 'Class', key: ({ class: one }) => one, text: name },
    number(
      'Examples',
      ({ positives }) => positives,
      (value) => count(value!),
    ),
    number('Average precision', ({ averagePrecision }) => averagePrecision, share),
    number('Precision at recall 0.9', ({ precisionAt90 }) => precisionAt90, share),
    number('at 0.99', ({ precisionAt99 }) => precisionAt99, share),
    ...(report.perClass.some(({ threshold }) => threshold !== undefined)
      ? [
          number(
            'Threshold',
            ({ threshold }) => threshold?.value ?? null,
            (value) => (value === null ? '–' : scoreText(value, width)),
          ),
          number('its recall', recall, share),
          number('its precision', precision, share),
        ]
      : []),
  ];
}

export class ClassTable {
  readonly #columns: readonly Column[];
  readonly #rows: readonly { data: ClassData; text: string }[];
  readonly #choose: (one: number) => void;
  /** Of all classes that occur, when only the hardest are in the file. */
  readonly #hardest: boolean;
  readonly #body = byId('classes-body');
  readonly #previous = byId<HTMLButtonElement>('previous');
  readonly #next = byId<HTMLButtonElement>('next');
  readonly #headers: HTMLTableCellElement[] = [];
  #sorted = { column: 2, descending: false };
  #query = '';
  #page = 0;

  /** @param choose - is told the class whose button was pressed */
  constructor(report: ReportData, choose: (one: number) => void) {
    this.#choose = choose;
    this.#hardest = report.perClass.length < report.classesWithPositives;
    this.#columns = columnsOf(report);
    this.#rows = report.perClass.map((data) => ({ data, text: `${data.class} ${className(report, data.class, data.name)}`.toLowerCase() }));
    this.#makeHeaders();
    byId<HTMLInputElement>('search').addEventListener('input', ({ target }) => {
      this.#query = (target as HTMLInputElement).value.trim().toLowerCase();
      this.#page = 0;
      this.#show();
    });
    const turn = (by: number) => () => {
      this.#page += by;
      this.#show();
    };
    this.#previous.addEventListener('click', turn(-1));
    this.#next.addEventListener('click', turn(1));
    this.#show();
  }

  #makeHeaders(): void {
    const cells = this.#columns.map(({ title }, column) => {
      const button = element('button', { type: 'button' }, title);
      button.addEventListener('click', () => {
        const again = this.#sorted.column === column;
        this.#sorted = { column, descending: again && !this.#sorted.descending };
        this.#page = 0;
        this.#show();
      });
      return element('th', { scope: 'col' }, button);
    });
    this.#headers.push(...cells);
    byId('classes-head').replaceChildren(element('tr', {}, ...cells));
  }

  #wanted(): ClassData[] {
    const { column, descending } = this.#sorted;
    const { key } = this.#columns[column]!;
    const sign = descending ? -1 : 1;
    const compare = (a: ClassData, b: ClassData) => {
      const [first, second] = [key(a), key(b)];
      if (first === null || second === null) return Number(first === null) - Number(second === null);
      return (first < second ? -sign : first > second ? sign : 0) || a.class - b.class;
    };
    return this.#rows
      .filter(({ text }) => text.includes(this.#query))
      .map(({ data }) => data)
      .sort(compare);
  }

  #show(): void {
    const { column, descending } = this.#sorted;
    for (const [i, header] of this.#headers.entries())
      if (i === column) header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      else header.removeAttribute('aria-sort');
    const wanted = this.#wanted();
    const pages = Math.max(1, Math.ceil(wanted.length / rowsOfPage));
    this.#page = Math.max(0, Math.min(pages - 1, this.#page));
    const first = this.#page * rowsOfPage;
    const shown = wanted.slice(first, first + rowsOfPage);
    this.#body.replaceChildren(...shown.map((data) => this.#row(data)));
    const all = (found: number) =>
      this.#hardest && this.#query === '' ? `the ${count(found)} hardest classes` : `${count(found)} ${found === 1 ? 'class' : 'classes'}`;
    byId('shown').textContent =
      wanted.length === 0
        ? this.#hardest
          ? `None of the ${count(this.#rows.length)} hardest classes has this in its name or number; the others are not in this file.`
          : 'No class has this in its name or number.'
        : `${count(first + 1)}–${count(first + shown.length)} of ${all(wanted.length)}`;
    this.#previous.disabled = this.#page === 0;
    this.#next.disabled = this.#page === pages - 1;
    byId('pages').hidden = pages === 1;
  }

  #row(data: ClassData): HTMLTableRowElement {
    const [name, ...others] = this.#columns;
    const button = element(
      'button',
      { type: 'button', class: 'name', dir: 'auto', 'data-class': data.class, title: name!.text(data) },
      name!.text(data),
    );
    button.addEventListener('click', () => this.#choose(data.class));
    const number =
      data.name === undefined || data.name === String(data.class) ? [] : [element('span', { class: 'number' }, String(data.class))];
    const precision = element('td', { class: 'precision' }, others[1]!.text(data));
    precision.style.setProperty('--share', String(data.averagePrecision));
    const leans = element('span', { class: 'leans', title: 'Chosen by few examples: it leans on all classes together' }, 'leans');
    return element(
      'tr',
      {},
      element('th', { scope: 'row' }, ...number, button),
      element('td', {}, others[0]!.text(data)),
      precision,
      ...others
        .slice(2)
        .map((column) =>
          element('td', {}, ...(column.title === 'Threshold' && data.threshold?.fallback ? [leans] : []), column.text(data)),
        ),
    );
  }
}
