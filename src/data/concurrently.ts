/**
 * Runs `task` for 0 … count−1 in order, at most `most` of them at a time. The first failure, or the signal's reason when that is aborted,
 * is thrown once those under way have ended; no other is begun.
 */
export async function concurrently(
  count: number,
  most: number,
  signal: AbortSignal | undefined,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const work = async () => {
    while (next < count && !failure) {
      try {
        signal?.throwIfAborted();
        await task(next++);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, count) }, work));
  if (failure) throw failure.error;
}
