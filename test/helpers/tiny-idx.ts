/** A data set small enough to train on in a blink: `classes` noisy patterns of 6 × 6 bytes, as IDX files. */
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

export async function writeTinyIdx(directory: string, { classes = 4, train = 400, test = 100 } = {}): Promise<void> {
  await mkdir(directory, { recursive: true });
  const pattern = generator(7);
  const patterns = Array.from({ length: classes }, () => Uint8Array.from({ length: side * side }, () => (pattern() < 0.4 ? 220 : 20)));
  for (const [name, length, seed] of [
    ['train', train, 1],
    ['t10k', test, 2],
  ] as const) {
    const random = generator(seed);
    const labels = Uint8Array.from({ length }, (_, i) => i % classes);
    const images = new Uint8Array(length * side * side);
    labels.forEach((label, i) => {
      patterns[label]!.forEach((ink, j) => {
        images[i * side * side + j] = Math.max(0, Math.min(255, ink + 60 * (random() - 0.5)));
      });
    });
    await writeFile(join(directory, `${name}-images-idx3-ubyte`), idx([length, side, side], images));
    await writeFile(join(directory, `${name}-labels-idx1-ubyte`), idx([length], labels));
  }
}
