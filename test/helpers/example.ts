/** The programs in `examples/`, as a user runs them. Each has dependencies of its own, which a fresh clone lacks. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';

export const exampleDirectory = (name: string) => fileURLToPath(new URL(`../../examples/${name}/`, import.meta.url));

/** Skips the test, and says why, where it cannot run; fails instead in CI, which installs what examples need. */
export function needs(what: string, present: boolean, remedy: string, context: TestContext): void {
  if (process.env.ONELOGIT_SANITIZED) context.skip('tests of examples run other programs, which the sanitizers of this one disturb');
  if (present) return;
  const message = `needs ${what}: ${remedy}`;
  if (process.env.CI === 'true') throw new Error(`CI is true but this test ${message}`);
  context.skip(message);
}

/** As {@link needs}, for everything in the example's package.json. */
export function needsExample(name: string, context: TestContext): void {
  const installed = existsSync(`${exampleDirectory(name)}node_modules/.package-lock.json`);
  needs(`the dependencies of examples/${name}`, installed, `npm ci --prefix examples/${name}`, context);
}

/** A dependency of an example. Untyped: the types are only there where it is installed. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export const requireFromExample = (name: string, module: string): any => createRequire(`${exampleDirectory(name)}package.json`)(module);

/** A program of an example, in a process of its own. */
export class ExampleProcess {
  readonly #child;
  stdout = '';
  stderr = '';
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  constructor(example: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(process.execPath, [program, ...args], {
      cwd: exampleDirectory(example),
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const name of ['stdout', 'stderr'] as const)
      this.#child[name].setEncoding('utf8').on('data', (text: string) => {
        this[name] += text;
      });
    this.exited = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code, signal) => resolve({ code, signal }));
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** What a pattern captures in the output, once it is there. */
  async find(pattern: RegExp, milliseconds = 60_000): Promise<string> {
    const end = Date.now() + milliseconds;
    for (;;) {
      const found = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (found) return found[1] ?? found[0];
      if (this.#child.exitCode !== null || Date.now() > end)
        throw new Error(`Expected ${pattern} in the output but received:\n${this.stdout}\n${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
