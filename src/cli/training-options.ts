/**
 * The options that say how to train (loss, optimizer, schedule), shared by the commands that do, and what they make together.
 * An option that does not belong to the chosen loss, optimizer or schedule is an error: it would have no effect.
 */
import type { Augmentation } from '../augment.js';
import { formatNames } from '../data/format-names.js';
import type { LoadOptions } from '../data/load.js';
import { precisions } from '../device.js';
import { lossNames } from '../reproduce/paper.js';
import { choice, flag, integer, largestFloat32, largestInt32, number, type OptionSpec, type OptionValues, parseNumber } from './options.js';
import { UsageError } from './usage.js';

export const lossOptions = {
  loss: choice(`the training loss: ${lossNames.join(', ')}`, lossNames, 'batch-cross-entropy'),
  margin: number('γ of max-margin and batch-max-margin (default: 1)', { least: 0, above: true }),
  alpha: number('α of self-normalization (default: 0.1)', { least: 0, above: true }),
  'num-sampled': integer('nce: noise classes drawn per batch (default: none are drawn, the expectation is exact)', {
    least: 1,
    most: 10_000_000,
  }),
  'noise-ratio': number('nce: t of the loss (default: --num-sampled, else the number of classes)', { least: 0, above: true, most: 1e30 }),
  noise: choice('nce: the noise distribution (default: uniform)', ['uniform', 'log-uniform', 'unigram']),
  samples: choice('nce: one draw for a batch, or one for every example (default: shared)', ['shared', 'per-example']),
  'remove-accidental-hits': flag('nce: leave out draws of an example’s own class'),
};

export const optimizerOptions = {
  optimizer: choice('the optimizer', ['sgd', 'adam', 'adamw'], 'sgd'),
  'learning-rate': number('step size (default: 0.1 for sgd, 0.001 for adam and adamw)', { least: 0, most: largestFloat32 }),
  momentum: number('sgd: from 0 to below 1 (default: 0.9)', { least: 0, most: 1, below: true }),
  nesterov: flag('sgd: Nesterov’s momentum'),
  'weight-decay': number('added to the gradient by sgd and adam, decoupled in adamw (default: 0; adamw 0.01)', {
    least: 0,
    most: largestFloat32,
  }),
  beta1: number('adam, adamw: decay of the first moment (default: 0.9)', { least: 0, most: 1, below: true }),
  beta2: number('adam, adamw: decay of the second moment (default: 0.999)', { least: 0, most: 1, below: true }),
  epsilon: number('adam, adamw: added to the root of the second moment (default: 1e-8)', { least: 0, above: true, most: 1 }),
  'clip-norm': number('longest allowed gradient; longer ones are scaled down (default: no limit)', {
    least: 0,
    above: true,
    most: largestFloat32,
  }),
};

export const scheduleOptions = {
  schedule: choice('how the learning rate changes over the steps', ['constant', 'step', 'cosine'], 'constant'),
  'schedule-every': integer('step: steps between two changes', { least: 1 }),
  'schedule-factor': number('step: what the rate is multiplied with (default: 0.1)', { least: 0, above: true, most: 1 }),
  'schedule-minimum': number('cosine: where it ends, as a share of the learning rate (default: 0)', { least: 0, most: 1 }),
  'warmup-steps': integer('rise to the learning rate over the first N steps', { least: 1 }),
};

type Values = Record<string, unknown>;

/** The options that were given, under their API names; those of another choice are refused. */
function pick(values: Values, of: Record<string, readonly string[]>, choiceName: string, names: Record<string, string>): Values {
  const chosen = values[choiceName] as string;
  const picked: Values = {};
  for (const [option, owners] of Object.entries(of)) {
    const value = values[option];
    if (value === undefined || value === false) continue;
    if (!owners.includes(chosen))
      throw new UsageError(`Expected --${option} only with --${choiceName} ${owners.join(' or ')} but received it with ${chosen}`);
    picked[names[option] ?? option] = value;
  }
  return picked;
}

const apiNames: Record<string, string> = {
  'num-sampled': 'numSampled',
  'noise-ratio': 'noiseRatio',
  'remove-accidental-hits': 'removeAccidentalHits',
  'learning-rate': 'learningRate',
  'weight-decay': 'weightDecay',
  'clip-norm': 'clipNorm',
  'schedule-every': 'every',
  'schedule-factor': 'factor',
  'schedule-minimum': 'minimum',
};

/** The options of the chosen loss, as `losses.byName` takes them. */
export function lossOptionsFrom(values: OptionValues<typeof lossOptions>): Values {
  const nce = ['nce'];
  return pick(
    values,
    {
      margin: ['max-margin', 'batch-max-margin'],
      alpha: ['self-normalization'],
      'num-sampled': nce,
      'noise-ratio': nce,
      noise: nce,
      samples: nce,
      'remove-accidental-hits': nce,
    },
    'loss',
    apiNames,
  );
}

/** The optimizer that the options describe. */
export async function optimizerFrom(values: OptionValues<typeof optimizerOptions>) {
  const { optimizers } = await import('../optimizers.js');
  const [sgd, adams, all] = [['sgd'], ['adam', 'adamw'], ['sgd', 'adam', 'adamw']];
  const picked = pick(
    values,
    {
      'learning-rate': all,
      momentum: sgd,
      nesterov: sgd,
      'weight-decay': all,
      beta1: adams,
      beta2: adams,
      epsilon: adams,
      'clip-norm': all,
    },
    'optimizer',
    apiNames,
  );
  if (values.optimizer === 'sgd') return optimizers.sgd({ learningRate: 0.1, momentum: 0.9, ...picked });
  return optimizers[values.optimizer === 'adam' ? 'adam' : 'adamW'](picked);
}

/** The schedule that the options describe. */
export async function scheduleFrom(values: OptionValues<typeof scheduleOptions>) {
  const { schedules } = await import('../schedules.js');
  const picked = pick(
    values,
    { 'schedule-every': ['step'], 'schedule-factor': ['step'], 'schedule-minimum': ['cosine'] },
    'schedule',
    apiNames,
  );
  if (values.schedule === 'step' && picked.every === undefined)
    throw new UsageError('Expected --schedule-every N with --schedule step but received nothing');
  const then =
    values.schedule === 'constant'
      ? schedules.constant()
      : values.schedule === 'cosine'
        ? schedules.cosine(picked)
        : schedules.step(picked as { every: number; factor?: number });
  return values['warmup-steps'] === undefined ? then : schedules.warmup({ steps: values['warmup-steps'] }, then);
}

/** Random changes of the training images: `pad-crop=4,flip`. */
export const augmentOption = {
  augment: {
    placeholder: 'pad-crop=N,flip',
    help: 'images: pad by N pixels of zeros and crop at random, mirror half of them; or one of the two',
    otherwise: undefined,
    parse(text, name) {
      const augmentation: Augmentation = {};
      for (const item of text.split(',').map((part) => part.trim())) {
        const padding = item.match(/^pad-crop=(.*)$/)?.[1];
        const again = padding === undefined ? augmentation.flip : augmentation.padding;
        if ((padding === undefined && item !== 'flip') || again !== undefined)
          throw new UsageError(`Expected pad-crop=N, flip or both, separated by a comma, for --${name} but received '${text}'`);
        if (padding === undefined) augmentation.flip = true;
        else augmentation.padding = parseNumber(padding, name, 'an integer', { least: 1 });
      }
      return augmentation;
    },
  },
} satisfies Record<string, OptionSpec<Augmentation | undefined>>;

/** Which device does the arithmetic. */
export const deviceOption = {
  device: choice('where to compute; auto takes the fastest there is', ['auto', 'cpu', 'cuda'], 'auto'),
} satisfies Record<string, OptionSpec<unknown>>;

/** How a GPU multiplies. */
export const precisionOption = {
  precision: choice('in what a GPU multiplies matrices', precisions, 'float32'),
} satisfies Record<string, OptionSpec<unknown>>;

/** How a directory is read. */
export const dataOptions = {
  format: choice('the format of DATA (default: found by its file names)', formatNames),
  context: integer('sequences, text: previous items or words of an example (default: 10 and 4)', { least: 1, most: 2 ** 16 }),
  'vocabulary-size': integer('text: how many words are classes (default: all)', { least: 1, most: largestInt32 - 1 }),
  labels: choice('cifar100: the 100 classes, or the 20 superclasses (default: fine)', ['fine', 'coarse']),
  extra: flag('svhn: the extra examples, too'),
  'image-size': integer('image-folder: height and width that images are resized to (default: all must have those of the first)', {
    least: 1,
    most: 2 ** 14,
  }),
  channels: choice('image-folder: convert to grey or colour (default: all must have those of the first)', ['1', '3']),
  'memory-bytes': integer('image-folder: most bytes of images kept in memory; more are decoded batch by batch', {
    least: 0,
    otherwise: 2 ** 30,
  }),
};

/** What `datasets.load` takes of them; an option that the format does not have is refused there. */
export function loadOptionsFrom(values: OptionValues<typeof dataOptions>): LoadOptions & { memoryBytes: number } {
  return {
    memoryBytes: values['memory-bytes'],
    ...(values.format === undefined ? {} : { format: values.format }),
    ...(values.context === undefined ? {} : { context: values.context }),
    ...(values['vocabulary-size'] === undefined ? {} : { vocabularySize: values['vocabulary-size'] }),
    ...(values.labels === undefined ? {} : { labels: values.labels }),
    ...(values.extra ? { extra: true } : {}),
    ...(values['image-size'] === undefined ? {} : { imageSize: values['image-size'] }),
    ...(values.channels === undefined ? {} : { channels: values.channels === '1' ? 1 : 3 }),
  };
}
