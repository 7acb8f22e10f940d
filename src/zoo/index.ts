import { alexnet } from './alexnet.js';
import { cnn } from './cnn.js';
import { inceptionV3 } from './inception-v3.js';
import { mlp } from './mlp.js';
import { resnet50, resnet101 } from './resnet.js';
import { vgg16 } from './vgg16.js';

/**
 * Architectures by name, each with its number of classes as an argument.
 *
 * @namespace
 */
export const zoo = {
  /** @function */
  mlp,
  /** @function */
  cnn,
  /** @function */
  alexnet,
  /** @function */
  vgg16,
  /** @function */
  inceptionV3,
  /** @function */
  resnet50,
  /** @function */
  resnet101,
} as const;
