import { checkLayer, hasTensors, type Layer } from './check-layer.js';

/**
 * The same layer, or layers, with tensors that training leaves alone: to train only the head of a network whose other weights come from
 * elsewhere. A frozen {@link layers.batchNorm} goes by its running statistics in training too. A layer without tensors stays as it is.
 */
export function freeze<L extends Layer>(layer: L): L;
export function freeze(list: readonly Layer[]): Layer[];
export function freeze(given: Layer | readonly Layer[]): Layer | Layer[] {
  const frozen = (value: unknown, what: string): Layer => {
    const layer = checkLayer(value, what);
    return hasTensors(layer) ? Object.freeze({ ...layer, frozen: true }) : layer;
  };
  return Array.isArray(given)
    ? Array.from(given, (layer, index) => frozen(layer, `layers[${index}] of layers.freeze`))
    : frozen(given, 'layer of layers.freeze');
}
