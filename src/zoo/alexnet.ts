import { checkOneOf } from '../check.js';
import { type Layer, layers } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions } from './network.js';

/** Options of {@link zoo.alexnet}. */
export interface AlexnetOptions extends NetworkOptions {
  /** `'torchvision'` (default): one tower without normalisation. `'original'`: the two towers of 2012. */
  variant?: 'torchvision' | 'original' | undefined;
}

/**
 * AlexNet. By default as torchvision has it (Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014), with its tensors'
 * names, for images of 224×224; torchvision's adaptive pool, there for other sizes, is left out: at that size it changes nothing, and other
 * sizes have another first dense layer here.
 *
 * `variant: 'original'` is the network of Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012): two
 * towers (groups) in the second, fourth and fifth convolution, local response normalisation after the first two (n = 5, α = 1e-4 of the plain sum,
 * β = 0.75, k = 2), overlapping pools, 60,965,224 parameters with 1000 classes; for images of 227×227, of which the first convolution makes
 * the 55×55 of the paper.
 *
 * @param options - `inputShape`: default [224, 224, 3], or [227, 227, 3] for the original
 */
export function alexnet(options: AlexnetOptions): Model {
  const what = 'zoo.alexnet';
  const original = (options as AlexnetOptions | undefined)?.variant === 'original';
  const size = original ? 227 : 224;
  const { given, classes, inputShape, body, model } = checkNetworkOptions(options, what, [size, size, 3], ['variant']);
  const variant = checkOneOf(given.variant ?? 'torchvision', ['torchvision', 'original'] as const, `variant of ${what}`);
  const [layersBefore, head] = variant === 'original' ? originalLayers(classes) : torchvisionLayers(classes);
  return Model.sequential({ inputShape, layers: [...body(layersBefore), head], ...model });
}

const pool = () => layers.maxPool({ kernel: 3, stride: 2 });

function torchvisionLayers(classes: number): [Layer[], Layer] {
  const conv = (place: number, filters: number, kernel: number, padding: number, stride = 1) => [
    layers.conv2d(filters, { kernel, stride, padding, name: `features.${place}` }),
    layers.relu(),
  ];
  const dense = (place: number, units: number) => layers.dense(units, { name: `classifier.${place}` });
  const before = [
    ...[...conv(0, 64, 11, 2, 4), pool()],
    ...[...conv(3, 192, 5, 2), pool()],
    ...[...conv(6, 384, 3, 1), ...conv(8, 256, 3, 1), ...conv(10, 256, 3, 1), pool()],
    ...[layers.flatten(), layers.dropout(), dense(1, 4096), layers.relu(), layers.dropout(), dense(4, 4096), layers.relu()],
  ];
  return [before, dense(6, classes)];
}

function originalLayers(classes: number): [Layer[], Layer] {
  const conv = (number: number, filters: number, options: { kernel: number; stride?: number; padding?: number; groups?: number }) => [
    layers.conv2d(filters, { ...options, name: `conv${number}` }),
    layers.relu(),
  ];
  const norm = () => layers.localResponseNorm({ size: 5, alpha: 5 * 1e-4, beta: 0.75, k: 2 });
  const dense = (number: number) => [layers.dense(4096, { name: `fc${number}` }), layers.relu(), layers.dropout()];
  const before = [
    ...[...conv(1, 96, { kernel: 11, stride: 4 }), norm(), pool()],
    ...[...conv(2, 256, { kernel: 5, padding: 2, groups: 2 }), norm(), pool()],
    ...conv(3, 384, { kernel: 3, padding: 1 }),
    ...conv(4, 384, { kernel: 3, padding: 1, groups: 2 }),
    ...[...conv(5, 256, { kernel: 3, padding: 1, groups: 2 }), pool()],
    ...[layers.flatten(), ...dense(6), ...dense(7)],
  ];
  return [before, layers.dense(classes, { name: 'fc8' })];
}
