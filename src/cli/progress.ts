/**
 * Progress on standard error: a live line on a terminal, a plain line now and then anywhere else.
 */
import { count, drawBelowErrors, duration } from './output.js';
import { Course, sparkline, stretches } from './sparkline.js';

/** Where progress is drawn: standard error, or a stand-in in tests. */
export interface ProgressStream {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

export interface ProgressState {
  /** Done and to do, in the same unit. `total` may be unknown (0). */
  done: number;
  total: number;
  secondsLeft?: number;
  /** What else there is to say, most important first: the last ones are dropped when the line is too narrow. */
  details: readonly string[];
  /** How a number has changed so far, oldest first, and what it is: a second line on terminals that can show it. */
  curve?: { name: string; values: readonly number[] };
}

/** What `fit` reports. */
export interface FitReport {
  step: number;
  steps: number;
  loss: number;
  accuracy: number;
  examplesPerSecond: number;
  secondsLeft: number;
  validation?: { accuracy: number } | undefined;
}

/** What `fit` reports, as a progress state. */
export function fitState(progress: FitReport): ProgressState {
  const details = [
    `loss ${significant(progress.loss)}`,
    ...(Number.isNaN(progress.accuracy) ? [] : [`accuracy ${(100 * progress.accuracy).toFixed(1)} %`]),
    `${count(progress.examplesPerSecond)} examples/s`,
    `step ${count(progress.step)}/${count(progress.steps)}`,
  ];
  if (progress.validation) details.splice(2, 0, `validation ${(100 * progress.validation.accuracy).toFixed(2)} %`);
  return { done: progress.step, total: progress.steps, secondsLeft: progress.secondsLeft, details };
}

/** The same with the course of the loss, for a whole run. */
export function fitStates(): (progress: FitReport) => ProgressState {
  const losses = new Course();
  let validation: FitReport['validation'];
  return (progress) => {
    losses.add(progress.loss);
    // Only the report after a validation has it: it stays until the next.
    validation = progress.validation ?? validation;
    return { ...fitState({ ...progress, validation }), curve: { name: 'loss', values: losses.values } };
  };
}

/** Three significant digits, without an exponent where a person would not write one. */
export function significant(value: number): string {
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  return magnitude >= 1e-4 && magnitude < 1e4 ? value.toFixed(Math.max(0, 2 - Math.floor(Math.log10(magnitude)))) : value.toExponential(2);
}

const greenOn = '\x1b[32m';
const dimOn = '\x1b[2m';
const colourOff = '\x1b[0m';

export interface BarStyle {
  width: number;
  colour: boolean;
  unicode: boolean;
}

/** One line of at most `width` columns: as many details as leave room for a bar; where even one leaves none, details without a bar. */
export function barLine(label: string, state: ProgressState, { width, colour, unicode }: BarStyle): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 0;
  const head = [...(label === '' ? [] : [label]), ...(state.total > 0 ? [`${String(Math.floor(100 * share)).padStart(3)} %`] : [])];
  const left = state.secondsLeft === undefined ? [] : [`${duration(state.secondsLeft)} left`];
  const lengthOf = (parts: readonly string[]) => parts.reduce((sum, part) => sum + part.length + 2, -2);
  const smallestBar = 6; // so that 80 columns have room for the rate
  const room = (details: readonly string[]) => width - lengthOf([...head, ...details, ...left]);
  let details = [...state.details];
  while (details.length > 1 && room(details) < smallestBar + 2) details.pop();
  const barWidth = state.total > 0 && room(details) >= smallestBar + 2 ? Math.min(30, room(details) - 2) : 0;
  if (barWidth === 0) {
    details = [...state.details];
    while (details.length > 0 && room(details) < 0) details.pop();
  }
  const parts: string[] = [...head];
  if (barWidth > 0) {
    const filled = Math.round(share * barWidth);
    const [on, off] = unicode ? ['━', '─'] : ['#', '-'];
    const [done, todo] = [on.repeat(filled), off.repeat(barWidth - filled)];
    parts.splice(label === '' ? 0 : 1, 0, colour ? `${greenOn}${done}${dimOn}${colourOff}${dimOn}${todo}${colourOff}` : done + todo);
  }
  const line = [...parts, ...details, ...left].join('  ');
  return barWidth === 0 ? line.slice(0, Math.max(0, width)) : line;
}

/** The course of a number below the bar, with its first and its latest value: '' where there is no room for a course worth the name. */
export function curveLine(label: string, { name, values }: NonNullable<ProgressState['curve']>, width: number): string {
  const head = `${name.padEnd(label.length)}  `;
  const [first, last] = [values[0], values.at(-1)];
  if (first === undefined || last === undefined || values.length < 2) return '';
  const ends = `  ${significant(first)} → ${significant(last)}`;
  const [least, most] = [8, 60];
  const room = width - head.length;
  const shown = room >= least + ends.length ? ends : '';
  const length = Math.min(most, room - shown.length);
  return length < least ? '' : `${head}${sparkline(stretches(values, length))}${shown}`;
}

/**
 * Whether characters beyond ASCII are shown as they are: the locale says so by its encoding, and the Linux console has few of them. Where
 * nothing is said (containers, Windows), today's terminals do.
 */
export function showsUnicode(env: NodeJS.ProcessEnv): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return env.TERM !== 'linux' && (locale === '' || /utf-?8/i.test(locale));
}

export interface ProgressOptions {
  stream?: ProgressStream;
  env?: NodeJS.ProcessEnv;
  now?: () => number;
  /** Milliseconds between plain lines where there is no terminal. */
  lineEvery?: number;
  /** Milliseconds in which nothing is drawn: most of what is watched is done by then. */
  quietFor?: number;
}

const redrawEvery = 80;

/**
 * Shows how far something is. `update` as often as you like; it draws at most a dozen times a second. Always call `finish`.
 */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #live: boolean;
  readonly #colour: boolean;
  readonly #unicode: boolean;
  readonly #now: () => number;
  readonly #lineEvery: number;
  #drawnAt: number;
  /** Of the lines that stand, in columns. */
  #drawnLengths: readonly number[] = [];
  #drawnState: ProgressState | undefined;
  #state: ProgressState | undefined;
  readonly #onResize = () => {
    if (this.#drawnLengths.length > 0) this.#draw();
  };

  constructor(
    readonly label: string,
    { stream = process.stderr, env = process.env, now = () => performance.now(), lineEvery = 10_000, quietFor = 0 }: ProgressOptions = {},
  ) {
    this.#stream = stream;
    this.#live = stream.isTTY === true && env.TERM !== 'dumb';
    this.#colour = this.#live && (env.NO_COLOR ?? '') === '';
    this.#unicode = showsUnicode(env);
    this.#now = now;
    this.#lineEvery = lineEvery;
    this.#drawnAt = this.#live ? now() - redrawEvery + quietFor : now();
    if (this.#live) stream.on?.('resize', this.#onResize);
    if (this.#live && stream === process.stderr) drawBelowErrors((text) => this.note(text));
  }

  update(state: ProgressState): void {
    this.#state = state;
    const now = this.#now();
    if (now - this.#drawnAt < (this.#live ? redrawEvery : this.#lineEvery)) return;
    this.#drawnAt = now;
    this.#draw();
  }

  #draw(): void {
    if (!this.#state) return;
    this.#drawnState = this.#state;
    if (!this.#live) {
      this.#stream.write(
        `${barLine(this.label, this.#state, { width: 200, colour: false, unicode: false }).replace(/[#-]{6,} {2}/, '')}\n`,
      );
      return;
    }
    // The last column stays free: some terminals wrap when it is written. Where the cursor stands there is room for the ^C of an interruption.
    const width = this.#columns() - 1;
    const curve = this.#state.curve && this.#unicode ? curveLine(this.label, this.#state.curve, width - 2) : '';
    const style = { width: curve === '' ? width - 2 : width, colour: this.#colour, unicode: this.#unicode };
    const lines = [barLine(this.label, this.#state, style), ...(curve === '' ? [] : [curve])];
    this.#stream.write(`${this.#erase()}${lines.join('\n')}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences take no columns
    this.#drawnLengths = lines.map((line) => line.replace(/\x1b\[\d+m/g, '').length);
  }

  #columns(): number {
    // Some terminals do not know their size and say 0.
    return Math.max(10, this.#stream.columns || 80);
  }

  /** Back to the start of what was drawn, which a terminal made narrower since has broken over several rows. */
  #erase(): string {
    const rows = this.#drawnLengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / this.#columns())), 0);
    return `\r${rows > 1 ? `\x1b[${rows - 1}A` : ''}\x1b[J`;
  }

  /** Writes a line of its own above the live one. */
  note(text: string): void {
    const stands = this.#drawnLengths.length > 0;
    // Of what does not stand yet, too: a terminal has written ^C where the cursor is.
    this.#stream.write(`${this.#live ? this.#erase() : ''}${text}\n`);
    this.#drawnLengths = [];
    if (stands) this.#draw();
  }

  /** Takes the live line away, or leaves its last state standing. Elsewhere the last state is printed if it was not yet. */
  finish({ keep = true }: { keep?: boolean } = {}): void {
    if (this.#live) {
      this.#stream.off?.('resize', this.#onResize);
      if (this.#stream === process.stderr) drawBelowErrors(undefined);
      if (this.#state === undefined) return;
      if (keep) {
        this.#draw();
        this.#stream.write('\n');
      } else if (this.#drawnLengths.length > 0) this.#stream.write(this.#erase());
      this.#drawnLengths = [];
    } else if (keep && this.#state !== this.#drawnState) this.#draw();
    this.#state = undefined;
  }
}
