/** How `fit` computes the last layer, and what of it is kept in memory. */
import { checkOneOf } from './check.js';

/**
 * m examples a step, d inputs of the last layer, k classes:
 *
 * - `'logits'`: the m×k logits and their gradient, and the k×d gradient of the class matrix. The fastest for few classes.
 * - `'store'`: blocks of classes, without the logits. A block's rows are updated as soon as their gradient is complete; only where it
 *   is not before the last block (batch-cross-entropy) or the update has to wait (`clipNorm`), the k×d gradient is kept in float32.
 * - `'recompute'`: nothing of the class matrix's size beside it and the optimizer's state. batch-cross-entropy computes its logits
 *   twice: 8mkd operations instead of 6mkd. Not with `clipNorm`, but for the losses that touch few classes.
 * - `'auto'`, the default: `'logits'` up to 2²⁰ logits (float32 class matrix); above, `'store'` while the gradient it may have to keep is
 *   at most 1 GiB, or must be kept for `clipNorm` whatever its size, else `'recompute'`.
 *
 * Other than with `'logits'`, the margin losses and sampled nce leave the rows of classes without a gradient alone until they are read
 * again. With sgd the result is the same to rounding; the moments of adam and adamW rest meanwhile, so that a row moves only when it
 * has a gradient.
 */
export type HeadMemory = 'auto' | 'logits' | 'store' | 'recompute';

const names: readonly HeadMemory[] = ['auto', 'logits', 'store', 'recompute'];

export function checkHeadMemory(value: unknown, what: string): HeadMemory {
  return value === undefined ? 'auto' : checkOneOf(value, names, what);
}

/** Bytes that the blocks of a fused last layer may take beside its m×d sums, unless told otherwise. */
export const defaultWorkspaceBytes = 64 * 1024 * 1024;
