/** What a model computes at inference, in float64 and as plainly as possible. */
import type { Layer, Model } from '../../src/index.js';
import { inputsOf, tensorPrefix } from '../../src/layers/index.js';

/** One example: its shape and its numbers, height × width × channels for images. */
interface Value {
  shape: readonly number[];
  data: number[];
}

type Windows = Extract<Layer, { type: 'conv2d' | 'maxPool' | 'avgPool' }>;

/** Outputs of every layer for one example, in raw units: preprocessing is not applied. */
export function referenceOutputs(model: Model, example: ArrayLike<number>): Value[] {
  const outputs: Value[] = [];
  const input = { shape: model.inputShape, data: Array.from(example) };
  for (const [index, layer] of model.layers.entries()) {
    const inputs = inputsOf(layer, index).map((from) => (from < 0 ? input : outputs[from]!));
    outputs.push(compute(layer, inputs, (name) => model.tensor(`${tensorPrefix(layer, index)}${name}`)));
  }
  return outputs;
}

function compute(layer: Layer, inputs: Value[], tensor: (name: string) => Float32Array): Value {
  const [x] = inputs as [Value];
  const map = (f: (value: number, at: number) => number): Value => ({ shape: x.shape, data: x.data.map(f) });
  const channels = x.shape.at(-1)!;
  switch (layer.type) {
    case 'relu':
      return map((value) => Math.max(value, 0));
    case 'dropout':
      return x;
    case 'flatten':
      return { shape: [x.data.length], data: x.data };
    case 'dense': {
      const weight = tensor('weight');
      const bias = layer.bias ? tensor('bias') : new Float32Array(layer.units);
      const data = Array.from(bias, (b, unit) => x.data.reduce((sum, value, i) => sum + value * weight[unit * x.data.length + i]!, b));
      return { shape: [layer.units], data };
    }
    case 'batchNorm': {
      const [gamma, beta, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(tensor) as Float32Array[];
      return map((value, at) => {
        const c = at % channels;
        return (gamma![c]! * (value - mean![c]!)) / Math.sqrt(variance![c]! + layer.epsilon) + beta![c]!;
      });
    }
    case 'localResponseNorm':
      return map((value, at) => {
        const c = at % channels;
        let sum = 0;
        for (let other = c - Math.floor(layer.size / 2); other <= c + Math.floor((layer.size - 1) / 2); other++)
          if (other >= 0 && other < channels) sum += x.data[at - c + other]! ** 2;
        return value / (layer.k + (layer.alpha / layer.size) * sum) ** layer.beta;
      });
    case 'globalAvgPool': {
      const data = Array.from({ length: channels }, (_, c) => {
        const values = x.data.filter((_, at) => at % channels === c);
        return values.reduce((sum, value) => sum + value, 0) / values.length;
      });
      return { shape: [channels], data };
    }
    case 'zeroPadding': {
      const [top, bottom, left, right] = layer.padding;
      const shape = [x.shape[0]! + top + bottom, x.shape[1]! + left + right, channels];
      return image(shape, (row, column, c) => pixel(x, row - top, column - left, c) ?? 0);
    }
    case 'maxPool':
      return windows(x, layer, channels, (values) => Math.max(...values.filter((value) => value !== undefined)));
    case 'avgPool':
      return windows(x, layer, channels, (values) => {
        const there = values.filter((value) => value !== undefined);
        return there.reduce((sum, value) => sum + value, 0) / (layer.countPadding ? values.length : there.length);
      });
    case 'conv2d': {
      const weight = tensor('weight');
      const bias = layer.bias ? tensor('bias') : new Float32Array(layer.filters);
      const perGroup = channels / layer.groups;
      return windows(x, layer, layer.filters, (_, at, filter) => {
        const group = Math.floor(filter / (layer.filters / layer.groups));
        let sum = bias[filter]!;
        for (let i = 0; i < layer.kernel[0]; i++)
          for (let j = 0; j < layer.kernel[1]; j++)
            for (let c = 0; c < perGroup; c++)
              sum +=
                weight[((filter * layer.kernel[0] + i) * layer.kernel[1] + j) * perGroup + c]! *
                (pixel(x, at.row + i, at.column + j, group * perGroup + c) ?? 0);
        return sum;
      });
    }
    case 'add':
      return map((_, at) => inputs.reduce((sum, { data }) => sum + data[at]!, 0));
    case 'concat': {
      const rows = x.data.length / channels;
      const data = Array.from({ length: rows }, (_, row) =>
        inputs.flatMap(({ shape, data: values }) => values.slice(row * shape.at(-1)!, (row + 1) * shape.at(-1)!)),
      ).flat();
      return { shape: [...x.shape.slice(0, -1), inputs.reduce((sum, { shape }) => sum + shape.at(-1)!, 0)], data };
    }
    default:
      throw new Error(`no reference for ${layer.type}`);
  }
}

function pixel({ shape, data }: Value, row: number, column: number, channel: number): number | undefined {
  const [height, width, channels] = shape as [number, number, number];
  return row < 0 || row >= height || column < 0 || column >= width ? undefined : data[(row * width + column) * channels + channel];
}

function image(shape: number[], value: (row: number, column: number, channel: number) => number): Value {
  const [height, width, channels] = shape as [number, number, number];
  const data: number[] = [];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) for (let c = 0; c < channels; c++) data.push(value(row, column, c));
  return { shape, data };
}

/** Padding before the image and outputs, on one axis. */
function place(length: number, kernel: number, stride: number, padding: 'same' | 'valid' | [before: number, after: number]) {
  if (padding === 'same') {
    const outputs = Math.ceil(length / stride);
    return { before: Math.floor(Math.max((outputs - 1) * stride + kernel - length, 0) / 2), outputs };
  }
  const [before, after] = padding === 'valid' ? [0, 0] : padding;
  return { before, outputs: Math.floor((length + before + after - kernel) / stride) + 1 };
}

/** `reduce` gets the pixels of a window in the channel of the output (undefined beyond the image), and its first pixel. */
function windows(
  x: Value,
  { kernel, stride, padding }: Windows,
  channels: number,
  reduce: (values: (number | undefined)[], at: { row: number; column: number }, channel: number) => number,
): Value {
  const side = (first: number): 'same' | 'valid' | [number, number] =>
    typeof padding === 'string' ? padding : [padding[first]!, padding[first + 1]!];
  const y = place(x.shape[0]!, kernel[0], stride[0], side(0));
  const z = place(x.shape[1]!, kernel[1], stride[1], side(2));
  return image([y.outputs, z.outputs, channels], (outputRow, outputColumn, channel) => {
    const at = { row: outputRow * stride[0] - y.before, column: outputColumn * stride[1] - z.before };
    const values = Array.from({ length: kernel[0] * kernel[1] }, (_, i) =>
      pixel(x, at.row + Math.floor(i / kernel[1]), at.column + (i % kernel[1]), channel),
    );
    return reduce(values, at, channel);
  });
}
