// A contestant is a process of its own that answers a line of JSON with a line of JSON: no contestant can slow another's heap,
// threads or caches down, except by running at the same time, which the coordinator never lets happen.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class Contestant {
  #child;
  #lines;
  #errors = '';

  constructor(name, command, args, environment = {}) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.#child.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#child.on('error', (error) => {
      this.#errors += error.message;
    });
    this.#child.stdin.on('error', () => {}); // it ended early: next() says why
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next thing it says. */
  async next() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.name} ended: ${this.#errors.trim() || 'no message'}`);
    return JSON.parse(value);
  }

  ask(request) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    return this.next();
  }

  /** Resolves when it has ended and its memory is free. */
  close() {
    const { exitCode, signalCode } = this.#child;
    const ended = exitCode === null && signalCode === null ? once(this.#child, 'exit') : Promise.resolve();
    this.#child.stdin.end();
    this.#child.kill();
    return ended;
  }
}
