import { type Layer, layers } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions } from './network.js';

/** Filters of the 3×3 convolutions between two pools. */
const stages = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
];

/**
 * VGG-16 (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, configuration D), with torchvision's
 * names of tensors. Its adaptive pool is left out, as in {@link alexnet}.
 *
 * @param options - `inputShape`: default [224, 224, 3]
 */
export function vgg16(options: NetworkOptions): Model {
  const { classes, inputShape, body, model } = checkNetworkOptions(options, 'zoo.vgg16', [224, 224, 3]);
  const features: Layer[] = [];
  for (const stage of stages) {
    for (const filters of stage)
      features.push(layers.conv2d(filters, { kernel: 3, padding: 1, name: `features.${features.length}` }), layers.relu());
    features.push(layers.maxPool({ kernel: 2 }));
  }
  const dense = (place: number) => [layers.dense(4096, { name: `classifier.${place}` }), layers.relu(), layers.dropout()];
  return Model.sequential({
    inputShape,
    layers: [...body([...features, layers.flatten(), ...dense(0), ...dense(3)]), layers.dense(classes, { name: 'classifier.6' })],
    ...model,
  });
}
