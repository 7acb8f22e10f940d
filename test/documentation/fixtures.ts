/** The files that pages speak of, by the names that they have there: small ones, made when a page first names them. */
import { closeSync, cpSync, ftruncateSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { datasets, losses, optimizers, SingleLogitClassifier, zoo } from '../../src/index.js';
import { writeIdx } from '../helpers/tiny-idx.js';

const digits = { classes: 10, seed: 1 };
const glyphs = (split: 'train' | 'test') => datasets.glyphs({ ...digits, split, examplesPerClass: split === 'train' ? 60 : 20 });

/** Generated characters in MNIST's files. */
async function writeMnist(path: string): Promise<void> {
  await writeIdx(path, glyphs('train'), glyphs('test'));
}

/** A directory of images for each class. */
async function writePhotos(path: string): Promise<void> {
  for (const part of ['train', 'val', 'test'])
    for (const [i, name] of ['cat', 'dog'].entries()) {
      mkdirSync(join(path, part, name), { recursive: true });
      const image = sharp({ create: { width: 320, height: 240, channels: 3, background: { r: 200 * i, g: 90, b: 40 } } });
      await image.jpeg().toFile(join(path, part, name, '1.jpg'));
    }
}

/** A network for {@link writeMnist}'s images, with thresholds. */
async function writeModel(path: string): Promise<void> {
  const data = glyphs('train');
  using model = zoo.mlp({ classes: data.classes, inputShape: data.inputShape, hidden: [32] });
  await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
    steps: 200,
    batchSize: 64,
    validation: { fraction: 0.2, seed: 1 },
  });
  using classifier = await SingleLogitClassifier.load(model);
  await classifier.calibrate(glyphs('test'), { recall: 0.9 });
  await classifier.save(path);
}

/** The first test image, as numpy.save writes it. */
function writeNpy(path: string): void {
  const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (28, 28, 1), }".padEnd(128 - 11, ' ');
  const image = glyphs('test').inputs.subarray(0, 784);
  writeFileSync(path, Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.of(118, 0), Buffer.from(`${header}\n`), image]));
}

/** A safetensors file of float32 tensors whose numbers are all 0: a hole in the file. */
function writeZeros(path: string, tensors: readonly { name: string; shape: readonly number[] }[]): void {
  let end = 0;
  const entries = tensors.map(({ name, shape }) => {
    const begin = end;
    end += 4 * shape.reduce((product, axis) => product * axis, 1);
    return [name, { dtype: 'F32', shape, data_offsets: [begin, end] }];
  });
  const header = JSON.stringify(Object.fromEntries(entries));
  const text = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([length, Buffer.from(text)]));
  ftruncateSync(file, 8 + text.length + end);
  closeSync(file);
}

/** torchvision's ResNet-50 without what it has learnt. */
function writeResnet50(path: string): void {
  using model = zoo.resnet50({ classes: 1000, inputShape: [32, 32, 3] });
  const inOrderOfPytorch = ([filters, height, width, channels]: readonly number[]) => [filters!, channels!, height!, width!];
  writeZeros(
    path,
    model.tensors.map(({ name, shape }) => ({ name, shape: shape.length === 4 ? inOrderOfPytorch(shape) : shape })),
  );
}

const makers: Record<string, (path: string) => void | Promise<void>> = {
  mnist: writeMnist,
  photos: writePhotos,
  'model.safetensors': writeModel,
  'x.npy': writeNpy,
  'head.safetensors': (path) =>
    writeZeros(path, [
      { name: 'fc.weight', shape: [1000, 512] },
      { name: 'fc.bias', shape: [1000] },
    ]),
  'resnet50.safetensors': writeResnet50,
};

/** Files that are made once and then linked or copied to where a page needs them. */
export class Fixtures {
  readonly #directory: string;
  readonly #made = new Map<string, Promise<void>>();

  constructor(directory: string) {
    mkdirSync(directory);
    this.#directory = directory;
  }

  /** Puts what a text names into a directory. */
  async provide(text: string, directory: string): Promise<void> {
    for (const [name, make] of Object.entries(makers)) {
      const path = join(this.#directory, name);
      const pattern = new RegExp(`(?<![\\w./-])${name.replace('.', '\\.')}(?![\\w.-])`);
      if (!pattern.test(text)) continue;
      if (!this.#made.has(name)) this.#made.set(name, Promise.resolve(make(path)));
      await this.#made.get(name);
      // Commands replace model files; what is large is only read.
      if (name === 'model.safetensors') cpSync(path, join(directory, name));
      else symlinkSync(path, join(directory, name));
    }
  }
}
