/**
 * Ranking metrics of single-logit classification, as in the paper's Table I.
 *
 * @module metrics
 */
import { types } from 'node:util';
import { checkFloat32Array, checkInt32Array, checkInteger, checkNumber, describe, typedArrayLength } from './check.js';
import { rangeError, typeError } from './errors.js';
import { native } from './native.js';

declare module './native.js' {
  interface NativeBinding {
    averagePrecision(scores: Float32Array, positives: Uint8Array): number;
    precisionAtRecall(scores: Float32Array, positives: Uint8Array, recall: number): number;
    separation(logits: Float32Array, labels: Int32Array, classes: number): Separation;
  }
}

/** Which examples belong to the class: one element per score, 1 or `true` for those that do, 0 or `false` for the rest. */
export type Positives = Uint8Array | readonly boolean[];

/** What {@link separation} finds. */
export interface Separation {
  /** Share, from 0 to 1, of (true, false) logit pairs whose true logit is not above the false one. Ties count as wrong. */
  misordered: number;
  /** Whether every true logit is above every false one: the Principle of Logit Separation on these examples. */
  holds: boolean;
}

function wrongLength(expected: number, received: number): RangeError {
  return rangeError('ERR_ONELOGIT_LENGTH', `Expected ${expected} elements for positives, one per score, but received ${received}`);
}

function checkPositives(value: unknown, length: number): Uint8Array {
  let positives: Uint8Array;
  if (types.isUint8Array(value)) {
    positives = value;
  } else if (Array.isArray(value)) {
    // Before as much is allocated: an array may claim any length.
    if (value.length !== length) throw wrongLength(length, value.length);
    positives = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      if (typeof value[i] !== 'boolean')
        throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected true or false for positives[${i}] but received ${describe(value[i])}`);
      positives[i] = value[i] ? 1 : 0;
    }
  } else {
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a Uint8Array or an array of booleans for positives but received ${describe(value)}`);
  }
  if (typedArrayLength(positives) !== length) throw wrongLength(length, typedArrayLength(positives));
  for (let i = 0; i < length; i++)
    if (positives[i]! > 1) throw rangeError('ERR_ONELOGIT_RANGE', `Expected 0 or 1 for positives[${i}] but received ${positives[i]}`);
  return positives;
}

/**
 * Average precision, the area under the precision-recall curve without interpolation: Σₙ (Rₙ − Rₙ₋₁) Pₙ, where Pₙ and Rₙ are precision and
 * recall at the n-th highest distinct score. Examples of equal score are taken together, in no order. Equals scikit-learn's
 * `average_precision_score`. The paper's 1-AUPRC is one minus this, averaged over the classes.
 *
 * @param scores one score per example, higher for "belongs to the class". Infinities are allowed, NaN is not.
 * @param positives one element per score: a `Uint8Array` of 0 and 1, or an array of booleans.
 * @returns a number above 0 and at most 1.
 * @throws RangeError `ERR_ONELOGIT_NO_POSITIVES` without a positive, `ERR_ONELOGIT_NOT_FINITE` for a NaN score, `ERR_ONELOGIT_LENGTH`,
 *   `ERR_ONELOGIT_RANGE`; TypeError `ERR_ONELOGIT_ARGUMENT`.
 */
export function averagePrecision(scores: Float32Array, positives: Positives): number {
  const length = typedArrayLength(checkFloat32Array(scores, 'scores'));
  return native.averagePrecision(scores, checkPositives(positives, length));
}

/**
 * Precision at the highest threshold whose recall is at least `recall`: of the examples scored at or above it, the share that belong to the
 * class. Examples of equal score are taken together. The paper's Precision@0.9 is `precisionAtRecall(scores, positives, 0.9)`.
 *
 * @param scores one score per example, as in {@link averagePrecision}.
 * @param positives as in {@link averagePrecision}.
 * @param recall above 0, at most 1.
 * @returns a number above 0 and at most 1.
 * @throws as {@link averagePrecision}.
 */
export function precisionAtRecall(scores: Float32Array, positives: Positives, recall: number): number {
  const length = typedArrayLength(checkFloat32Array(scores, 'scores'));
  checkNumber(recall, 'recall', { least: 0, most: 1, exclusive: true });
  return native.precisionAtRecall(scores, checkPositives(positives, length), recall);
}

/**
 * Whether the Principle of Logit Separation (Definition 1 of the paper) holds on a batch: every true logit above every false one, over all
 * pairs of examples, not only within an example. O(m·k·log m) for m examples and k classes.
 *
 * With `classes` = 1 there is no false logit: `misordered` is 0 and separation holds.
 *
 * @param logits m × `classes`, row-major. Infinities are allowed, NaN is not.
 * @param labels m ≥ 1 classes in [0, classes).
 * @throws RangeError `ERR_ONELOGIT_LENGTH`, `ERR_ONELOGIT_LABEL_RANGE`, `ERR_ONELOGIT_NOT_FINITE` for a NaN logit, `ERR_ONELOGIT_RANGE`;
 *   TypeError `ERR_ONELOGIT_ARGUMENT`.
 */
export function separation(logits: Float32Array, labels: Int32Array, classes: number): Separation {
  checkInteger(classes, 'classes', 1);
  const m = typedArrayLength(checkInt32Array(labels, 'labels'));
  if (m === 0) throw rangeError('ERR_ONELOGIT_LENGTH', `Expected at least one label but received ${describe(labels)}`);
  checkFloat32Array(logits, 'logits', m * classes);
  return native.separation(logits, labels, classes);
}
