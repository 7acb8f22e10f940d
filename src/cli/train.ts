/** `onelogit train`: a model from a directory of data. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { AbortError } from '../errors.js';
import { checkSameClasses, comparedFiles } from '../same-classes.js';
import { checkEventDirectory } from '../training-log/event-file.js';
import { checkLogFile } from '../training-log/log-file.js';
import { checkWritable } from '../writable.js';
import { architectureOptions, checkArchitecture, makeArchitecture } from './architecture-options.js';
import { defineCommand } from './command.js';
import { loadData } from './load-data.js';
import { choice, integer, largestInt32, number, type OptionValues, text } from './options.js';
import { count, duration, percent } from './output.js';
import { fitStates, Progress, significant } from './progress.js';
import { watchedWriting } from './steady.js';
import {
  augmentOption,
  dataOptions,
  deviceOption,
  loadOptionsFrom,
  lossOptions,
  lossOptionsFrom,
  optimizerFrom,
  optimizerOptions,
  precisionOption,
  scheduleFrom,
  scheduleOptions,
} from './training-options.js';
import { InterruptedError, UsageError } from './usage.js';

const options = {
  ...architectureOptions,
  ...lossOptions,
  memory: choice('how the last layer is computed and what of it is kept', ['auto', 'logits', 'store', 'recompute'], 'auto'),
  'bias-init': choice('start of the last layer’s bias: from the loss, or zeros', ['prior', 'zeros'], 'prior'),
  steps: integer('training steps, those before --resume included (default: 20000)', { least: 1 }),
  epochs: number('passes over the training examples, instead of --steps', { least: 0, above: true }),
  'batch-size': integer('examples in a step', { least: 1, most: largestInt32, otherwise: 128 }),
  ...optimizerOptions,
  ...scheduleOptions,
  ...augmentOption,
  seed: integer('of weights, order of the data, augmentation, dropout and noise', { least: 0, otherwise: 1 }),
  validation: number('share of the examples to set aside, recorded in the model (default: none)', { least: 0, above: true, most: 0.99 }),
  'validate-every': integer('steps between validations (default: once, at the end)', { least: 1 }),
  split: choice('which part of DATA to train on', ['train', 'test'], 'train'),
  ...dataOptions,
  out: text('the model file; an existing one is replaced', 'FILE', 'model.safetensors'),
  checkpoint: text('keep a file that --resume can continue from, also when interrupted', 'FILE'),
  'checkpoint-every': integer('steps between checkpoints (default: 1000)', { least: 1 }),
  log: text('append a record of the run as JSON Lines: what was asked for, loss and accuracy, how it ended (see docs/training.md)', 'FILE'),
  tensorboard: text('write the same as an event file for TensorBoard into this directory', 'DIR'),
  'log-every': integer('steps in a record of --log and --tensorboard (default: 50)', { least: 1 }),
  resume: text('continue from this checkpoint: same data and options, and the network it holds', 'FILE'),
  ...deviceOption,
  ...precisionOption,
};

type Values = OptionValues<typeof options>;

/** What `fit` is to keep of the run; the command's own options are noted, too, as far as they were given or have a default. */
function recordingOf(values: Values & { json?: boolean; help?: boolean }, directory: string) {
  const { log, tensorboard, 'log-every': logEverySteps, json: _, help: __, ...rest } = values;
  if (log === undefined && tensorboard === undefined) return {};
  const given = Object.entries(rest).filter(([, value]) => value !== undefined && value !== false);
  return { log, tensorboard, logEverySteps, notes: { command: 'onelogit train', data: directory, options: Object.fromEntries(given) } };
}

/** How to watch the run from elsewhere. */
function watchLines({ log, tensorboard }: Values): string[] {
  const goesOn = log !== undefined && (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0;
  return [
    ...(log === undefined ? [] : [`${goesOn ? 'Appending to' : 'Writing'} ${log}: tail -f ${quoted(log)}`]),
    ...(tensorboard === undefined ? [] : [`Writing events to ${tensorboard}: tensorboard --logdir ${quoted(tensorboard)}`]),
  ];
}

/** As a shell takes it. */
const quoted = (path: string) => (/^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

export const command = defineCommand(
  {
    name: 'train',
    summary: 'train a network on a directory of data and save it',
    description:
      'Trains a network so that one logit tells whether an example belongs to its class, and saves it. With --validation a share of the ' +
      'examples is set aside for choosing thresholds (onelogit calibrate). Ctrl-C stops after the current step and keeps the checkpoint.',
    positionals: [{ name: 'DATA', help: 'a directory; its format is found by file names' }],
    options,
    examples: [
      ['onelogit train mnist/ --validation 0.1 --out mnist.safetensors', 'batch cross-entropy, 20,000 steps'],
      ['onelogit train mnist/ --loss nce --num-sampled 5 --steps 5000', 'another loss, with an option of its own'],
      ['onelogit train mnist/ --learning-rate 0.1 --schedule cosine --steps 10000', 'a learning rate that falls to 0'],
      ['onelogit train cifar10/ --arch cnn --augment pad-crop=4,flip', 'a convolutional network'],
      [
        'onelogit train photos/ --arch resnet50 --image-size 224 --channels 3 --weights resnet50.safetensors --trainable head',
        'photos in a directory for each class: the last layer of a network that PyTorch has trained',
      ],
      ['onelogit train mnist/ --log run.jsonl --tensorboard runs/1', 'a run that can be watched from elsewhere'],
      ['onelogit train mnist/ --steps 100000 --checkpoint run.safetensors', 'a long run that can be interrupted …'],
      ['onelogit train mnist/ --steps 100000 --checkpoint run.safetensors --resume run.safetensors', '… and continued'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const [directory] = positionals as [string];
    if (values.steps !== undefined && values.epochs !== undefined)
      throw new UsageError('Expected one of --steps and --epochs but received both');
    if (values['checkpoint-every'] !== undefined && values.checkpoint === undefined)
      throw new UsageError('Expected --checkpoint FILE with --checkpoint-every but received nothing');
    if (values['validate-every'] !== undefined && values.validation === undefined)
      throw new UsageError('Expected --validation X with --validate-every but received nothing');
    if (values['log-every'] !== undefined && values.log === undefined && values.tensorboard === undefined)
      throw new UsageError('Expected --log FILE or --tensorboard DIR with --log-every but received neither');
    checkArchitecture(values);
    const lossSettings = lossOptionsFrom(values);
    const [optimizer, schedule] = [await optimizerFrom(values), await scheduleFrom(values)];
    checkWritable(values.out, '--out');
    if (values.checkpoint !== undefined) checkWritable(values.checkpoint, '--checkpoint');

    if (values.log !== undefined) {
      for (const other of ['out', 'checkpoint'] as const)
        if (resolve(values.log) === resolve(values[other] ?? ''))
          throw new UsageError(`Expected two files for --log and --${other} but received ${values.log} for both`);
      checkWritable(values.log, '--log', { grows: true });
      checkLogFile(values.log, '--log');
    }
    if (values.tensorboard !== undefined) checkEventDirectory(values.tensorboard, '--tensorboard');

    const { losses, Model } = await import('../index.js');
    const loss = losses.byName(values.loss, { ...lossSettings, ...(values.loss === 'nce' ? { seed: values.seed } : {}) });
    const dataset = await loadData(directory, {
      split: values.split,
      ...loadOptionsFrom(values),
      signal,
    });
    const { seed, device, precision } = values;
    const model =
      values.resume === undefined
        ? await makeArchitecture(values, dataset, { seed, device, precision })
        : await Model.load(values.resume, { device, precision });

    if (!output.json)
      output.note(
        `${values.resume ?? values.arch}, ${count(model.parameterCount)} parameters; ${loss.name}; ${count(dataset.length)} examples of ${count(dataset.classes)} classes`,
      );
    if (!output.json) for (const line of watchLines(values)) output.note(line);
    const progress = new Progress('train');
    const stateOf = fitStates();
    let step = 0;
    try {
      if (values.resume !== undefined) checkSameClasses(model.classNames, dataset, comparedFiles(values.resume, directory));
      const result = await model.fit(dataset, {
        loss,
        optimizer,
        schedule,
        ...(values.epochs === undefined ? { steps: values.steps ?? 20_000 } : { epochs: values.epochs }),
        batchSize: values['batch-size'],
        seed,
        memory: values.memory,
        ...(values.augment === undefined ? {} : { augment: values.augment }),
        biasInit: values['bias-init'],
        ...(values.validation === undefined ? {} : { validation: { fraction: values.validation, seed } }),
        ...(values['validate-every'] === undefined ? {} : { validateEverySteps: values['validate-every'] }),
        ...(values.checkpoint === undefined
          ? {}
          : { checkpoint: { path: values.checkpoint, everySteps: values['checkpoint-every'] ?? 1000 } }),
        ...(values.resume === undefined ? {} : { resumeFrom: values.resume }),
        ...recordingOf(values, directory),
        signal,
        onProgress(state) {
          step = state.step;
          progress.update(stateOf(state));
        },
      });
      progress.finish();
      await watchedWriting(values.out, (onProgress) => model.save(values.out, { onProgress }));
      const { log, tensorboard } = values;
      const written = { ...(log === undefined ? {} : { log }), ...(tensorboard === undefined ? {} : { tensorboard }) };
      output.result({ ...result, parameters: model.parameterCount, out: values.out, ...written }, () =>
        [
          `Trained ${count(result.steps)} steps in ${duration(result.seconds)} (${count(result.examplesPerSecond)} examples/s, ${result.device}): ` +
            `loss ${significant(result.finalLoss)}` +
            `${Number.isNaN(result.finalAccuracy) ? '' : `, training accuracy ${percent(result.finalAccuracy)}`}` +
            `${result.validation ? `, validation accuracy ${percent(result.validation.accuracy)}` : ''}`,
          `Saved ${values.out}`,
          `Next: onelogit evaluate ${values.out} ${directory}`,
        ].join('\n'),
      );
    } catch (error) {
      progress.finish();
      // Something else may have failed after Ctrl-C, the writing of the checkpoint, say: then that is what has to be known.
      if (!(error instanceof AbortError)) throw error;
      // Without a step there is no checkpoint.
      if (step === 0) throw new InterruptedError('Interrupted before the first step', { step });
      const saved =
        values.checkpoint === undefined
          ? 'nothing was saved (--checkpoint FILE keeps what was done)'
          : `${values.checkpoint} holds what was done: repeat the command with --resume ${values.checkpoint} to continue`;
      throw new InterruptedError(`Interrupted at step ${step}; ${saved}`, {
        step,
        ...(values.checkpoint === undefined ? {} : { checkpoint: values.checkpoint }),
      });
    } finally {
      model.dispose();
    }
  },
  { interruptible: true },
);
