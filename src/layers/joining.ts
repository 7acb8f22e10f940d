/** Layers of several inputs, made by {@link layers.add} and {@link layers.concat} (symbolic-tensor.ts). */
import type { Joined } from './layer.js';

/** {@link layers.add} */
export interface AddLayer extends Joined {
  readonly type: 'add';
}

/** {@link layers.concat} */
export interface ConcatLayer extends Joined {
  readonly type: 'concat';
}

export const addLayer: AddLayer = Object.freeze({ type: 'add' });
export const concatLayer: ConcatLayer = Object.freeze({ type: 'concat' });
