import { layers } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions, normalized } from './network.js';

/**
 * The convolutional network of the paper's SVHN and CIFAR experiments: three pairs of a 5×5 and a 1×1 convolution with 128, 256 and 512
 * filters, each pair followed by a max-pool of 3×3 windows that move by 2, then a dense layer of 1024 units and the logits. Convolutions and
 * pools keep as many pixels as there are strides (padding `'same'`). Batch normalisation and relu follow every layer but the logits, and every layer has a
 * bias, as in {@link mlp}.
 *
 * @param options - `inputShape`: default [32, 32, 3]
 */
export function cnn(options: NetworkOptions): Model {
  const { classes, inputShape, body, model } = checkNetworkOptions(options, 'zoo.cnn', [32, 32, 3]);
  const stages = [128, 256, 512].flatMap((filters) => [
    ...normalized(layers.conv2d(filters, { kernel: 5, padding: 'same' })),
    ...normalized(layers.conv2d(filters, { kernel: 1 })),
    layers.maxPool({ kernel: 3, stride: 2, padding: 'same' }),
  ]);
  return Model.sequential({
    inputShape,
    layers: [...body([...stages, layers.flatten(), ...normalized(layers.dense(1024))]), layers.dense(classes)],
    ...model,
  });
}
