/** The networks of the tables. */
import { type Device, type Model, zoo } from '../index.js';
import type { Recipe } from './recipe.js';

/** A new network for examples like those of `data`. */
export function newNetwork(
  data: { classes: number; inputShape: readonly number[] },
  { network, hidden, seed }: Recipe,
  device: Device,
): Model {
  const { classes, inputShape } = data;
  const options = { classes, inputShape, seed, device };
  switch (network) {
    case 'mlp':
      return zoo.mlp({ ...options, hidden: [...hidden!] });
    case 'cnn':
      return zoo.cnn(options);
    case 'inceptionV3':
      return zoo.inceptionV3(options);
  }
}

/** The network in words. */
export function describeNetwork({ network, hidden }: Recipe): string {
  const normalised = 'each followed by batch normalisation and relu; He initialisation';
  switch (network) {
    case 'mlp':
      return `dense layers of ${hidden!.join(', ')} units, ${normalised}`;
    case 'cnn':
      return `convolutions 5×5×128, 1×1×128, 5×5×256, 1×1×256, 5×5×512, 1×1×512, after each second one a max-pool of 3×3 with stride 2, and a dense layer of 1,024 units, ${normalised}`;
    case 'inceptionV3':
      return 'inception-v3 without its auxiliary head, at 299×299';
  }
}
