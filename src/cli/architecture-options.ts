/** The options that say which network to train, and how it starts. */
import type { Model, ModelOptions } from '../model.js';
import type { PreprocessingOptions } from '../preprocessing.js';
import { choice, integer, integers, largestInt32, type OptionValues, text } from './options.js';
import { UsageError } from './usage.js';

const architectures = ['mlp', 'cnn', 'alexnet', 'vgg16', 'inceptionV3', 'resnet50', 'resnet101'] as const;

export const architectureOptions = {
  arch: choice(
    `the network: ${architectures.join(', ')}. mlp is dense layers with batch normalisation and relu; the others are for images`,
    architectures,
    'mlp',
  ),
  hidden: integers('mlp: units of the hidden layers (default: 500,500)', { least: 1, most: largestInt32 }),
  embedding: integer('mlp: numbers for each id, where examples are ids: knowledge graphs, sequences, text (default: 128)', {
    least: 1,
    most: largestInt32,
  }),
  variant: choice('alexnet: as torchvision has it, or the two towers of 2012 (default: torchvision)', ['torchvision', 'original']),
  weights: text(
    'start from a PyTorch state dict in a safetensors file, all but the last layer; for alexnet to resnet101 images are then scaled as torchvision’s weights expect',
    'FILE',
  ),
  trainable: choice('which layers learn; head is the last one alone', ['all', 'head'], 'all'),
};

type Values = OptionValues<typeof architectureOptions>;

/** Refuses options that the network does not have: they would have no effect. */
export function checkArchitecture(values: Values & { resume: string | undefined }): void {
  const { arch } = values;
  for (const [option, owner] of Object.entries({ hidden: 'mlp', embedding: 'mlp', variant: 'alexnet' } as const))
    if (values[option as 'hidden' | 'embedding' | 'variant'] !== undefined && arch !== owner)
      throw new UsageError(`Expected --${option} only with --arch ${owner} but received it with ${arch}`);
  if (values.weights !== undefined && values.resume !== undefined)
    throw new UsageError('Expected one of --weights and --resume, whose checkpoint has weights of its own, but received both');
}

interface DataShape {
  classes: number;
  inputShape: readonly number[];
  vocabulary?: number | undefined;
}

/** The network for some data, with the weights to start from. */
export async function makeArchitecture(
  values: Values,
  { classes, inputShape, vocabulary }: DataShape,
  options: ModelOptions,
): Promise<Model> {
  const { zoo } = await import('../index.js');
  const { arch, hidden, embedding = 128, variant, weights, trainable } = values;
  if (vocabulary === undefined && values.embedding !== undefined)
    throw new UsageError('Expected --embedding only with data whose examples are ids but received it with numbers');
  if (arch === 'mlp') {
    const ids = vocabulary === undefined ? {} : { embedding: { vocabulary, features: embedding } };
    const model = zoo.mlp({ classes, inputShape, trainable, ...(hidden ? { hidden: [...hidden] } : {}), ...ids, ...options });
    return startingFrom(weights, model);
  }
  if (vocabulary !== undefined) throw new UsageError(`Expected images for --arch ${arch} but received data whose examples are ids`);
  const preprocessing = await expectedPreprocessing(values);
  const given = { classes, inputShape, trainable, preprocessing, ...options };
  return startingFrom(weights, arch === 'alexnet' ? zoo.alexnet({ ...given, ...(variant ? { variant } : {}) }) : zoo[arch](given));
}

/** What the weights to start from expect of images; undefined where it is the default. */
export async function expectedPreprocessing({ arch, variant, weights }: Values): Promise<PreprocessingOptions | undefined> {
  if (weights === undefined || arch === 'mlp' || arch === 'cnn' || variant === 'original') return undefined;
  const { torchvisionPreprocessing } = await import('../index.js');
  return arch === 'inceptionV3' ? torchvisionPreprocessing.inceptionV3 : torchvisionPreprocessing.imagenet;
}

async function startingFrom(weights: string | undefined, model: Model): Promise<Model> {
  try {
    if (weights !== undefined) await model.loadStateDict(weights, { head: false });
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}
