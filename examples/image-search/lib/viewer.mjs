// One browser: the class it looks for, and what waits to be sent to it.

/** Matches that wait for a slow connection; then the oldest is forgotten. A viewer's memory has this limit whatever the network does. */
const mostWaiting = 32;

export class Viewer {
  #matches = [];
  #report = null;
  /** @type {(value?: unknown) => void} */
  #wake = () => {};
  #ended = false;
  #counts = { searched: 0, present: 0, found: 0, falseAlarms: 0, forgotten: 0 };
  #number = 0;

  constructor(classId, threshold) {
    this.classId = classId;
    this.threshold = threshold;
  }

  /** An image that was searched for this viewer's class. The label is looked at for the statistics only. */
  see({ image, label, score, source }) {
    const right = label === this.classId;
    this.#counts.searched++;
    if (right) this.#counts.present++;
    if (score < this.threshold) return;
    this.#counts[right ? 'found' : 'falseAlarms']++;
    if (this.#matches.length === mostWaiting) {
      this.#matches.shift();
      this.#counts.forgotten++;
    }
    this.#matches.push({
      number: ++this.#number,
      source,
      score,
      threshold: this.threshold,
      label,
      right,
      image: Buffer.from(image).toString('base64'),
    });
    this.#wake();
  }

  /** Of reports only the latest waits. */
  report(report) {
    this.#report = { ...report, counts: { ...this.#counts } };
    this.#wake();
  }

  end() {
    this.#ended = true;
    this.#wake();
  }

  /**
   * What to send, one event at a time, as the reader asks for it.
   *
   * @returns {AsyncGenerator<{ event: string, data: object }>}
   */
  async *events() {
    while (!this.#ended) {
      // Reports first: they are few, and where matches come faster than they can be sent, a report is what says so.
      if (this.#report) {
        const data = this.#report;
        this.#report = null;
        yield { event: 'report', data };
      } else if (this.#matches.length > 0) yield { event: 'match', data: this.#matches.shift() };
      else {
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
