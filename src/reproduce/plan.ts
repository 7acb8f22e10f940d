/**
 * How far a whole run is: its parts with the seconds that they are expected to take. What they take here is learnt from the parts that have
 * ended, and from the current one as far as it is.
 */

export class Plan {
  readonly #left = new Map<string, number>();
  #total = 0;
  /** Of the parts that have ended in this run: expected and real seconds. */
  #expected = 0;
  #real = 0;
  #current: { key: string; expected: number; began: number } | undefined;

  constructor(readonly now: () => number = () => performance.now() / 1000) {}

  /** Adds a part, or corrects one that is not done yet. */
  add(key: string, seconds: number): void {
    this.#total += seconds - (this.#left.get(key) ?? 0);
    this.#left.set(key, seconds);
  }

  /** What is done by an earlier run; it teaches nothing. */
  skip(key: string): void {
    this.#left.delete(key);
  }

  /** The key of the current part. */
  get current(): string | undefined {
    return this.#current?.key;
  }

  begin(key: string): void {
    this.end();
    this.#current = { key, expected: this.#left.get(key) ?? 0, began: this.now() };
  }

  end(): void {
    if (!this.#current) return;
    const { key, expected, began } = this.#current;
    if (expected > 0) {
      this.#expected += expected;
      this.#real += this.now() - began;
    }
    this.#left.delete(key);
    this.#current = undefined;
  }

  /**
   * Share of the run that is done, and seconds that are left of it.
   *
   * @param part how far the current part is, if that is known: its share that is done, and the seconds that it says are left
   */
  state(part?: { share: number; secondsLeft: number }): { done: number; total: number; secondsLeft: number } {
    const { key, expected, began } = this.#current ?? { key: '', expected: 0, began: this.now() };
    let others = 0;
    for (const [other, seconds] of this.#left) if (other !== key) others += seconds;
    const elapsed = this.now() - began;
    // The current part teaches as far as it is: the first one of a run is the only one there is.
    const [expectedSoFar, realSoFar] = part ? [this.#expected + part.share * expected, this.#real + elapsed] : [this.#expected, this.#real];
    const pace = expectedSoFar > 0 && realSoFar > 0 ? realSoFar / expectedSoFar : 1;
    const { share, secondsLeft } = part ?? {
      share: expected > 0 ? Math.min(1, elapsed / (expected * pace)) : 0,
      secondsLeft: Math.max(0, expected * pace - elapsed),
    };
    return { done: this.#total - others - (1 - share) * expected, total: this.#total, secondsLeft: others * pace + secondsLeft };
  }
}
