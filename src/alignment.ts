/** The warning for thresholds on logits that were not trained to be read alone. */
import type { Loss } from './losses.js';

const warned = new Set<string>();

/** What it means that a model was trained with such a loss. */
export const notAligned = (loss: string) =>
  `The model was trained with ${loss}, which is not aligned with the Principle of Logit Separation: its logits rank classes for one ` +
  'example, but a logit on its own does not tell how likely its class is, so no threshold on it works for all examples. ' +
  'Train with an aligned loss, such as batch-cross-entropy.';

/**
 * Says once per process and loss, through `process.emitWarning` with code `ONELOGIT_LOSS_NOT_ALIGNED`, that a single logit of a model trained
 * with this loss says little without the others.
 */
export function warnUnlessAligned(loss: Loss | null): void {
  if (loss === null || loss.aligned || warned.has(loss.name)) return;
  warned.add(loss.name);
  process.emitWarning(notAligned(loss.name), { type: 'OneLogitWarning', code: 'ONELOGIT_LOSS_NOT_ALIGNED' });
}
