/**
 * A last layer trained elsewhere: a weight matrix (and a bias) in a safetensors file, alone or in one of several that an index names.
 */
import { resolve } from 'node:path';
import { checkOneOf, checkOptions, checkString } from './check.js';
import { encodeNames } from './class-names.js';
import { type ClassifierParts, type ClassifierSource, checkInputType, describe as described } from './classifier-source.js';
import { checkClassNames } from './dataset.js';
import { checkDevice, type Device } from './device.js';
import { OneLogitError } from './errors.js';
import { layers } from './layers/index.js';
import { type ModelMetadata, writeMetadata } from './metadata.js';
import { native } from './native.js';
import { type ClassStorage, classStorages, type NativeClassifier, type NativeDescription, type NativeHandle } from './native-classifier.js';
import { noPreprocessing } from './preprocessing.js';
import { readSafetensorsHeader, type SafetensorsEntry } from './safetensors.js';
import { formatError, readSafetensorsIndex } from './safetensors-index.js';
import { version } from './version.js';

declare module './native.js' {
  interface NativeBinding {
    /** Tensors that have been checked in the files' headers. */
    foreignHead(head: NativeHead): Promise<NativeClassifier>;
    foreignHead(head: NativeHead, replaced: NativeHandle): Promise<undefined>;
  }
}

type NativeHead = { weightPath: string; weight: string; biasPath?: string; bias?: string; storage: ClassStorage } & NativeDescription;

/** Options of {@link SingleLogitClassifier.fromSafetensors}. */
export interface ForeignHeadOptions {
  /** Name of the weight, k×d with one row a class, as `torch.nn.Linear` has it: `'fc.weight'`. F32, F16, BF16 or F64. */
  weight: string;
  /** Name of the bias, k numbers. Default: none. */
  bias?: string | undefined;
  /** One name per class. */
  classNames?: readonly string[] | undefined;
  /** How the class matrix is kept, as in {@link ClassifierOptions}. Default `'float32'`. */
  storage?: ClassStorage | undefined;
  /** Default `'auto'`. */
  device?: Device | undefined;
}

const what = 'fromSafetensors';
const floats = ['F32', 'F16', 'BF16', 'F64'];
const mostClasses = 2 ** 31 - 1;

export async function foreignHead(path: unknown, options: unknown): Promise<ClassifierParts> {
  const checkedPath = checkString(path, `path of ${what}`);
  const given = checkOptions(options, ['weight', 'bias', 'classNames', 'storage', 'device'], what);
  const weightName = checkString(given.weight, `weight of ${what}`);
  const biasName = given.bias === undefined ? undefined : checkString(given.bias, `bias of ${what}`);
  const storage = given.storage === undefined ? 'float32' : checkOneOf(given.storage, classStorages, `storage of ${what}`);
  const device = checkDevice((given.device ?? 'auto') as Device, `device of ${what}`);
  if (device === 'cuda')
    throw new OneLogitError('ERR_ONELOGIT_UNSUPPORTED', `Expected 'auto' or 'cpu' for device of ${what} but received 'cuda'`);

  const wanted: Wanted = { weight: weightName, bias: biasName, storage };
  const absolutePath = resolve(checkedPath);
  const { head, classes, features } = await openHead(checkedPath, wanted);
  const classNames = checkClassNames(given.classNames, classes, `classNames of ${what}`);
  const names = classNames ? encodeNames(classNames) : null;
  const metadata = headMetadata(classes, features, wanted);
  const source: ClassifierSource = {
    path: absolutePath,
    reload: async (from, replaced, inputType, requireThresholds) => {
      if (requireThresholds)
        throw new OneLogitError(
          'ERR_ONELOGIT_RELOAD',
          `Expected a model file with thresholds for reload with requireThresholds but received ${from}, a head trained elsewhere, which has none`,
        );
      const next = await openHead(from, wanted);
      checkInputType('float32', inputType, from);
      // Names stay with their classes: a head of another number of them is refused.
      const nextMetadata = headMetadata(next.classes, next.features, wanted);
      await native.foreignHead({ ...next.head, ...described(writeMetadata(nextMetadata, version), names) }, replaced);
    },
  };
  const loaded = await native.foreignHead({ ...head, ...described(writeMetadata(metadata, version), names) });
  return { native: loaded, metadata, source };
}

interface Wanted {
  weight: string;
  bias: string | undefined;
  storage: ClassStorage;
}

/** Finds the tensors and checks what their files' headers say of them. */
async function openHead(path: string, { weight: weightName, bias: biasName, storage }: Wanted) {
  const locate = path.endsWith('.json') ? (await readSafetensorsIndex(path)).locate : () => path;
  const weightPath = locate(weightName);
  const weight = await findTensor(weightPath, weightName, 2, 'a matrix of one row for each class');
  const [classes, features] = weight.shape as [number, number];
  if (!(classes >= 1 && classes <= mostClasses && features >= 1 && features <= mostClasses))
    throw formatError(`1 to ${mostClasses} rows and columns for '${weightName}'`, weightPath, `shape [${classes}, ${features}]`);
  const biasPath = biasName === undefined ? undefined : locate(biasName);
  if (biasName !== undefined && biasPath !== undefined) {
    const bias = await findTensor(biasPath, biasName, 1, `${classes} numbers`);
    if (bias.shape[0] !== classes) throw formatError(`${classes} numbers for '${biasName}'`, biasPath, `shape [${bias.shape[0]}]`);
  }
  const head = {
    weightPath,
    weight: weightName,
    storage,
    ...(biasName === undefined || biasPath === undefined ? {} : { biasPath, bias: biasName }),
  };
  return { head, classes, features };
}

function headMetadata(classes: number, features: number, { bias, storage }: Wanted): ModelMetadata {
  const stored = storage === 'bfloat16' ? { storage } : {};
  return {
    inputShape: [features],
    layers: [layers.dense(classes, { bias: bias !== undefined, initializer: 'zeros', ...stored })],
    seed: 0,
    inputType: 'float32',
    preprocessing: noPreprocessing,
    loss: null,
    split: null,
    trained: true,
    biasInit: null,
    training: null,
  };
}

/** The tensor of a name and number of axes, of a floating-point type. */
async function findTensor(path: string, name: string, axes: number, meaning: string): Promise<SafetensorsEntry> {
  const { tensors } = await readSafetensorsHeader(path);
  const entry = tensors.find((tensor) => tensor.name === name);
  if (!entry) {
    const candidates = tensors.filter(({ shape }) => shape.length === axes).map((tensor) => `'${tensor.name}'`);
    throw formatError(
      `a tensor '${name}'`,
      path,
      candidates.length === 0
        ? `no tensor of ${axes === 1 ? 'one axis' : 'two axes'}`
        : `${candidates.slice(0, 5).join(', ')}${candidates.length > 5 ? `, … (${candidates.length})` : ''}`,
    );
  }
  if (entry.shape.length !== axes) throw formatError(`${meaning} for '${name}'`, path, `shape [${entry.shape.join(', ')}]`);
  if (!floats.includes(entry.dtype)) throw formatError(`one of ${floats.join(', ')} for '${name}'`, path, entry.dtype);
  return entry;
}
