/** What every reproduction that trains shows while it does so. */
import type { ExperimentHooks } from '../reproduce/experiment.js';
import { fitState, Progress } from './progress.js';
import { InterruptedError } from './usage.js';

/** Calls `run` with hooks that draw a line for each phase; says how to go on when it is interrupted. `what`: 'nce on mnist'. */
export async function withProgress<T>(
  { label, what, state, signal }: { label: string; what: string; state: string; signal: AbortSignal },
  run: (hooks: ExperimentHooks) => Promise<T>,
): Promise<T> {
  let progress: Progress | undefined;
  try {
    return await run({
      signal,
      onPhase(phase) {
        progress?.finish({ keep: false });
        progress = new Progress(`${label} ${phase}`);
      },
      onProgress: (fit) => progress?.update(fitState(fit)),
      onNote: (note) => progress?.note(note),
    });
  } catch (error) {
    if (signal.aborted) throw new InterruptedError(`Interrupted during ${what}; repeat the command to go on from there`, { state });
    throw error;
  } finally {
    progress?.finish({ keep: false });
  }
}
