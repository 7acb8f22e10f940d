/** Progress of work at a steady pace: reading, decoding, calibrating, writing. */
import { basename } from 'node:path';
import type { WriteProgress } from '../write-progress.js';
import { count } from './output.js';
import { Progress, type ProgressOptions, type ProgressState } from './progress.js';

/** Milliseconds after which there is something to see: what is done by then was not waited for. */
const quietFor = 1000;

/** How far something is. */
export interface Steady {
  done: number;
  total: number;
  /** 'bytes' are shown as megabytes; without one there is only the share. */
  unit?: string;
}

/** What is done, how fast, and how long the rest takes at that pace. `since` is in seconds, `from` what was done then. */
export function steadyState({ done, total, unit }: Steady, since: number, from: number): ProgressState {
  const rate = since > 0 ? (done - from) / since : 0;
  const left = rate > 0 ? { secondsLeft: (total - done) / rate } : {};
  if (unit === undefined) return { done, total, ...left, details: [] };
  const [shown, called] = unit === 'bytes' ? [(value: number) => (value / 1e6).toFixed(1), 'MB'] : [count, unit];
  const details = [`${shown(done)}/${shown(total)} ${called}`, ...(rate > 0 ? [`${shown(rate)} ${called}/s`] : [])];
  return { done, total, ...left, details };
}

/** What tells a share, told in examples. */
export const ofExamples =
  ({ length }: { length: number }, tell: (state: Steady) => void) =>
  ({ share }: { share: number }): void =>
    tell({ done: share * length, total: length, unit: 'examples' });

/** Shows how a file is written: `write` is `model.save`, say. */
export const watchedWriting = <T>(path: string, write: (onProgress: (progress: WriteProgress) => void) => Promise<T>): Promise<T> =>
  watched(`writing ${basename(path)}`, (tell) => write(({ done, total }) => tell({ done, total, unit: 'bytes' })));

/** Shows how far `work` is, once it takes longer than a second, and takes that away at its end. */
export async function watched<T>(
  label: string,
  work: (tell: (state: Steady) => void) => Promise<T>,
  options: ProgressOptions = {},
): Promise<T> {
  const { now = () => performance.now() } = options;
  const progress = new Progress(label, { quietFor, ...options });
  let began: { at: number; done: number; unit: string | undefined; total: number } | undefined;
  try {
    return await work((state) => {
      const { done, total, unit } = state;
      // Another unit or another total is another part of the work: it has a pace of its own.
      if (began === undefined || began.unit !== unit || began.total !== total || done < began.done)
        began = { at: now(), done, unit, total };
      progress.update(steadyState(state, (now() - began.at) / 1000, began.done));
    });
  } finally {
    progress.finish({ keep: false });
  }
}
