/** Weights and images that test/golden/architectures.py makes by the same rule, which it describes. */
import { readFileSync } from 'node:fs';

/** Of a tensor: its norm, and its numbers at eight places. */
export type Summary = readonly number[];

export interface GoldenNetwork {
  readonly inputShape: readonly [number, number, number];
  readonly examples: number;
  readonly images: number;
  readonly variances: { readonly conv: number; readonly dense: number };
  readonly logits: readonly number[];
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Summary>>;
  readonly statistics: Readonly<Record<string, Summary>>;
}

export const golden = JSON.parse(readFileSync(new URL('../golden/architectures.json', import.meta.url), 'utf8')) as {
  readonly classes: number;
  readonly networks: Readonly<Record<string, GoldenNetwork>>;
};

/** FNV-1a. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(name)) value = Math.imul(value ^ byte, 0x01000193);
  return value;
}

/** Number `i` of a tensor's random words: 32 bits. */
function word(seed: number, i: number): number {
  let z = (Math.imul(i, 0x9e3779b9) + seed) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

function uniform(name: string, count: number, to: (u: number, i: number) => number): Float32Array {
  const seed = hash(name);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = to((word(seed, i) >>> 8) / 2 ** 23 - 1, i);
  return values;
}

function below(name: string, count: number, limit: number): number[] {
  const seed = hash(name);
  return Array.from({ length: count }, (_, i) => Math.floor((limit * word(seed, i)) / 2 ** 32));
}

/** A tensor in PyTorch's order; `normalised`: whether it belongs to a batch normalisation. */
export function tensorValues(
  name: string,
  shape: readonly number[],
  variances: GoldenNetwork['variances'],
  normalised: boolean,
): Float32Array {
  const size = shape.reduce((product, axis) => product * axis, 1);
  if (shape.length > 1) {
    const variance = shape.length === 4 ? variances.conv : variances.dense;
    const range = Math.fround(Math.sqrt((3 * variance) / (size / (shape[0] as number))));
    return uniform(name, size, (u) => u * range);
  }
  if (name.endsWith('running_var')) return uniform(name, size, (u) => 1 + u / 2);
  if (name.endsWith('weight')) return uniform(name, size, (u) => 1 + u / 4);
  if (name.endsWith('bias') && normalised) return uniform(name, size, (u, i) => (i % 2 ? -1 : 1) * (3 + u / 8));
  return uniform(name, size, (u) => u / 8);
}

/** The images, height × width × channels, and their labels. */
export function makeBatch({ inputShape, examples, images }: GoldenNetwork): { inputs: Float32Array; labels: Int32Array } {
  const [height, width, channels] = inputShape;
  const channelsFirst = uniform(`images ${images}`, examples * height * width * channels, (u) => u);
  const inputs = new Float32Array(channelsFirst.length);
  for (let example = 0; example < examples; example++)
    for (let channel = 0; channel < channels; channel++)
      for (let pixel = 0; pixel < height * width; pixel++)
        inputs[(example * height * width + pixel) * channels + channel] = channelsFirst[
          (example * channels + channel) * height * width + pixel
        ] as number;
  return { inputs, labels: Int32Array.from(below('labels', examples, golden.classes)) };
}

/** The places of a {@link Summary}, counted as PyTorch lays the tensor out. */
export const places = (name: string, size: number): number[] => below(`places ${name}`, 8, size);
