/** {@link Model}: layers that learn, predict and are kept in a file. */
import { checkFloat32Array, checkInteger, checkOptions, checkString } from './check.js';
import { decodeNames } from './class-names.js';
import { checkInputs, type Dataset, type Inputs, type InputType, inputKind } from './dataset.js';
import { checkDevice, checkPrecision, type Device, type Precision } from './device.js';
import { rangeError, typeError } from './errors.js';
import { type EvaluateOptions, type Evaluation, evaluateModel } from './evaluate.js';
import { type FitResult, fitModel } from './fit.js';
import type { FitOptions } from './fit-options.js';
import { floatsOf } from './floats.js';
import { checkLayers, checkSequence, graphOf, type Layer, type SymbolicTensor } from './layers/index.js';
import type { Loss } from './losses.js';
import type { BiasInit } from './metadata.js';
import { loadModel, saveModel } from './model-file.js';
import { idleNativeOf, type ModelState, nativeOf } from './model-state.js';
import { native } from './native.js';
import { checkPreprocessing, type Preprocessing, type PreprocessingOptions } from './preprocessing.js';
import { checkShape, shapeSize } from './shape.js';
import type { Split } from './split.js';
import { type LoadStateDictOptions, loadStateDict } from './state-dict.js';
import { summaryOf } from './summary.js';
import type { TrainingRecord } from './training-record.js';
import { checkSaveOptions, type SaveOptions, watchWriting } from './write-progress.js';

/** What {@link Model.sequential} and {@link Model.build} have in common. */
export interface ModelOptions {
  /** Default: fixed by the first `fit`, to a scale of 1/255 if its examples are a Uint8Array, else to nothing. */
  preprocessing?: PreprocessingOptions | undefined;
  /** Of the initial weights, and the default of what `fit` draws but for the noise of nce. A non-negative integer, default 0. */
  seed?: number | undefined;
  /** Default `'auto'`. */
  device?: Device | undefined;
  /** Default `'float32'`. Another one on the CPU is an error, `ERR_ONELOGIT_PRECISION`. */
  precision?: Precision | undefined;
}

/** Options of {@link Model.sequential}. */
export interface SequentialOptions extends ModelOptions {
  /** Shape of one example: height × width × channels for images. */
  inputShape: readonly number[];
  /** Made by `layers.*`; the units of the last dense layer are the classes. */
  layers: readonly Layer[];
}

/** Options of {@link Model.build}. */
export interface BuildOptions extends ModelOptions {
  /** Made by {@link layers.input}. */
  input: SymbolicTensor;
  /** What is computed from it: the output of a dense layer, whose units are the classes. */
  output: SymbolicTensor;
}

/** One tensor of a model. */
export interface TensorInfo {
  /** As in a `torch.nn.Sequential` of the same layers, `'0.weight'`; `'conv1.weight'` of a layer with the name `'conv1'`. */
  readonly name: string;
  /** Of its values, row-major: units × inputs of a dense weight, filters × height × width × channels of a convolution's. */
  readonly shape: readonly number[];
  /** False for running statistics and for tensors of frozen layers. */
  readonly trainable: boolean;
}

let createModel: (state: ModelState) => Model;
/** What a model consists of; a TypeError naming `what` for anything but a {@link Model}. Not exported by the package. */
export let stateOf: (model: unknown, what: string) => ModelState;

/**
 * A sequence or graph of layers. Its memory is native: `dispose` gives it back at once, garbage collection some time later.
 *
 * While `fit` runs, everything but reading properties is refused with `ERR_ONELOGIT_BUSY`; after `dispose`, with `ERR_ONELOGIT_DISPOSED`.
 */
export class Model {
  readonly #state: ModelState;

  static {
    createModel = (state) => new Model(state);
    stateOf = (model, what) => {
      if (typeof model !== 'object' || model === null || !(#state in model))
        throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a Model for ${what}`);
      return model.#state;
    };
  }

  private constructor(state: ModelState) {
    this.#state = state;
  }

  /**
   * Builds a model and initialises its weights from `seed`.
   *
   * @throws TypeError or RangeError naming the option; `ERR_ONELOGIT_LAYER` if layers do not fit together
   */
  static sequential(options: SequentialOptions): Model {
    const what = 'Model.sequential';
    const { inputShape, layers, ...given } = checkOptions(options, ['inputShape', 'layers', ...modelOptions], what);
    return createModel(newState(checkShape(inputShape, `inputShape of ${what}`), checkSequence(layers, `layers of ${what}`), given, what));
  }

  /**
   * Builds a model of a graph of layers, with branches that join again: everything that computes `output` from `input`, in the order in
   * which it was made.
   *
   * ```ts
   * import { layers, Model } from 'onelogit';
   *
   * const input = layers.input([32, 32, 3]);
   * const x = input.apply(layers.conv2d(16, { kernel: 3, padding: 'same' }), layers.relu());
   * const y = x.apply(layers.conv2d(16, { kernel: 3, padding: 'same' }));
   * const output = layers.add(x, y).apply(layers.relu(), layers.globalAvgPool(), layers.dense(10));
   * const model = Model.build({ input, output });
   * ```
   *
   * @throws TypeError or RangeError naming the option; `ERR_ONELOGIT_LAYER` if tensors belong to another graph, or layers do not fit
   * together
   */
  static build(options: BuildOptions): Model {
    const what = 'Model.build';
    const { input, output, ...given } = checkOptions(options, ['input', 'output', ...modelOptions], what);
    const { inputShape, layers } = graphOf(input, output, what);
    return createModel(newState(inputShape, checkLayers(layers, `layers of ${what}`), given, what));
  }

  /**
   * Reads a file written by {@link Model.save}, or a checkpoint of {@link Model.fit}.
   *
   * @throws OneLogitError `ERR_ONELOGIT_FILE` if it cannot be read, `ERR_ONELOGIT_FORMAT` if it is not what it should be,
   * `ERR_ONELOGIT_FORMAT_VERSION` if a newer version wrote it
   */
  static async load(path: string, options?: { device?: Device | undefined; precision?: Precision | undefined }): Promise<Model> {
    const what = 'Model.load';
    const { device = 'auto', precision = 'float32' } = checkOptions(options, ['device', 'precision'], what);
    return createModel(
      await loadModel(
        checkString(path, `path of ${what}`),
        checkDevice(device, `device of ${what}`),
        checkPrecision(precision, `precision of ${what}`),
      ),
    );
  }

  /** Shape of one example. */
  get inputShape(): readonly number[] {
    return this.#state.inputShape;
  }

  /** The layers, options written out; of a graph in an order in which each comes after its inputs. */
  get layers(): readonly Layer[] {
    return this.#state.layers;
  }

  /** What was given to {@link Model.sequential} or {@link Model.build}. */
  get seed(): number {
    return this.#state.seed;
  }

  /** Units of the last dense layer. */
  get classes(): number {
    return nativeOf(this.#state).classes;
  }

  /** Inputs of the last dense layer: the length of an embedding. */
  get features(): number {
    return nativeOf(this.#state).features;
  }

  /** Number of trainable parameters; those of frozen layers do not count. */
  get parameterCount(): number {
    return nativeOf(this.#state).parameterCount;
  }

  /** `'cpu'` or `'cuda'` */
  get device(): 'cpu' | 'cuda' {
    return nativeOf(this.#state).device;
  }

  /** Applied to every example; null until given or fixed by the first fit. */
  get preprocessing(): Preprocessing | null {
    return this.#state.preprocessing;
  }

  /** Element type of the first fit's examples; null before it. */
  get inputType(): InputType | null {
    return this.#state.inputType;
  }

  /** The loss of the latest fit; null before the first. */
  get loss(): Loss | null {
    return this.#state.loss;
  }

  /** What the latest fit set aside for validation; null if nothing was. {@link splitIndices} makes it again. */
  get split(): Split | null {
    return this.#state.split;
  }

  /** Whether the weights were fitted, loaded or set. */
  get trained(): boolean {
    return this.#state.trained;
  }

  /** How the last layer's bias was initialised at the first fit; null if there was none. */
  get biasInit(): BiasInit | null {
    return this.#state.biasInit;
  }

  /** How the latest fit went about it: optimizer, steps, batch size; null before the first, for files of versions that did not record it, and newer ones whose record this one cannot read. */
  get training(): TrainingRecord | null {
    return this.#state.training;
  }

  /** Whether `fit` runs. */
  get busy(): boolean {
    return this.#state.fitting;
  }

  /** One name per class, from the first fit whose dataset had names; null if none had. Decoded at each call. */
  get classNames(): string[] | null {
    return this.#state.encodedNames && decodeNames(this.#state.encodedNames);
  }

  /** Every tensor: weights, biases, running statistics. */
  get tensors(): readonly TensorInfo[] {
    return nativeOf(this.#state).tensors;
  }

  /**
   * Trains on its own thread; the event loop stays free. The weights are those of the last step, also after an abort or an error.
   *
   * Data in memory is copied before this returns (with `resumeFrom`, once the checkpoint has been read). With a reader, `read` is called for the first example once more at the first fit,
   * to learn the element type. The loss, the validation split, the preprocessing and {@link Model.training} are recorded in the model.
   *
   * @throws TypeError or RangeError naming the option; `AbortError` (`ERR_ONELOGIT_ABORTED`) when `signal` says so;
   * OneLogitError `ERR_ONELOGIT_LOSS_NOT_FINITE` when the loss is no longer finite, at which step and what to try;
   * RangeError `ERR_ONELOGIT_CLASSES` if the dataset, or that of `validation`, calls a class otherwise than the model or the checkpoint does;
   * `ERR_ONELOGIT_CHECKPOINT` if `resumeFrom` does not belong to this model, data and options; `ERR_ONELOGIT_FILE` if a checkpoint cannot be
   * written, or that of `resumeFrom` not read, which is tried in full before the first weight is replaced; `ERR_ONELOGIT_BUSY`; whatever `read` or
   * `onProgress` threw. Where replacing the weights by a checkpoint's failed half way (a GPU that is lost, say), every use of the model but a `fit` with
   * `resumeFrom` is refused from then on, with `ERR_ONELOGIT_MIXED`
   */
  async fit(dataset: Dataset, options: FitOptions): Promise<FitResult> {
    return fitModel(this.#state, dataset, options);
  }

  /**
   * The logits of examples, n × classes, row-major. `inputs` holds n × the product of `inputShape` elements in the raw units of the training
   * data; they are copied before this returns. So many calls compute at once as there are threads (`backendInfo().cpu.threads`); more wait
   * for their turn.
   */
  async predict(inputs: Inputs): Promise<Float32Array> {
    return this.#run(inputs, 'logits', 'model.predict');
  }

  /** The input of the last dense layer, n × features, for `inputs` as in {@link Model.predict}. */
  async embed(inputs: Inputs): Promise<Float32Array> {
    return this.#run(inputs, 'features', 'model.embed');
  }

  async #run(inputs: Inputs, output: 'logits' | 'features', what: string): Promise<Float32Array> {
    const idle = idleNativeOf(this.#state, what);
    const { inputs: checked, length } = checkInputs(inputs, `inputs of ${what}`, inputKind(this.#state.layers));
    const examples = length / idle.inputSize;
    if (!Number.isInteger(examples))
      throw rangeError(
        'ERR_ONELOGIT_LENGTH',
        `Expected a multiple of ${idle.inputSize} elements (${this.inputShape.join(' × ')}) for inputs of ${what} but received ${length}`,
      );
    const out = floatsOf(examples * (output === 'logits' ? idle.classes : idle.features), `${what} (fewer examples at a time need less)`);
    await idle.predict(checked, out, output);
    return out;
  }

  /**
   * Ranking metrics of every class over a dataset, as in the paper's tables, and how well single logits are separated.
   *
   * Memory is n × features + classes, whatever their product is. `alsoCorrect` of the dataset is left out of every measure. With `report`, the
   * scores are computed once more, for what a report shows.
   *
   * @throws OneLogitError `ERR_ONELOGIT_DEPENDENCY` for `report` where the package uplot is not installed, `ERR_ONELOGIT_FILE` where its file
   *   cannot be written, both before the evaluation; RangeError `ERR_ONELOGIT_NOT_FINITE` if a score is NaN, `ERR_ONELOGIT_ALSO_CORRECT` if rows of `alsoCorrect` are no ascending wrong
   *   classes, `ERR_ONELOGIT_CLASSES` if the dataset calls a class otherwise than the model does
   */
  async evaluate(dataset: Dataset, options?: EvaluateOptions): Promise<Evaluation> {
    return evaluateModel(this.#state, dataset, options);
  }

  /**
   * Writes the model as safetensors, atomically: a temporary file beside `path`, synced, then renamed.
   *
   * @param options `onProgress` is called a few times a second; what it throws rejects when the file has been written
   * @throws OneLogitError `ERR_ONELOGIT_FILE` with the system's reason
   */
  async save(path: string, options?: SaveOptions): Promise<void> {
    const checked = checkString(path, 'path of model.save');
    const onProgress = checkSaveOptions(options, 'model.save');
    await watchWriting([checked], onProgress, () => saveModel(this.#state, checked));
  }

  /** A copy of a tensor's values, row-major; dense weights are units × inputs. */
  tensor(name: string): Float32Array {
    const idle = idleNativeOf(this.#state, 'model.tensor');
    checkString(name, 'name of model.tensor');
    const found = idle.tensors.find((tensor) => tensor.name === name);
    if (!found)
      throw rangeError(
        'ERR_ONELOGIT_TENSOR',
        `Expected one of ${idle.tensors.map((tensor) => tensor.name).join(', ')} for name of model.tensor but received '${name}'`,
      );
    const values = floatsOf(shapeSize(found.shape), `'${name}'`);
    idle.readTensor(name, values);
    return values;
  }

  /** Replaces a tensor's values: how weights from elsewhere come in. Counts as loading them ({@link Model.trained}). */
  setTensor(name: string, values: Float32Array): void {
    const idle = idleNativeOf(this.#state, 'model.setTensor');
    idle.writeTensor(checkString(name, 'name of model.setTensor'), checkFloat32Array(values, 'values of model.setTensor'));
    this.#state.trained = true;
  }

  /**
   * Replaces the weights by those of a PyTorch model: a state dict in a safetensors file (or in several, by their `.index.json`) whose tensors
   * have the names and shapes of this model's, as those of torchvision's models do for `zoo.*`. Convolutions and dense layers after images are brought
   * to the order height, width, channels; `num_batches_tracked` and the auxiliary classifier of Inception-v3 (`AuxLogits`) are passed over.
   * F32, F16, BF16 and F64. Counts as training, unless the head is left out ({@link Model.trained}).
   *
   * @param options - `head: false` leaves the last dense layer as it is: for other classes
   * @throws OneLogitError `ERR_ONELOGIT_FORMAT` naming the file and the tensor, what was expected and what is there, if one is missing, of
   * another shape or type, or none of this model's; `ERR_ONELOGIT_FILE` if it cannot be read, which is tried for every tensor before the first is replaced;
   * `ERR_ONELOGIT_BUSY`. Nothing has changed then. After any other failure (a GPU that is lost, a file that is written to meanwhile, say) the model
   * refuses its use with `ERR_ONELOGIT_MIXED`
   */
  async loadStateDict(path: string, options?: LoadStateDictOptions): Promise<void> {
    await loadStateDict(this.#state, path, options);
  }

  /**
   * A table of the layers: type, name, inputs where it is not the layer before, shape of one example after it, parameters. Names and inputs
   * are left out where no layer has any.
   */
  summary(): string {
    return summaryOf(this.layers, nativeOf(this.#state));
  }

  /** Gives the native memory back. Harmless when repeated. */
  dispose(): void {
    if (this.#state.native === null) return;
    idleNativeOf(this.#state, 'model.dispose').dispose();
    this.#state.native = null;
  }

  /** {@link Model.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

const modelOptions = ['preprocessing', 'seed', 'device', 'precision'];

/** A model of checked layers, its weights initialised. */
function newState(inputShape: readonly number[], list: Layer[], given: Record<string, unknown>, what: string): ModelState {
  const layers = Object.freeze(list);
  const preprocessing =
    given.preprocessing === undefined ? null : checkPreprocessing(given.preprocessing, inputShape, `preprocessing of ${what}`);
  const integers = layers[0]?.type === 'embedding';
  if (integers && preprocessing)
    throw rangeError('ERR_ONELOGIT_OPTION', `Expected no preprocessing of ${what} before an embedding, whose inputs are integers`);
  const seed = given.seed === undefined ? 0 : checkInteger(given.seed, `seed of ${what}`);
  const device = checkDevice(given.device ?? 'auto', `device of ${what}`);
  const precision = checkPrecision(given.precision ?? 'float32', `precision of ${what}`);
  const built = new native.NativeModel({ inputShape, layers, seed, device, precision });
  if (preprocessing) built.setPreprocessing(preprocessing);
  return {
    native: built,
    inputShape,
    layers,
    seed,
    preprocessing,
    inputType: integers ? 'int32' : null,
    loss: null,
    split: null,
    trained: false,
    biasInit: null,
    training: null,
    precision,
    encodedNames: null,
    fitting: false,
  };
}
