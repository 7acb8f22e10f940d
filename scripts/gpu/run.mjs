/** Programs run from the two scripts: output shown as it comes and kept, ended when their time is up. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Process groups of what runs: they end with this program. */
const running = new Set();

function end(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // it has ended
  }
}
process.on('exit', () => running.forEach(end));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** A phase that failed, with what is worth keeping of it. */
export class PhaseError extends Error {
  constructor(message, details = {}) {
    super(message);
    this.details = details;
  }
}

/**
 * @param {{ seconds: number, quiet?: boolean, environment?: NodeJS.ProcessEnv }} options `seconds`: until it is killed.
 * @returns {Promise<{ status: number | null, signal: string | null, timedOut: boolean, output: string, stdout: string, seconds: number }>}
 */
export function run(command, args, { seconds, quiet = false, environment = {} }) {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    let stdout = '';
    let output = '';
    let timedOut = false;
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    if (child.pid !== undefined) running.add(child.pid); // a group of its own: what it starts ends with it
    const timer = setTimeout(() => {
      timedOut = true;
      end(child.pid);
    }, seconds * 1000);
    const take = (chunk) => {
      output += chunk;
      if (!quiet) process.stdout.write(chunk);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk;
      take(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      running.delete(child.pid);
      resolve({ status, signal, timedOut, output, stdout, seconds: (performance.now() - begin) / 1000 });
    });
  });
}

const last = (text, lines) => text.trim().split('\n').slice(-lines).join('\n');

/** As `run`, but throws unless the program ended with status 0. */
export async function mustRun(what, command, args, options) {
  const result = await run(command, args, options);
  if (result.timedOut) throw new PhaseError(`${what} took longer than ${Math.round(options.seconds)} s`, { end: last(result.output, 20) });
  if (result.status !== 0)
    throw new PhaseError(`${what} ended with ${result.signal ?? `status ${result.status}`}`, { end: last(result.output, 60) });
  return result;
}
