/** Processes that run what a page says, and what is expected of them. */
import { spawn } from 'node:child_process';
import type { Block } from './markdown.js';

export interface Finished {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, or ends it after two minutes. */
export function run(command: string, args: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      // Pages are run two at a time.
      env: { ...process.env, NODE_OPTIONS: '', ONELOGIT_THREADS: '1', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    const result = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        result[name] += chunk;
      });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, ...result }));
  });
}

/** What went wrong; undefined if nothing did. */
export function failureOf({ status, signal, stderr, stdout }: Finished): string | undefined {
  if (status === 0) return undefined;
  return `Expected exit status 0 but received ${signal ?? status}: ${(stderr || stdout).trim().slice(0, 2000)}`;
}

/** `→ text` in a comment: a line that the program prints. */
const promise = /(?:\/\/|#) → (.+?)\s*$/;

/** Complaints about lines that comments promise and the output lacks, in their order. */
export function brokenPromises(blocks: readonly Block[], stdout: string): string[] {
  const printed = stdout.split('\n');
  let at = 0;
  return blocks.flatMap((block) =>
    block.text.split('\n').flatMap((text, i) => {
      const promised = promise.exec(text)?.[1];
      if (promised === undefined) return [];
      const found = printed.indexOf(promised, at);
      if (found < 0) return [`${block.line + i}: Expected the output '${promised}' but received:\n${stdout.trimEnd()}`];
      at = found + 1;
      return [];
    }),
  );
}
