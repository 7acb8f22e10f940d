/**
 * A last layer trained elsewhere: a weight matrix (and a bias) in a safetensors file, alone or in one of several that an index names.
 */
import { resolve } from 'node:path';
import { checkOneOf, checkOptions, checkString } from './check.js';
import { type EncodedNames, encodeNames } from './class-names.js';
import { type ClassifierParts, type ClassifierSource, checkInputType, describe as described } from './classifier-source.js';
import { checkClassNames } from './dataset.js';
import { checkDevice, type Device } from './device.js';
import { OneLogitError } from './errors.js';
import { layers } from './layers/index.js';
import { type ModelMetadata, writeMetadata } from './metadata.js';
import { native } from './native.js';
import { type ClassStorage, classStorages, type NativeClassifier, type NativeDescription, type NativeHandle } from './native-classifier.js';
import { noPreprocessing } from './preprocessing.js';
import type { SafetensorsEntry } from './safetensors.js';
import { formatError, readSafetensorsIndex } from './safetensors-index.js';
import { version } from './version.js';

declare module './native.js' {
  interface NativeBinding {
    /** A file that stays open, so that what its header was checked for is what is read. */
    openSafetensors(path: string): Promise<OpenedFile>;
    /** Tensors that have been checked in the files' headers. */
    foreignHead(head: NativeHead): Promise<NativeClassifier>;
    foreignHead(head: NativeHead, replaced: NativeHandle): Promise<undefined>;
  }
}

interface OpenedFile {
  readonly tensors: readonly SafetensorsEntry[];
  close(): void;
}

type NativeHead = {
  weightFile: OpenedFile;
  weight: string;
  biasFile?: OpenedFile;
  bias?: string;
  storage: ClassStorage;
} & NativeDescription;

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
  let names: EncodedNames | null = null;
  const source: ClassifierSource = {
    path: absolutePath,
    reload: async (from, replaced, inputType, requireThresholds) => {
      if (requireThresholds)
        throw new OneLogitError(
          'ERR_ONELOGIT_RELOAD',
          `Expected a model file with thresholds for reload with requireThresholds but received ${from}, a head trained elsewhere, which has none`,
        );
      await withHead(from, wanted, ({ head, classes, features }) => {
        checkInputType('float32', inputType, from);
        // Names stay with their classes: a head of another number of them is refused.
        const metadata = headMetadata(classes, features, wanted);
        return native.foreignHead({ ...head, ...described(writeMetadata(metadata, version), names) }, replaced);
      });
    },
  };
  return withHead(checkedPath, wanted, async ({ head, classes, features }) => {
    const classNames = checkClassNames(given.classNames, classes, `classNames of ${what}`);
    names = classNames ? encodeNames(classNames) : null;
    const metadata = headMetadata(classes, features, wanted);
    const loaded = await native.foreignHead({ ...head, ...described(writeMetadata(metadata, version), names) });
    return { native: loaded, metadata, source };
  });
}

interface Wanted {
  weight: string;
  bias: string | undefined;
  storage: ClassStorage;
}

interface OpenedHead {
  head: Omit<NativeHead, keyof NativeDescription>;
  classes: number;
  features: number;
}

/** Finds the tensors, checks what their files' headers say of them, and keeps the files open for as long as `body` takes. */
async function withHead<T>(path: string, wanted: Wanted, body: (opened: OpenedHead) => Promise<T>): Promise<T> {
  const opened = new Map<string, OpenedFile>();
  const open = async (at: string): Promise<OpenedFile> => {
    const file = opened.get(at) ?? (await native.openSafetensors(at));
    opened.set(at, file);
    return file;
  };
  try {
    return await body(await findHead(path, wanted, open));
  } finally {
    for (const file of opened.values()) file.close();
  }
}

async function findHead(
  path: string,
  { weight: weightName, bias: biasName, storage }: Wanted,
  open: (path: string) => Promise<OpenedFile>,
): Promise<OpenedHead> {
  const locate = path.endsWith('.json') ? (await readSafetensorsIndex(path)).locate : () => path;
  const weightPath = locate(weightName);
  const weightFile = await open(weightPath);
  const weight = findTensor(weightFile, weightPath, weightName, 2, 'a matrix of one row for each class');
  const [classes, features] = weight.shape as [number, number];
  if (!(classes >= 1 && classes <= mostClasses && features >= 1 && features <= mostClasses))
    throw formatError(`1 to ${mostClasses} rows and columns for '${weightName}'`, weightPath, `shape [${classes}, ${features}]`);
  const head = { weightFile, weight: weightName, storage };
  if (biasName === undefined) return { head, classes, features };
  const biasPath = locate(biasName);
  const biasFile = await open(biasPath);
  const bias = findTensor(biasFile, biasPath, biasName, 1, `${classes} numbers`);
  if (bias.shape[0] !== classes) throw formatError(`${classes} numbers for '${biasName}'`, biasPath, `shape [${bias.shape[0]}]`);
  return { head: { ...head, biasFile, bias: biasName }, classes, features };
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
function findTensor({ tensors }: OpenedFile, path: string, name: string, axes: number, meaning: string): SafetensorsEntry {
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
