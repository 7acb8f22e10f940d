/** Native work with an AbortSignal. */
import { describe } from './check.js';
import { AbortError, typeError } from './errors.js';
import type { NativeJob, NativeWatchedJob } from './native-model.js';
import type { Sources } from './source.js';

/** An AbortSignal or undefined. */
export function checkSignal(value: unknown, what: string): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an AbortSignal for signal of ${what} but received ${describe(value)}`);
}

/** Throws if the signal has been raised. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw new AbortError(`Expected ${what} to run but its signal was aborted before it began`, signal);
}

/** What a reader gives before there is native work. A raised signal does not wait for it. */
export function orAborted<T>(reading: Promise<T>, sources: Sources, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (signal === undefined) return reading;
  return new Promise((resolve, reject) => {
    const abort = () => {
      sources.abort(signal.reason);
      reject(new AbortError(`Expected ${what} to run but its signal was aborted before it began`, signal));
    };
    // The reader itself may have raised it.
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    reading.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Awaits native work; a raised signal cancels it. What a reader threw comes in place of what the native side made of it. */
export async function runJob<T>(start: () => NativeJob<T>, sources: Sources, signal: AbortSignal | undefined, what: string): Promise<T> {
  throwIfAborted(signal, what);
  const job = start();
  const cancel = () => {
    job.cancel();
    sources.abort(signal?.reason);
  };
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    return await job.promise;
  } catch (error) {
    const { code } = (error ?? {}) as { code?: string }; // a caller's function may throw anything
    if (code === 'ERR_ONELOGIT_READ') sources.throwFailure();
    if (code === 'ERR_ONELOGIT_ABORTED' && signal) throw new AbortError(`Expected ${what} to finish but its signal was aborted`, signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
    sources.abort();
  }
}

/** Of whatever tells how far it is. */
export const millisecondsBetweenReports = 100;

/** Told how far a job is. */
export type ShareCallback = (progress: { readonly share: number }) => void;

/** The same job, whose progress is told now and then. */
export function withProgress<T>(job: NativeWatchedJob<T>, onProgress: ShareCallback | undefined): NativeWatchedJob<T> {
  if (onProgress === undefined) return job;
  let failure: { error: unknown } | undefined;
  const timer = setInterval(() => {
    try {
      onProgress({ share: job.progress() });
    } catch (error) {
      clearInterval(timer);
      failure = { error };
      job.cancel();
    }
  }, millisecondsBetweenReports);
  const promise = job.promise
    .finally(() => clearInterval(timer))
    .then(
      (result) => {
        // The job may have been done before it could be stopped.
        if (failure) throw failure.error;
        return result;
      },
      (error: unknown) => {
        throw failure ? failure.error : error;
      },
    );
  return { promise, cancel: () => job.cancel(), progress: () => job.progress() };
}
