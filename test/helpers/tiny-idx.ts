/** IDX files, and a data set small enough to train on in a blink: `classes` noisy patterns of 6 × 6 bytes. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const side = 6;

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x800 | shape.length);
  for (const [i, size] of shape.entries()) view.setUint32(4 + 4 * i, size);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

/** Deterministic numbers in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Images of bytes and their labels: one part of a data set. */
export interface Images {
  inputs: Uint8Array;
  labels: Int32Array | Uint8Array;
  inputShape: readonly number[];
  length: number;
}

/** The four files of a data set as MNIST has them. */
export async function writeIdx(directory: string, train: Images, test: Images): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, { inputs, labels, inputShape, length }] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const [height, width] = inputShape as [number, number];
    await writeFile(join(directory, `${name}-images-idx3-ubyte`), idx([length, height, width], inputs));
    await writeFile(join(directory, `${name}-labels-idx1-ubyte`), idx([length], Uint8Array.from(labels)));
  }
}

export async function writeTinyIdx(directory: string, { classes = 4, train = 400, test = 100 } = {}): Promise<void> {
  const pattern = generator(7);
  const patterns = Array.from({ length: classes }, () => Uint8Array.from({ length: side * side }, () => (pattern() < 0.4 ? 220 : 20)));
  const draw = (length: number, seed: number): Images => {
    const random = generator(seed);
    const labels = Uint8Array.from({ length }, (_, i) => i % classes);
    const inputs = new Uint8Array(length * side * side);
    labels.forEach((label, i) => {
      patterns[label]!.forEach((ink, j) => {
        inputs[i * side * side + j] = Math.max(0, Math.min(255, ink + 60 * (random() - 0.5)));
      });
    });
    return { inputs, labels, inputShape: [side, side], length };
  };
  await writeIdx(directory, draw(train, 1), draw(test, 2));
}
