// Embeddings of a directory of images, by an ONNX backbone: what train.mjs reads.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { datasets } from 'onelogit';
import { Backbone, checkPreprocessing, preprocessings } from './lib/backbone.mjs';
import { number, required, run } from './lib/options.mjs';
import { writeNpy } from './lib/write-npy.mjs';

const help = `Usage: node embed.mjs --images DIR --backbone FILE --out DIR [OPTIONS]

  --images DIR         a directory that onelogit can read: one directory a class, IDX, CIFAR, NumPy …
  --backbone FILE      an ONNX graph: one input, images of height × width × channels or channels × height × width
  --out DIR            where embeddings.npy, labels.npy and, if classes have names, names.txt go
  --output NAME        of the graph's outputs (default: embedding, else the first)
  --preprocessing NAME of bytes before the graph: ${Object.keys(preprocessings).join(', ')} (default: none)
  --image-size N       height and width that images are resized to
  --channels N         1 or 3: images are converted to grey or to colour
  --split NAME         train, validation or test (default: train)
  --batch-size N       images at a time (default: 32)
  --memory-bytes N     images of more are decoded batch by batch (default: 1 GiB)
  --help               this text`;

run('embed', async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      images: { type: 'string' },
      backbone: { type: 'string' },
      out: { type: 'string' },
      output: { type: 'string' },
      preprocessing: { type: 'string', default: 'none' },
      'image-size': { type: 'string' },
      channels: { type: 'string' },
      split: { type: 'string', default: 'train' },
      'batch-size': { type: 'string', default: '32' },
      'memory-bytes': { type: 'string', default: String(2 ** 30) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(help);
  const path = required(values, 'images', 'DIR');
  const file = required(values, 'backbone', 'FILE');
  const out = required(values, 'out', 'DIR');
  const preprocessing = checkPreprocessing(values.preprocessing);
  const split = /** @type {'train' | 'validation' | 'test'} */ (values.split);
  const size = values['image-size'] === undefined ? undefined : number(values['image-size'], 'image-size', 1, 10_000);
  const batch = number(values['batch-size'], 'batch-size', 1, 10_000);
  const memoryBytes = number(values['memory-bytes'], 'memory-bytes', 0, 2 ** 50);

  const dataset = await datasets.load(path, {
    split,
    memoryBytes,
    ...(size === undefined ? {} : { imageSize: size }),
    ...(values.channels === undefined ? {} : { channels: /** @type {1 | 3} */ (number(values.channels, 'channels', 1, 3)) }),
  });
  const backbone = await Backbone.open(file, { preprocessing, output: values.output });
  const [features, pieces] = await embeddingsOf(dataset, backbone, batch);
  await mkdir(out, { recursive: true });
  await writeNpy(join(out, 'embeddings.npy'), 'float32', [dataset.length, features], pieces);
  await writeNpy(join(out, 'labels.npy'), 'int32', [dataset.length], [dataset.labels]);
  if (dataset.classNames) await writeFile(join(out, 'names.txt'), `${dataset.classNames.join('\n')}\n`);
  console.log(`${dataset.length} embeddings of ${features} numbers in ${out}`);
  await backbone.release();
});

/**
 * The length of an embedding, and embeddings batch after batch.
 *
 * @returns {Promise<[number, AsyncIterable<Float32Array>]>}
 */
async function embeddingsOf(dataset, backbone, batch) {
  const shape = dataset.inputShape.length === 2 ? [...dataset.inputShape, 1] : dataset.inputShape;
  const pixels = shape.reduce((/** @type {number} */ product, /** @type {number} */ length) => product * length, 1);
  const images = async (/** @type {number} */ from) => {
    const to = Math.min(from + batch, dataset.length);
    const indices = Int32Array.from({ length: to - from }, (_, i) => from + i);
    const inputs =
      'read' in dataset
        ? (await dataset.read(indices, new AbortController().signal)).inputs
        : dataset.inputs.subarray(from * pixels, to * pixels);
    if (!(inputs instanceof Uint8Array))
      throw Object.assign(new Error('Expected images in bytes but received other numbers'), { code: 'ERR_FORMAT' });
    return inputs;
  };
  const first = await backbone.embed(await images(0), shape);
  let shown = performance.now();
  async function* all() {
    yield first.embeddings;
    for (let from = batch; from < dataset.length; from += batch) {
      yield (await backbone.embed(await images(from), shape)).embeddings;
      if (performance.now() - shown < 1000) continue;
      shown = performance.now();
      console.error(`${Math.min(from + batch, dataset.length)} of ${dataset.length} images`);
    }
  }
  return [first.features, all()];
}
