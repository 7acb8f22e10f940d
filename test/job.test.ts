// Native work as a caller sees it: what its functions throw comes out, whatever that is and whenever it comes.
import { describe, expect, it } from 'vitest';
import { runJob, withProgress } from '../src/job.js';
import { Sources } from '../src/source.js';

/** Work that ends as `end` says when it is told to stop. */
function stoppable(end: (resolve: (value: string) => void, reject: (error: Error) => void) => void) {
  let stop = () => {};
  const promise = new Promise<string>((resolve, reject) => {
    stop = () => end(resolve, reject);
  });
  return { promise, cancel: () => stop(), progress: () => 0.5 };
}

describe('what onProgress throws', () => {
  it.each([
    ['an error', new Error('mine')],
    ['a string', 'mine'],
    ['null', null],
    ['undefined', undefined],
  ])('rejects, be it %s, also where the work was done before it could be stopped', async (_, thrown) => {
    const onProgress = () => {
      throw thrown;
    };
    const ends = [
      stoppable((resolve) => resolve('done')),
      stoppable((_, reject) => reject(Object.assign(new Error('stopped'), { code: 'ERR_ONELOGIT_ABORTED' }))),
    ];
    for (const job of ends) {
      const running = runJob(() => withProgress(job, onProgress), new Sources('numbers'), undefined, 'this');
      await expect(running).rejects.toBe(thrown);
    }
  });

  it('is told once: nothing is asked after it', async () => {
    let calls = 0;
    const job = stoppable((resolve) => setTimeout(resolve, 350, 'done'));
    const failing = () => {
      calls++;
      throw new Error('mine');
    };
    await expect(withProgress(job, failing).promise).rejects.toThrow('mine');
    expect(calls).toBe(1);
  });
});
