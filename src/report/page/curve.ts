/** The precision-recall curve, and where on it the threshold is. */
import type UPlot from 'uplot';
import { figureFont } from './histogram.js';
import type { Ranking, Reading } from './ranking.js';
import { colour } from './theme.js';

declare const uPlot: typeof UPlot;

export class CurveFigure {
  readonly #plot: UPlot;
  readonly #container: HTMLElement;
  readonly #pooled: Ranking;
  #ranking: Ranking;
  #reading: Reading;

  /** @param pooled - all classes together, which is drawn behind every class */
  constructor(container: HTMLElement, pooled: Ranking) {
    this.#container = container;
    this.#pooled = pooled;
    this.#ranking = pooled;
    this.#reading = pooled.reading(0);
    const axis = {
      stroke: () => colour('muted'),
      font: figureFont,
      ticks: { stroke: () => colour('line'), size: 4 },
      grid: { stroke: () => colour('line'), width: 1 },
      splits: () => [0, 0.2, 0.4, 0.6, 0.8, 1],
      labelFont: figureFont,
      labelSize: 18,
    };
    const scale = { time: false, range: [-0.02, 1.03] as [number, number] };
    const series = { points: { show: false }, paths: uPlot.paths.stepped!({ align: -1 }) };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        padding: [8, 12, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: { x: scale, y: scale },
        series: [
          {},
          { ...series, stroke: () => colour('muted'), width: 1.25, dash: [4, 4] },
          { ...series, stroke: () => colour('right'), width: 2 },
        ],
        axes: [
          { ...axis, label: 'recall', size: 32 },
          { ...axis, label: 'precision', size: 38 },
        ],
        hooks: { draw: [() => this.#drawPoint()] },
      },
      this.#data(),
      container,
    );
    new ResizeObserver(() => this.#plot.setSize(this.#size())).observe(container);
  }

  show(ranking: Ranking): void {
    this.#ranking = ranking;
    this.#plot.setData(this.#data());
  }

  mark(reading: Reading): void {
    this.#reading = reading;
    this.#plot.redraw(false, false);
  }

  recolour(): void {
    this.#plot.redraw(false, true);
  }

  #size() {
    const width = Math.max(240, this.#container.clientWidth);
    return { width, height: Math.round(Math.min(340, Math.max(240, width * 0.72))) };
  }

  #data(): UPlot.AlignedData {
    // Average precision takes the precision at the end of each step of recall.
    const steps = ({ curve }: Ranking): [number[], number[]] => [
      [0, ...curve.map((point) => point.recall)],
      [curve[0]!.precision, ...curve.map((point) => point.precision)],
    ];
    return uPlot.join([steps(this.#pooled), steps(this.#ranking)]);
  }

  #drawPoint(): void {
    const precision = this.#ranking.precision(this.#reading);
    if (precision === null) return;
    const { ctx } = this.#plot;
    ctx.save();
    ctx.beginPath();
    ctx.arc(
      this.#plot.valToPos(this.#ranking.recall(this.#reading), 'x', true),
      this.#plot.valToPos(precision, 'y', true),
      5.5 * devicePixelRatio,
      0,
      2 * Math.PI,
    );
    ctx.fillStyle = colour('text');
    ctx.strokeStyle = colour('ground');
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.fill();
    ctx.stroke();
    ctx.restore();
  }
}
