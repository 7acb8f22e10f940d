import type { Loss } from './losses.js';

/** 'batch-max-margin, margin 1' */
export function lossText(loss: Loss): string {
  const options = Object.entries(loss).filter(([name]) => name !== 'name' && name !== 'aligned');
  return [loss.name, ...options.map(([name, value]) => `${name} ${value}`)].join(', ');
}
