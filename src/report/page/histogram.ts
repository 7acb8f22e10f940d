/** The distributions of right and wrong scores, one over the other, with the threshold between them. */
import type UPlot from 'uplot';
import type { Ranking } from './ranking.js';
import { colour } from './theme.js';

declare const uPlot: typeof UPlot;

/** The page's style sheet aligns the slider with the plot by these, in CSS pixels. */
const axisWidth = 64;
const rightPadding = 12;

/** Bars are no narrower than this share of the range: finer bins are shown in groups. */
const mostBars = 100;

/** Text in figures. */
export const figureFont = '12px system-ui, sans-serif';

export interface Bar {
  readonly from: number;
  readonly to: number;
  readonly right: number;
  readonly wrong: number;
}

/** Bins in groups, of which there are at most a hundred. */
export function bars({ edges, right, wrong }: Ranking): Bar[] {
  const bins = edges.length - 1;
  const size = Math.ceil(bins / mostBars);
  const sum = (counts: readonly number[], first: number) => counts.slice(first, first + size).reduce((total, count) => total + count, 0);
  return Array.from({ length: Math.ceil(bins / size) }, (_, i) => {
    const first = i * size;
    return { from: edges[first]!, to: edges[Math.min(bins, first + size)]!, right: sum(right, first), wrong: sum(wrong, first) };
  });
}

export class HistogramFigure {
  readonly #container: HTMLElement;
  readonly #pick: (score: number) => void;
  #plot: UPlot;
  #logarithmic = true;
  #ranking: Ranking;
  /** Least and greatest share on the axis. */
  #least = 1e-3;
  #most = 1;
  #threshold = 0;
  #calibrated: number | undefined;

  /** @param pick - is told the score under the pointer when it is pressed and drawn over the figure */
  constructor(container: HTMLElement, ranking: Ranking, pick: (score: number) => void) {
    this.#container = container;
    this.#ranking = ranking;
    this.#pick = pick;
    this.#plot = this.#build();
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(container);
  }

  /** Of another class. */
  show(ranking: Ranking, calibrated: number | undefined): void {
    this.#ranking = ranking;
    this.#calibrated = calibrated;
    this.#plot.setData(this.#data());
  }

  mark(threshold: number): void {
    this.#threshold = threshold;
    this.#plot.redraw(false, false);
  }

  setLogarithmic(logarithmic: boolean): void {
    this.#logarithmic = logarithmic;
    this.#plot.destroy();
    this.#plot = this.#build();
  }

  recolour(): void {
    this.#plot.redraw(false, true);
  }

  #build(): UPlot {
    const { edges } = this.#ranking;
    const axis = { stroke: () => colour('muted'), font: figureFont, ticks: { stroke: () => colour('line'), width: 1, size: 4 } };
    const series = (name: 'right' | 'wrong') => ({
      stroke: () => colour(name),
      fill: () => colour(`${name}-area`),
      width: 1.5,
      points: { show: false },
      paths: uPlot.paths.stepped!({ align: 1 }),
      fillTo: () => this.#bottom,
    });
    const plot = new uPlot(
      {
        ...this.#size(),
        padding: [12, rightPadding, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { time: false, range: [edges[0]!, edges.at(-1)!] },
          y: this.#logarithmic ? { distr: 3, range: () => [this.#least, 1] } : { range: () => [0, this.#most] },
        },
        series: [{}, series('wrong'), series('right')],
        axes: [
          { ...axis, grid: { show: false }, size: 32 },
          {
            ...axis,
            size: axisWidth,
            grid: { stroke: () => colour('line'), width: 1 },
            values: (_, splits) => splits.map(percentText),
            ...(this.#logarithmic ? { splits: () => this.#powers(), filter: (_: UPlot, splits: number[]) => splits } : {}),
          },
        ],
        hooks: { draw: [(drawn) => this.#drawThreshold(drawn)] },
      },
      this.#data(),
      this.#container,
    );
    this.#listen(plot.over, plot);
    return plot;
  }

  /** Where areas end: below the axis, if that is logarithmic. */
  get #bottom(): number {
    return this.#logarithmic ? this.#least / 10 : 0;
  }

  #size() {
    const width = Math.max(240, this.#container.clientWidth);
    return { width, height: Math.round(Math.max(200, Math.min(320, width * 0.34))) };
  }

  /** 1, 0.1, … down to a power that one score of the larger kind is above. */
  #powers(): number[] {
    const powers = Math.round(-Math.log10(this.#least));
    const every = Math.ceil(powers / 6);
    return Array.from({ length: Math.floor(powers / every) + 1 }, (_, i) => 10 ** (-i * every)).reverse();
  }

  #data(): UPlot.AlignedData {
    const { positives, negatives } = this.#ranking;
    this.#least = 10 ** -(Math.floor(Math.log10(Math.max(positives, negatives, 1))) + 1);
    const all = bars(this.#ranking);
    const right = all.map((bar) => bar.right / Math.max(1, positives));
    const wrong = all.map((bar) => bar.wrong / Math.max(1, negatives));
    this.#most = 1.05 * Math.max(...right, ...wrong, 1e-9);
    // A step goes on to the next bound: the last one needs an end.
    const steps = (values: number[]) => [...values, values.at(-1)!].map((value) => Math.max(this.#bottom, value));
    return [[...all.map((bar) => bar.from), all.at(-1)!.to], steps(wrong), steps(right)];
  }

  #drawThreshold(plot: UPlot): void {
    const { ctx, bbox } = plot;
    const line = (score: number, stroke: string, dash: number[]) => {
      const x = Math.round(plot.valToPos(score, 'x', true));
      if (!(x >= bbox.left - 1 && x <= bbox.left + bbox.width + 1)) return;
      ctx.strokeStyle = stroke;
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    };
    ctx.save();
    if (this.#calibrated !== undefined) line(this.#calibrated, colour('muted'), [2, 4]);
    line(this.#threshold, colour('text'), []);
    ctx.restore();
  }

  #listen(over: HTMLElement, plot: UPlot): void {
    const pickAt = (event: PointerEvent) => this.#pick(plot.posToVal(event.clientX - over.getBoundingClientRect().left, 'x'));
    over.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      over.setPointerCapture(event.pointerId);
      pickAt(event);
    });
    over.addEventListener('pointermove', (event) => {
      if (over.hasPointerCapture(event.pointerId)) pickAt(event);
    });
  }
}

function percentText(value: number | null): string {
  if (value === null) return '';
  const percent = 100 * value;
  return percent >= 0.001 || percent === 0 ? `${Number(percent.toPrecision(3))} %` : `10${superscript(Math.round(Math.log10(percent)))} %`;
}

const superscript = (power: number) => [...String(power)].map((digit) => (digit === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)])).join('');
