/** `onelogit convert`: a model file whose class matrix takes fewer bytes, and what that costs. */
import { stat } from 'node:fs/promises';
import type { Dataset, Evaluation, Model } from '../index.js';
import { checkSameClasses, comparedFiles } from '../same-classes.js';
import { checkWritable } from '../writable.js';
import { defineCommand } from './command.js';
import { loadData } from './load-data.js';
import { choice, text } from './options.js';
import { count, table } from './output.js';
import { ofExamples, watched, watchedWriting } from './steady.js';
import { dataOptions, loadOptionsFrom } from './training-options.js';
import { InterruptedError, UsageError, wasStopped } from './usage.js';

const options = {
  storage: choice('what the class matrix is stored as: bfloat16 (half), int8 with a scale per class (a quarter), or float32', [
    'float32',
    'bfloat16',
    'int8',
  ]),
  out: text('where the converted file goes; an existing one is replaced', 'FILE'),
  data: text('evaluate before and after on this directory, and print what is lost', 'DIR'),
  split: choice('which part of --data', ['train', 'validation', 'test'], 'test'),
  ...dataOptions,
};

export const command = defineCommand(
  {
    name: 'convert',
    summary: 'store the class matrix in fewer bytes',
    description:
      'Writes a model file with its class matrix in another storage; the layers before it, thresholds and names stay as they are. Files in ' +
      'int8 are for scoring and cannot be trained. With --data the average precision before and after is printed.',
    positionals: [{ name: 'MODEL', help: 'a model file' }],
    options,
    examples: [
      ['onelogit convert model.safetensors --storage bfloat16 --out half.safetensors', 'half the bytes'],
      ['onelogit convert model.safetensors --storage int8 --out small.safetensors --data mnist/', 'a quarter, and what it costs'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const [path] = positionals as [string];
    const { storage, out, data } = values;
    if (storage === undefined) throw new UsageError('Expected --storage float32, bfloat16 or int8 but received nothing');
    if (out === undefined) throw new UsageError('Expected --out FILE but received nothing');
    checkWritable(out, '--out');
    const { SingleLogitClassifier } = await import('../index.js');
    const before = (await stat(path).catch(() => undefined))?.size;
    const classifier = await SingleLogitClassifier.load(path, { storage });
    const { classes, features } = classifier;
    let written = false;
    try {
      signal.throwIfAborted();
      // The model is read before the file may be replaced.
      const original = data === undefined ? undefined : await evaluated(path, data, values, signal);
      signal.throwIfAborted();
      await watchedWriting(out, (onProgress) => classifier.save(out, { onProgress }));
      written = true;
      const after = (await stat(out)).size;
      const converted = original && (await reevaluated(original, out, signal));
      output.result(
        {
          storage,
          out,
          classes,
          features,
          bytesBefore: before,
          bytesAfter: after,
          ...(original && converted && { before: measures(original.evaluation), after: measures(converted) }),
        },
        () =>
          [
            `${out}: ${count(classes)} classes × ${count(features)} in ${storage}, ${megabytes(after)}${before === undefined ? '' : ` (before: ${megabytes(before)})`}`,
            ...(original && converted
              ? [
                  '',
                  table(
                    ['', '1-AUPRC', '1-P@0.9', '1-P@0.99', 'accuracy'],
                    [
                      ['before', ...row(original.evaluation)],
                      ['after', ...row(converted)],
                    ],
                  ),
                  `average precision lost: ${lost(converted.oneMinusAuprc - original.evaluation.oneMinusAuprc)}`,
                ]
              : []),
          ].join('\n'),
      );
      original?.model.dispose();
    } catch (error) {
      if (wasStopped(error, signal))
        throw new InterruptedError(written ? `Interrupted; ${out} is written, its average precision is not known` : 'Interrupted');
      throw error;
    } finally {
      classifier.dispose();
    }
  },
  { interruptible: true },
);

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
/** Five decimals, and no minus before zero. */
const lost = (difference: number) => difference.toFixed(5).replace(/^-(?=0\.0*$)/, '');
const measures = ({ accuracy, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99 }: Evaluation) => ({
  accuracy,
  oneMinusAuprc,
  oneMinusPrecisionAt90,
  oneMinusPrecisionAt99,
});
const row = (evaluation: Evaluation) =>
  [evaluation.oneMinusAuprc, evaluation.oneMinusPrecisionAt90, evaluation.oneMinusPrecisionAt99, evaluation.accuracy].map((value) =>
    value.toFixed(5),
  );

type DataValues = Parameters<typeof loadOptionsFrom>[0] & { split: 'train' | 'validation' | 'test' };

async function evaluated(path: string, data: string, values: DataValues, signal: AbortSignal) {
  const { Model: Models } = await import('../index.js');
  const dataset = await loadData(data, { split: values.split, ...loadOptionsFrom(values), signal });
  const model = await Models.load(path);
  checkSameClasses(model.classNames, dataset, comparedFiles(path, data));
  return { model, dataset, evaluation: await evaluate(model, dataset, 'before', signal) };
}

/** The same model with the class matrix that is in the converted file. */
async function reevaluated({ model, dataset }: { model: Model; dataset: Dataset }, out: string, signal: AbortSignal): Promise<Evaluation> {
  const { readSafetensorsTensor } = await import('../safetensors.js');
  const { lastDenseLayer, tensorPrefix } = await import('../layers/index.js');
  const { layer, index } = lastDenseLayer(model.layers);
  const name = `${tensorPrefix(layer, index)}weight`;
  const stored = await readSafetensorsTensor(out, name);
  let weight = stored as Float32Array;
  if (stored instanceof Int8Array) {
    const scales = (await readSafetensorsTensor(out, `${name}.scale`)) as Float32Array;
    const columns = stored.length / scales.length;
    // By hand: Float32Array.from makes a list of all numbers first, and of more than 2^27 it cannot.
    weight = new Float32Array(stored.length);
    for (let at = 0; at < weight.length; at++) weight[at] = stored[at]! * scales[Math.floor(at / columns)]!;
  }
  model.setTensor(name, weight);
  return evaluate(model, dataset, 'after', signal);
}

const evaluate = (model: Model, dataset: Dataset, label: string, signal: AbortSignal) =>
  watched(label, (tell) => model.evaluate(dataset, { onProgress: ofExamples(dataset, tell), signal }));
