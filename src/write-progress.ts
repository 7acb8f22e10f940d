/** How far the writing of a file is. */
import { checkCallback, checkOptions } from './check.js';
import { millisecondsBetweenReports } from './job.js';
import { native } from './native.js';

declare module './native.js' {
  interface NativeBinding {
    /** Of a file that is being written under this name: bytes written and bytes in all. */
    writeProgress(path: string): [done: number, total: number] | undefined;
  }
}

/** What `onProgress` of `save` and {@link exportOnnx} receives. */
export interface WriteProgress {
  /** Bytes written, of all files together. */
  readonly done: number;
  /** Bytes of all files together. */
  readonly total: number;
}

type Callback = (progress: WriteProgress) => void;

/** Options of {@link Model.save} and {@link SingleLogitClassifier.save}. */
export interface SaveOptions {
  /** Called a few times a second. What it throws rejects, when the file has been written. */
  onProgress?: ((progress: WriteProgress) => void) | undefined;
}

export const checkSaveOptions = (options: unknown, what: string): Callback | undefined =>
  checkCallback<Callback>(checkOptions(options, ['onProgress'], what).onProgress, `onProgress of ${what}`);

/**
 * Tells now and then how far `writing` is with these files. What is written takes its place in any case: what the function throws comes
 * after that.
 *
 * @param total - bytes of all, where the files do not begin at once
 */
export async function watchWriting<T>(
  paths: readonly string[],
  onProgress: Callback | undefined,
  writing: () => Promise<T>,
  total?: number,
): Promise<T> {
  if (onProgress === undefined) return writing();
  let failure: { error: unknown } | undefined;
  const tell = () => {
    const files = paths.map((path) => native.writeProgress(path)).filter((file) => file !== undefined);
    let [done, all] = [0, 0];
    for (const [written, bytes] of files) {
      done += written;
      all += bytes;
    }
    if (files.length === 0 || (total ?? all) === 0) return;
    try {
      onProgress({ done, total: total ?? all });
    } catch (error) {
      clearInterval(timer);
      failure = { error };
    }
  };
  const timer = setInterval(tell, millisecondsBetweenReports);
  try {
    const result = await writing();
    if (failure) throw failure.error;
    return result;
  } finally {
    clearInterval(timer);
  }
}
