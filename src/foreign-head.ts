/**
 * A last layer trained elsewhere: a weight matrix (and a bias) in a safetensors file, alone or in one of several that an index names.
 */
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { checkOneOf, checkOptions, checkString, describe } from './check.js';
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
/** The index of a model of a trillion parameters is a tenth of this. */
const largestIndex = 64 * 1024 * 1024;
const floats = ['F32', 'F16', 'BF16', 'F64'];
const mostClasses = 2 ** 31 - 1;

function formatError(expected: string, where: string, received: string, cause?: unknown): OneLogitError {
  return new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected ${expected} in ${where} but received ${received}`, { cause });
}

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
  const { head, classes, features } = await openHead(checkedPath, wanted);
  const classNames = checkClassNames(given.classNames, classes, `classNames of ${what}`);
  const names = classNames ? encodeNames(classNames) : null;
  const metadata = headMetadata(classes, features, wanted);
  const source: ClassifierSource = {
    path: checkedPath,
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
  const locate = path.endsWith('.json') ? await readIndex(path) : () => path;
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

/** Where the tensors of a sharded model are: `{ weight_map: { name: file } }`, the files beside the index. */
async function readIndex(path: string): Promise<(name: string) => string> {
  let parsed: unknown;
  const file = await open(path).catch((cause: unknown) => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a file that can be read at ${path} but received: ${(cause as Error).message}`, {
      cause,
    });
  });
  try {
    const { size } = await file.stat();
    if (size > largestIndex) throw formatError('an index of at most 64 MiB', path, `${size} bytes`);
    parsed = JSON.parse(await file.readFile('utf8'));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw formatError('JSON', path, cause.message, cause);
    throw cause;
  } finally {
    await file.close();
  }
  const map = typeof parsed === 'object' && parsed !== null ? (parsed as { weight_map?: unknown }).weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw formatError("an object 'weight_map'", path, describe(map));
  const files = new Map<string, unknown>(Object.entries(map));
  return (name) => {
    const shard = files.get(name);
    if (shard === undefined) throw formatError(`'${name}' in 'weight_map'`, path, `${files.size} other names`);
    // Beside the index and nowhere else: the index may come from a stranger.
    if (typeof shard !== 'string' || shard === '' || shard === '.' || shard === '..' || basename(shard) !== shard || shard.includes('\\'))
      throw formatError(`the name of a file beside it for '${name}'`, path, describe(shard));
    if (!shard.endsWith('.safetensors')) throw formatError(`a .safetensors file for '${name}'`, path, describe(shard));
    return join(dirname(path), shard);
  };
}
