/** The course of a number in one line of characters. */

const levels = '▁▂▃▄▅▆▇█';
const notFinite = '·';

/**
 * One character for each value, from the lowest to the highest of them; by their logarithms where all are above 0, because a loss that has
 * fallen to a hundredth goes on falling. What is not finite is a dot and has no part in the scale.
 */
export function sparkline(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite);
  const scale = finite.every((value) => value > 0) ? Math.log : (value: number) => value;
  const [least, most] = finite.reduce(
    ([low, high], value) => [Math.min(low, scale(value)), Math.max(high, scale(value))],
    [Infinity, -Infinity],
  );
  // By halves: the difference of two finite numbers need not be finite. 0 / 0 is where all are the same.
  const share = (value: number) => (scale(value) / 2 - least / 2) / (most / 2 - least / 2);
  const level = (value: number) => Math.min(levels.length - 1, Math.floor(levels.length * share(value)) || 0);
  return values.map((value) => (Number.isFinite(value) ? levels[level(value)] : notFinite)).join('');
}

/** The mean of each of `count` stretches of about the same length; all values where there are no more of them. */
export function stretches(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  const edge = (i: number) => Math.round((i * values.length) / count);
  return Array.from({ length: count }, (_, i) => mean(values.slice(edge(i), edge(i + 1))));
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A course of any length in bounded memory: where there are too many values, two neighbours become their mean. */
export class Course {
  readonly #most: number;
  #values: number[] = [];
  #perValue = 1;
  #begun: number[] = [];

  /** At most `most` values are kept, at least half of them once there were so many. */
  constructor(most = 120) {
    this.#most = most;
  }

  add(value: number): void {
    this.#begun.push(value);
    if (this.#begun.length < this.#perValue) return;
    this.#values.push(mean(this.#begun));
    this.#begun = [];
    if (this.#values.length < this.#most) return;
    this.#values = stretches(this.#values, this.#most / 2);
    this.#perValue *= 2;
  }

  /** Oldest first; the last one may be of fewer values than the others. */
  get values(): readonly number[] {
    return this.#begun.length === 0 ? this.#values : [...this.#values, mean(this.#begun)];
  }
}
