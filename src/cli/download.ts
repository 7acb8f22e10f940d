/** `onelogit download`: a data set, checked against its checksums. */
import type { DownloadName } from '../data/catalogue.js';
import { defineCommand } from './command.js';
import { number, text } from './options.js';
import { count } from './output.js';
import { Progress } from './progress.js';
import { InterruptedError, suggestion, UsageError } from './usage.js';

const names = ['mnist', 'cifar10', 'cifar100', 'svhn'] as const satisfies readonly DownloadName[];

const options = {
  to: text('where to put it (default: a directory of its name in the download cache)', 'DIR'),
  mirror: text('address of a directory that holds the files, instead of the usual ones', 'URL'),
  timeout: number('seconds without a byte after which a mirror is given up', { least: 0, above: true, most: 86_400, otherwise: 30 }),
};

export const command = defineCommand(
  {
    name: 'download',
    summary: 'fetch a data set, checked against its checksums',
    description:
      'Fetches the files of a public data set and checks them. What is there already is not fetched again; what was broken off is ' +
      'continued. The download cache is $ONELOGIT_CACHE, else onelogit in $XDG_CACHE_HOME or ~/.cache; quickstart and reproduce look there.',
    positionals: [{ name: 'DATASET', help: names.join(', ') }],
    options,
    examples: [
      ['onelogit download mnist', 'to the cache: 12 MB'],
      ['onelogit download cifar10 --to data/cifar10', 'to a directory of your own'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const name = positionals[0] as DownloadName;
    if (!names.includes(name))
      throw new UsageError(`Expected ${names.join(', ')} for DATASET but received '${name}'${suggestion(name, names)}`);
    const { datasets } = await import('../index.js');
    const progress = new Progress(name);
    const started = performance.now();
    let first: number | undefined;
    try {
      const result = await datasets.download(name, {
        ...(values.to === undefined ? {} : { to: values.to }),
        ...(values.mirror === undefined ? {} : { mirrors: [values.mirror] }),
        timeout: values.timeout,
        signal,
        onProgress({ file, bytes, totalBytes }) {
          // The time left is reckoned from what arrived in this call.
          first ??= bytes;
          const rate = (bytes - first) / ((performance.now() - started) / 1000);
          const megabytes = (value: number) => (value / 1e6).toFixed(1);
          const details = [`${megabytes(bytes)}/${megabytes(totalBytes)} MB`, file];
          progress.update({ done: bytes, total: totalBytes, ...(rate > 0 ? { secondsLeft: (totalBytes - bytes) / rate } : {}), details });
        },
      });
      progress.finish({ keep: false });
      output.result({ name, ...result }, () => `${count(result.files.length)} files in ${result.directory}`);
    } catch (error) {
      progress.finish({ keep: false });
      if (signal.aborted) throw new InterruptedError('Interrupted; repeat the command to go on from there');
      throw error;
    }
  },
  { interruptible: true },
);
