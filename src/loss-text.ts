import type { Loss } from './losses.js';

/** Of nce a noise distribution may be a weight for each class, or only the number of them, of a model from a file. */
const valueText = (value: unknown): string => {
  if (ArrayBuffer.isView(value)) return `of ${(value as Float32Array).length.toLocaleString('en-US')} weights`;
  if (typeof value === 'object' && value !== null && 'weights' in value)
    return `of ${Number(value.weights).toLocaleString('en-US')} weights`;
  return String(value);
};

/** 'batch-max-margin, margin 1' */
export function lossText(loss: Loss): string {
  const options = Object.entries(loss).filter(([name]) => name !== 'name' && name !== 'aligned');
  return [loss.name, ...options.map(([name, value]) => `${name} ${valueText(value)}`)].join(', ');
}
