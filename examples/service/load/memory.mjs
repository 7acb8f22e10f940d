// Memory of another process over time, as Linux counts it.
import { readFileSync } from 'node:fs';

const everyMilliseconds = 100;

export class Memory {
  #samples = [];
  #timer;

  constructor(pid) {
    this.#timer = setInterval(() => {
      const [, kilobytes] = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      if (kilobytes) this.#samples.push(Number(kilobytes) / 1024);
    }, everyMilliseconds);
  }

  /** Means of the first and the last third, in MiB. */
  end() {
    clearInterval(this.#timer);
    const third = Math.floor(this.#samples.length / 3);
    if (third === 0) throw new Error('Expected samples of memory over some seconds but took fewer than three');
    const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [firstThird, lastThird] = [mean(this.#samples.slice(0, third)), mean(this.#samples.slice(-third))];
    return { firstThird, lastThird, growth: lastThird / firstThird - 1, most: Math.max(...this.#samples), samples: this.#samples.length };
  }
}
