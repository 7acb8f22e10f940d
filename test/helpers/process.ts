import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built package, as a program that uses it imports it. */
export const packageUrl = new URL('../../dist/index.js', import.meta.url).href;
export const internalsUrl = new URL('../../dist/internals.js', import.meta.url).href;
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

export interface ProcessResult {
  /** Exit status; null when a signal ended it: a crash. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a module's source text in a Node of its own, killed after a minute. */
export function runModule(source: string, { flags = [], environment = {} }: { flags?: string[]; environment?: NodeJS.ProcessEnv } = {}) {
  return new Promise<ProcessResult>((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, '--input-type=module', '-'], {
      cwd: packageRoot,
      env: { ...process.env, NODE_OPTIONS: '', ...environment },
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.end(source);
  });
}
