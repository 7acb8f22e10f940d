/** Random graphs of every layer that images go through, with branches of any kind. */
import { type Extent, type Layer, layers, Model, type Padding, type SymbolicTensor } from '../../src/index.js';

export const graphClasses = 3;

interface Image {
  tensor: SymbolicTensor;
  shape: [height: number, width: number, channels: number];
}

/** `draw` gives numbers in [0, 1). */
export function randomGraph(draw: () => number, seed: number): Model {
  const integer = (least: number, most: number) => least + Math.floor(draw() * (most - least + 1));
  const pick = <T>(list: readonly T[]): T => list[integer(0, list.length - 1)] as T;
  const shape: Image['shape'] = [integer(3, 8), integer(3, 8), integer(1, 4)];
  const input = layers.input(shape);
  const images: Image[] = [{ tensor: input, shape }];

  /** A kernel, stride and padding that fit the image, and the size of what comes out. */
  function windows([height, width]: Image['shape']): { kernel: Extent; stride: Extent; padding: Padding; size: [number, number] } {
    const kernel = [integer(1, Math.min(3, height)), integer(1, Math.min(3, width))] as const;
    const stride = [integer(1, 2), integer(1, 2)] as const;
    const kind = pick(['same', 'valid', 'pixels'] as const);
    if (kind === 'same') return { kernel, stride, padding: 'same', size: [Math.ceil(height / stride[0]), Math.ceil(width / stride[1])] };
    const sides = kernel.flatMap((pixels) => [integer(0, pixels - 1), integer(0, pixels - 1)]);
    const [top, bottom, left, right] = (kind === 'valid' ? [0, 0, 0, 0] : sides) as [number, number, number, number];
    const size = (length: number, axis: 0 | 1) => Math.floor((length - kernel[axis]) / stride[axis]) + 1;
    return { kernel, stride, padding: [top, bottom, left, right], size: [size(height + top + bottom, 0), size(width + left + right, 1)] };
  }

  function following({ shape: from }: Image): [Layer, Image['shape']] {
    const [height, width, channels] = from;
    const maybeFrozen = (layer: Layer) => (draw() < 0.2 ? layers.freeze(layer) : layer);
    switch (
      pick(['conv2d', 'conv2d', 'conv2d', 'maxPool', 'avgPool', 'batchNorm', 'batchNorm', 'relu', 'relu', 'norm', 'zeros'] as const)
    ) {
      case 'conv2d': {
        const { size, ...options } = windows(from);
        const groups = pick([1, 2, 3, 4].filter((count) => channels % count === 0));
        const filters = groups * integer(1, 3);
        return [maybeFrozen(layers.conv2d(filters, { ...options, groups, bias: draw() < 0.5 })), [...size, filters]];
      }
      case 'maxPool': {
        const { size, ...options } = windows(from);
        return [layers.maxPool(options), [...size, channels]];
      }
      case 'avgPool': {
        const { size, ...options } = windows(from);
        return [layers.avgPool({ ...options, countPadding: draw() < 0.5 }), [...size, channels]];
      }
      case 'batchNorm':
        return [maybeFrozen(layers.batchNorm()), from];
      case 'relu':
        return [layers.relu(), from];
      case 'norm':
        return [layers.localResponseNorm({ size: integer(1, 4), alpha: 0.3, k: 1.5 }), from];
      case 'zeros': {
        const [top, bottom, left, right] = [integer(0, 1), integer(0, 1), integer(0, 1), integer(0, 1)];
        return [layers.zeroPadding([top, bottom, left, right]), [height + top + bottom, width + left + right, channels]];
      }
    }
  }

  function grow(): Image {
    const from = pick(images);
    const alike = images.filter(({ shape: [height, width] }) => height === from.shape[0] && width === from.shape[1]);
    if (alike.length > 1 && draw() < 0.4) {
      const equal = alike.filter(({ shape: [, , channels] }) => channels === from.shape[2]);
      if (draw() < 0.6) {
        const terms = [from, ...Array.from({ length: integer(1, 2) }, () => pick(equal))];
        return { tensor: layers.add(...terms.map(({ tensor }) => tensor)), shape: from.shape };
      }
      const parts = [from, pick(alike)];
      const channels = parts.reduce((sum, { shape: [, , count] }) => sum + count, 0);
      if (channels <= 12)
        return { tensor: layers.concat(...parts.map(({ tensor }) => tensor)), shape: [from.shape[0], from.shape[1], channels] };
    }
    const [layer, after] = following(from);
    return { tensor: from.tensor.apply(layer), shape: after };
  }

  for (let count = integer(3, 14); count > 0; count--) images.push(grow());
  const ends = Array.from({ length: integer(1, 3) }, () => pick(images.slice(1)).tensor).map((tensor) =>
    draw() < 0.5 ? tensor.apply(layers.globalAvgPool()) : tensor.apply(layers.flatten(), layers.dense(4), layers.relu()),
  );
  const end = ends.length === 1 ? (ends[0] as SymbolicTensor) : layers.concat(...ends);
  return Model.build({ input, output: end.apply(layers.dense(graphClasses)), seed, device: 'cpu' });
}
