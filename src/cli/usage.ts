/**
 * How a command line can go wrong, and what the process answers then.
 */
import { AbortError } from '../errors.js';

/** Exit codes: part of the public contract. */
export const ExitCode = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  readonly code = 'ERR_ONELOGIT_USAGE';
}

/** Stopped by SIGINT or SIGTERM: exit code 130. `details` goes into the JSON error (where a checkpoint was written, say). */
export class InterruptedError extends Error {
  readonly code = 'ERR_ONELOGIT_INTERRUPTED';
  constructor(
    message: string,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** Whether a command stopped because it was told to. Something else may have failed after Ctrl-C: then that is what has to be known. */
export function wasStopped(error: unknown, signal: AbortSignal): boolean {
  return error instanceof AbortError || (signal.aborted && error === signal.reason);
}

/** Edit distance in which swapping two neighbours counts once (optimal string alignment): the usual typing slips. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = Array.from({ length: a.length + 1 }, (_, i) => [i]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const substituted = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, substituted);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  return rows[a.length]![b.length]!;
}

/** The known name that was probably meant, if one is near enough (a third of its letters) or begins with what was typed. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const name of known) {
    const distance = typed.length >= 3 && name.startsWith(typed) ? 0.5 : editDistance(typed, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.floor(best.length / 3)) ? best : undefined;
}

/** ", did you mean 'x'?" or nothing. */
export function suggestion(typed: string, known: readonly string[], prefix = ''): string {
  const near = nearest(typed, known);
  return near === undefined ? '' : ` (did you mean '${prefix}${near}'?)`;
}
