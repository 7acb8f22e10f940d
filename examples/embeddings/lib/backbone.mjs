// An ONNX graph that makes embeddings of images: one exported by this package, or one from elsewhere.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { formatError } from './matrix-file.mjs';
import { usageError } from './options.mjs';

/** What is done to the bytes of an image before the graph sees them: x → (x · scale − mean) / deviation for each channel. */
export const preprocessings = {
  // A graph of this package, and others that begin with it.
  none: { scale: 1, mean: [0], deviation: [1] },
  unit: { scale: 1 / 255, mean: [0], deviation: [1] },
  // What torchvision's networks were trained on.
  imagenet: { scale: 1 / 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
};

/** A name of {@link preprocessings}. */
export function checkPreprocessing(/** @type {string} */ name) {
  if (Object.hasOwn(preprocessings, name)) return /** @type {keyof typeof preprocessings} */ (name);
  throw usageError(`Expected ${Object.keys(preprocessings).join(', ')} for --preprocessing but received '${name}'`);
}

export class Backbone {
  #session;
  #input;
  #output;
  #preprocessing;

  /**
   * @param {string} path
   * @param {{ preprocessing?: keyof typeof preprocessings, output?: string, threads?: number }} options
   *   `output`: by default `embedding`, else the first
   */
  static async open(path, { preprocessing = 'none', output, threads } = {}) {
    const session = await InferenceSession.create(path, threads === undefined ? {} : { intraOpNumThreads: threads });
    return new Backbone(session, path, preprocessing, output);
  }

  /**
   * @param {InferenceSession} session
   * @param {string} path
   * @param {keyof typeof preprocessings} preprocessing
   * @param {string | undefined} output
   */
  constructor(session, path, preprocessing, output = session.outputNames.includes('embedding') ? 'embedding' : session.outputNames[0]) {
    const [input, ...others] = session.inputMetadata;
    if (!input?.isTensor || others.length > 0 || input.shape.length !== 4 || !['uint8', 'float32'].includes(input.type))
      throw formatError('one input of four axes, uint8 or float32,', path, JSON.stringify(session.inputMetadata));
    if (output === undefined || !session.outputNames.includes(output))
      throw formatError(`an output '${output}'`, path, session.outputNames.join(', '));
    if (preprocessing !== 'none' && input.type === 'uint8')
      throw formatError(`float32 for the preprocessing '${preprocessing}'`, path, 'a graph that takes bytes as they are');
    this.#session = session;
    this.#input = input;
    this.#output = output;
    this.#preprocessing = preprocessings[preprocessing];
    // Of one image, as its shape says; the number of images comes first, colours come first in most graphs and last in those of this package.
    const [, a, b, c] = input.shape;
    const colours = (/** @type {unknown} */ length) => length === 1 || length === 3;
    this.channelsFirst = colours(a) && !colours(c);
    this.imageShape = this.channelsFirst ? [b, c, a] : [a, b, c];
    this.path = path;
  }

  /**
   * Embeddings of n images, height × width × channels in bytes, one after the other: n × features.
   *
   * @param {Uint8Array} images
   * @param {readonly number[]} shape of one of them
   */
  async embed(images, shape) {
    const [height, width, channels] = /** @type {[number, number, number]} */ (shape);
    for (const [axis, length] of this.imageShape.entries())
      if (typeof length === 'number' && length !== shape[axis])
        throw formatError(`images of [${this.imageShape}] (height, width, channels) as ${this.path} takes them`, 'the data', `[${shape}]`);
    const count = images.length / (height * width * channels);
    const prepared = this.#input.type === 'uint8' ? images : this.#prepare(images, channels);
    const ordered = this.channelsFirst ? channelsFirst(prepared, height * width, channels) : prepared;
    const dimensions = this.channelsFirst ? [count, channels, height, width] : [count, height, width, channels];
    const input = new Tensor(this.#input.type, ordered, dimensions);
    const { [this.#output]: output } = await this.#session.run({ [this.#input.name]: input }, [this.#output]);
    const { data } = output;
    if (!(data instanceof Float32Array)) throw formatError('embeddings of float32', this.path, output.type);
    return { embeddings: data, features: data.length / count };
  }

  release() {
    return this.#session.release();
  }

  #prepare(/** @type {Uint8Array} */ images, channels) {
    const { scale, mean, deviation } = this.#preprocessing;
    const at = (/** @type {number[]} */ list, channel) => /** @type {number} */ (list[channel % list.length]);
    return Float32Array.from(images, (byte, i) => (byte * scale - at(mean, i % channels)) / at(deviation, i % channels));
  }
}

/** Pixels × channels of each image as channels × pixels. */
function channelsFirst(images, pixels, channels) {
  const turned = new images.constructor(images.length);
  for (let begin = 0; begin < images.length; begin += pixels * channels)
    for (let pixel = 0; pixel < pixels; pixel++)
      for (let channel = 0; channel < channels; channel++)
        turned[begin + channel * pixels + pixel] = images[begin + pixel * channels + channel];
  return turned;
}
