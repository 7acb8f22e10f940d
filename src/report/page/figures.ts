/** The part of the page about thresholds: a class, a threshold, and everything that follows from the two. */
import { CurveFigure } from './curve.js';
import { byId, count, element, isolated, scoreText, share } from './format.js';
import { bars, HistogramFigure } from './histogram.js';
import { Ranking, type Reading } from './ranking.js';
import type { ClassData, ReportData } from './report-data.js';
import { onThemeChange } from './theme.js';

/** 'cat', or 'class 3' where there are no names. */
export function className(report: ReportData, one: number, name: string | undefined = report.names[one]): string {
  return name === undefined || name === '' ? `class ${one}` : name;
}

export class Figures {
  readonly #report: ReportData;
  readonly #pooled: Ranking;
  readonly #histogram: HistogramFigure;
  readonly #curve: CurveFigure;
  readonly #scope = byId<HTMLSelectElement>('scope');
  readonly #slider = byId<HTMLInputElement>('threshold');
  readonly #tables = byId<HTMLDetailsElement>('tables');
  /** Undefined: all classes together. */
  #class: ClassData | undefined;
  #ranking: Ranking;
  #reading: Reading;

  constructor(report: ReportData) {
    this.#report = report;
    this.#pooled = new Ranking(report.pooled, report.edges);
    this.#ranking = this.#pooled;
    this.#reading = this.#pooled.atRecall(0.9);
    this.#fillScope();
    this.#histogram = new HistogramFigure(byId('histogram'), this.#pooled, (score) => {
      this.#slider.value = String(this.#nearestEdge(score));
      this.#useSlider();
    });
    this.#curve = new CurveFigure(byId('curve'), this.#pooled);
    this.#slider.max = String(report.edges.length - 1);
    this.#slider.addEventListener('input', () => this.#useSlider());
    this.#scope.addEventListener('change', () => this.choose(this.#scope.value === '' ? undefined : Number(this.#scope.value)));
    byId<HTMLInputElement>('logarithmic').addEventListener('change', ({ target }) =>
      this.#histogram.setLogarithmic((target as HTMLInputElement).checked),
    );
    for (const button of document.querySelectorAll<HTMLButtonElement>('#presets button'))
      button.addEventListener('click', () => this.#usePreset(button.dataset.preset!));
    this.#tables.addEventListener('toggle', () => this.#showTables());
    onThemeChange(() => {
      this.#histogram.recolour();
      this.#curve.recolour();
    });
    this.choose(undefined);
  }

  /** Shows a class, or all of them; the threshold becomes the one that finds nine in ten. */
  choose(one: number | undefined): void {
    this.#class = one === undefined ? undefined : this.#report.perClass.find((data) => data.class === one);
    this.#ranking = this.#class === undefined ? this.#pooled : new Ranking(this.#class, this.#report.edges);
    this.#scope.value = this.#class === undefined ? '' : String(this.#class.class);
    const calibrated = document.querySelector<HTMLButtonElement>('#presets [data-preset=calibrated]');
    if (calibrated) calibrated.disabled = this.#class?.threshold === undefined;
    this.#histogram.show(this.#ranking, this.#class?.threshold?.value);
    this.#curve.show(this.#ranking);
    this.#describe();
    this.#set(this.#ranking.atRecall(0.9));
    this.#showTables();
  }

  #fillScope(): void {
    const options = [...this.#report.perClass]
      .sort((a, b) => a.class - b.class)
      .map((data) => {
        const name = isolated(className(this.#report, data.class, data.name));
        return element(
          'option',
          { value: data.class },
          data.name === undefined || data.name === String(data.class) ? name : `${data.class}: ${name}`,
        );
      });
    this.#scope.replaceChildren(element('option', { value: '' }, 'All classes together'), ...options);
  }

  /** The bound of a bin that is nearest to a score. */
  #nearestEdge(score: number): number {
    const { edges } = this.#report;
    const width = (edges.at(-1)! - edges[0]!) / (edges.length - 1);
    return Math.max(0, Math.min(edges.length - 1, Math.round((score - edges[0]!) / width)));
  }

  #useSlider(): void {
    this.#set(this.#ranking.reading(Number(this.#slider.value)));
  }

  #usePreset(preset: string): void {
    const calibrated = this.#class?.threshold;
    if (preset !== 'calibrated') this.#set(this.#ranking.atRecall(Number(preset)));
    else if (calibrated) this.#set({ ...calibrated, threshold: calibrated.value });
  }

  #set(reading: Reading): void {
    this.#reading = reading;
    const ranking = this.#ranking;
    const [precision, recall, falsePositiveRate] = [
      ranking.precision(reading),
      ranking.recall(reading),
      ranking.falsePositiveRate(reading),
    ];
    const threshold = this.#score(reading.threshold);
    this.#slider.value = String(this.#nearestEdge(reading.threshold));
    this.#slider.setAttribute('aria-valuetext', `${threshold}: precision ${share(precision)}, recall ${share(recall)}`);
    byId('threshold-value').textContent = threshold;
    byId('precision').textContent = share(precision);
    byId('recall').textContent = share(recall);
    byId('false-positive-rate').textContent = share(falsePositiveRate);
    byId('reading').textContent = this.#sentence(reading);
    this.#histogram.mark(reading.threshold);
    this.#curve.mark(reading);
  }

  #score(value: number): string {
    const { edges } = this.#report;
    return scoreText(value, edges[1]! - edges[0]!);
  }

  #sentence({ truePositives, falsePositives }: Reading): string {
    const { positives, negatives } = this.#ranking;
    const kind = this.#report.scores === 'softmax' ? 'probability' : 'logit';
    if (this.#class === undefined)
      return `At this threshold ${count(truePositives)} of ${count(positives)} examples have a ${kind} of their own class that reaches it, and so do ${count(falsePositives)} of ${count(negatives)} ${kind === 'logit' ? 'logits' : 'probabilities'} of wrong classes.`;
    return `At this threshold ${count(truePositives)} of the ${count(positives)} examples of this class are found, with ${count(falsePositives)} false ${falsePositives === 1 ? 'alarm' : 'alarms'} among ${count(negatives)} others.`;
  }

  /** What the figures show, for those who do not see them. */
  #describe(): void {
    const { right, wrong, data } = this.#ranking;
    const name =
      this.#class === undefined ? 'all classes together' : isolated(className(this.#report, this.#class.class, this.#class.name));
    const span = (counts: readonly number[]) => {
      const first = counts.findIndex((value) => value > 0);
      if (first < 0) return 'none';
      return `from ${this.#score(this.#report.edges[first]!)} to ${this.#score(this.#report.edges[counts.findLastIndex((value) => value > 0) + 1]!)}`;
    };
    byId('histogram').setAttribute(
      'aria-label',
      `Histogram, ${name}: right ${span(right)}, wrong ${span(wrong)}. The numbers are in the tables below.`,
    );
    byId('curve').setAttribute(
      'aria-label',
      `Precision-recall curve, ${name}: average precision ${share(data.averagePrecision)}. The numbers are in the tables below.`,
    );
    const beaten = (this.#class?.confusions ?? []).map(
      ([wrongClass, examples]) =>
        `${isolated(className(this.#report, wrongClass, this.#report.perClass.find((one) => one.class === wrongClass)?.name))} (${count(examples)})`,
    );
    byId('scope-facts').textContent = [
      `average precision ${share(data.averagePrecision)}`,
      `precision at recall 0.9: ${share(data.precisionAt90)}, at 0.99: ${share(data.precisionAt99)}`,
      ...(beaten.length > 0 ? [`most often beaten by ${beaten.join(', ')}`] : []),
    ].join('; ');
  }

  /** Only while they are open: they are long. */
  #showTables(): void {
    const body = byId('tables-body');
    if (!this.#tables.open) {
      body.replaceChildren();
      return;
    }
    const table = (caption: string, head: readonly string[], rows: readonly (readonly string[])[]) =>
      element(
        'div',
        { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
        element(
          'table',
          { class: 'numbers' },
          element('caption', {}, caption),
          element('thead', {}, element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name)))),
          element('tbody', {}, ...rows.map((row) => element('tr', {}, ...row.map((cell) => element('td', {}, cell))))),
        ),
      );
    const recalls = [...Array.from({ length: 9 }, (_, i) => (i + 1) / 10), 0.95, 0.99, 1];
    body.replaceChildren(
      table(
        'Distribution',
        ['from', 'to below', 'right', 'wrong'],
        bars(this.#ranking)
          .filter(({ right, wrong }) => right + wrong > 0)
          .map(({ from, to, right, wrong }) => [this.#score(from), this.#score(to), count(right), count(wrong)]),
      ),
      table(
        'Precision at recall',
        ['recall at least', 'precision', 'threshold'],
        recalls.map((recall) => {
          const point = this.#ranking.atRecall(recall);
          return [String(recall), share(point.precision), this.#score(point.threshold)];
        }),
      ),
    );
  }
}
