import { checkOneOf } from '../check.js';

/**
 * How a layer's weights start (biases start at zero). `he-*`: variance 2 / fanIn, for layers followed by relu (He et al.
 * 2015); `glorot-*`: variance 2 / (fanIn + fanOut) (Glorot and Bengio 2010).
 */
export type Initializer = 'he-normal' | 'he-uniform' | 'glorot-normal' | 'glorot-uniform' | 'zeros';

const initializers: readonly Initializer[] = ['he-normal', 'he-uniform', 'glorot-normal', 'glorot-uniform', 'zeros'];

/** `{ initializer }` if there is one, checked. */
export function checkInitializer(value: unknown, what: string): { initializer?: Initializer } {
  return value === undefined ? {} : { initializer: checkOneOf(value, initializers, `initializer of ${what}`) };
}
