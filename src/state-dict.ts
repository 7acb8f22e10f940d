/**
 * Weights of a PyTorch model: a safetensors file of a state dict, for a model whose tensors have the same names. PyTorch's images are channels ×
 * height × width; what follows from that is worked out here and done by native/model/state_dict.cc.
 */
import { checkBoolean, checkOptions, checkString } from './check.js';
import { OneLogitError } from './errors.js';
import { inputsOf, type Layer, lastDenseLayer, tensorPrefix } from './layers/index.js';
import { idleNativeOf, type ModelState } from './model-state.js';
import type { NativeModel, NativeTensor } from './native-model.js';
import { readSafetensorsHeader, type SafetensorsEntry } from './safetensors.js';
import { formatError, readSafetensorsIndex } from './safetensors-index.js';
import { sameShape } from './shape.js';

/** Options of {@link Model.loadStateDict}. */
export interface LoadStateDictOptions {
  /** Whether the last dense layer is loaded too (default), or stays as it is, because it is to tell other classes. */
  head?: boolean | undefined;
}

/** One tensor to read: rows of channels × pixels become rows of pixels × channels. Native/model/state_dict.h. */
export interface NativeStateDictTensor {
  name: string;
  /** Which of the files. */
  file: number;
  channels?: number;
  pixels?: number;
}

const what = 'model.loadStateDict';
const floats = ['F32', 'F16', 'BF16', 'F64'];

export async function loadStateDict(state: ModelState, path: unknown, options: unknown): Promise<void> {
  const checkedPath = checkString(path, `path of ${what}`);
  const { head = true } = checkOptions(options, ['head'], what);
  const withHead = checkBoolean(head, `head of ${what}`);
  const wanted = tensorsToLoad(state.layers, state.inputShape, idleNativeOf(state, what), withHead);
  const files = await StateDictFiles.open(checkedPath);
  const tensors: NativeStateDictTensor[] = [];
  for (const tensor of wanted) tensors.push(await files.find(tensor));
  files.refuseOthers(idleNativeOf(state, what).tensors);
  await idleNativeOf(state, what).loadStateDict(files.paths, tensors);
  if (withHead) state.trained = true;
}

/** A tensor of the model and how it lies in the file. */
interface WantedTensor {
  name: string;
  fileShape: readonly number[];
  /** Of `fileShape`, for messages. */
  axes: string;
  isHead: boolean;
  turn: ImageAxes | null;
}

/** An image as one vector: here pixels × channels, in PyTorch channels × pixels. */
interface ImageAxes {
  channels: number;
  pixels: number;
}

function tensorsToLoad(layers: readonly Layer[], inputShape: readonly number[], native: NativeModel, head: boolean): WantedTensor[] {
  const flattened = flattenedInputs(layers, inputShape, native.outputShapes);
  const indices = new Map(layers.map((layer, index) => [tensorPrefix(layer, index), index]));
  const { index: lastDense } = lastDenseLayer(layers);
  return native.tensors.flatMap(({ name, shape }) => {
    const index = indices.get(name.slice(0, name.lastIndexOf('.') + 1)) as number;
    const isHead = index === lastDense;
    if (isHead && !head) return [];
    const { type } = layers[index] as Layer;
    if (type === 'conv2d' && shape.length === 4) {
      const [filters, height, width, channels] = shape as [number, number, number, number];
      const fileShape = [filters, channels, height, width];
      return [{ name, fileShape, axes: ' (filters, channels, height, width)', isHead, turn: { channels, pixels: height * width } }];
    }
    // The bias of a dense layer is of its outputs.
    const ofInputs = type === 'batchNorm' || (type === 'dense' && shape.length === 2);
    return [{ name, fileShape: shape, axes: '', isHead, turn: ofInputs ? (flattened[index] ?? null) : null }];
  });
}

/**
 * For each layer, what image its input is a vector of, if it is one; a dense layer takes an image itself as such a vector.
 *
 * @throws OneLogitError `ERR_ONELOGIT_UNSUPPORTED` where numbers of flattened images meet others, or their neighbours: PyTorch has them in
 * another order
 */
function flattenedInputs(layers: readonly Layer[], inputShape: readonly number[], outputShapes: readonly number[][]): (ImageAxes | null)[] {
  const shapeOf = (value: number) => (value < 0 ? inputShape : (outputShapes[value] as number[]));
  const outputs: (ImageAxes | null)[] = [];
  return layers.map((layer, index) => {
    const values = inputsOf(layer, index);
    const inputs = values.map((value) => (value < 0 ? null : (outputs[value] ?? null)));
    const isImage = shapeOf(values[0] as number).length === 3;
    const input = isImage && (layer.type === 'flatten' || layer.type === 'dense') ? imageAxes(shapeOf(values[0] as number)) : inputs[0];
    const together = layer.type === 'concat' || layer.type === 'localResponseNorm' ? inputs.some(Boolean) : false;
    if (together || inputs.some((other) => !sameAxes(other, inputs[0] ?? null)))
      throw new OneLogitError(
        'ERR_ONELOGIT_UNSUPPORTED',
        `Expected layers that take flattened images one number at a time, or dense layers, for ${what} but received ${layer.type} (layer ${index})`,
      );
    const keepsOrder = ['flatten', 'relu', 'dropout', 'softmax', 'batchNorm', 'add'].includes(layer.type);
    outputs.push(keepsOrder ? (input ?? null) : null);
    return input ?? null;
  });
}

function imageAxes([height, width, channels]: readonly number[]): ImageAxes | null {
  const pixels = (height as number) * (width as number);
  return pixels === 1 || channels === 1 ? null : { channels: channels as number, pixels };
}

const sameAxes = (a: ImageAxes | null, b: ImageAxes | null) => a?.channels === b?.channels && a?.pixels === b?.pixels;

/** A state dict in one file, or in several that an index names. */
class StateDictFiles {
  readonly paths: string[] = [];
  readonly #path: string;
  readonly #names: ReadonlySet<string>;
  readonly #locate: (name: string) => string;
  readonly #entries = new Map<string, Map<string, SafetensorsEntry>>();

  static async open(path: string): Promise<StateDictFiles> {
    if (path.endsWith('.json')) {
      const { names, locate } = await readSafetensorsIndex(path);
      return new StateDictFiles(path, names, locate);
    }
    const files = new StateDictFiles(path, [], () => path);
    return new StateDictFiles(path, [...(await files.#read(path)).keys()], () => path);
  }

  private constructor(path: string, names: readonly string[], locate: (name: string) => string) {
    this.#path = path;
    this.#names = new Set(names);
    this.#locate = locate;
  }

  /** Checks what the header of its file says of a tensor. */
  async find({ name, fileShape, axes, isHead, turn }: WantedTensor): Promise<NativeStateDictTensor> {
    const shape = `shape [${fileShape.join(', ')}]${axes}`;
    const hint = isHead ? '; head: false leaves the last dense layer as it is' : '';
    if (!this.#names.has(name)) throw formatError(`a tensor '${name}' of ${shape}`, this.#path, `a file without it${hint}`);
    const path = this.#locate(name);
    const entry = (await this.#read(path)).get(name);
    if (!entry) throw formatError(`a tensor '${name}' of ${shape}`, path, 'a file without it');
    if (!sameShape(entry.shape, fileShape)) throw formatError(`${shape} for '${name}'`, path, `[${entry.shape.join(', ')}]${hint}`);
    if (!floats.includes(entry.dtype)) throw formatError(`one of ${floats.join(', ')} for '${name}'`, path, entry.dtype);
    return { name, file: this.paths.indexOf(path), ...turn };
  }

  /** Refuses what is neither the model's nor known to be of no use to it. */
  refuseOthers(tensors: readonly NativeTensor[]): void {
    const own = new Set(tensors.map(({ name }) => name));
    const others = [...this.#names].filter((name) => !own.has(name) && !isIgnored(name));
    if (others.length > 0)
      throw formatError(
        'only tensors of the model',
        this.#path,
        `also ${others
          .slice(0, 5)
          .map((name) => `'${name}'`)
          .join(', ')}${others.length > 5 ? `, … (${others.length})` : ''}`,
      );
  }

  async #read(path: string): Promise<Map<string, SafetensorsEntry>> {
    const known = this.#entries.get(path);
    if (known) return known;
    const { tensors } = await readSafetensorsHeader(path);
    const entries = new Map(tensors.map((entry) => [entry.name, entry]));
    this.#entries.set(path, entries);
    this.paths.push(path);
    return entries;
  }
}

/** How many batches a batch normalisation has seen; torchvision's auxiliary classifier of Inception-v3, which zoo.inceptionV3 has not. */
const isIgnored = (name: string) => name.endsWith('.num_batches_tracked') || name.startsWith('AuxLogits.');
