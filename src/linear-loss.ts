/**
 * The last layer and its loss in one pass, without the m×k logits: `native/head/linear_loss.h` and docs/losses.md, "Fused
 * linear + loss".
 */
import { types } from 'node:util';
import { checkFloat32Array, checkInt32Array, checkInteger, checkOptions, describe, typedArrayLength } from './check.js';
import { checkDevice, type Device } from './device.js';
import { rangeError, typeError } from './errors.js';
import { floatsOf } from './floats.js';
import { defaultWorkspaceBytes } from './head-memory.js';
import { checkLoss, type Loss } from './losses.js';
import { native } from './native.js';

declare module './native.js' {
  interface NativeBinding {
    linearLoss(
      loss: Loss,
      options: {
        hidden: Float32Array;
        weight: Float32Array | Uint16Array;
        bias: Float32Array | undefined;
        labels: Int32Array;
        features: number;
        classes: number;
        workspaceBytes: number;
        device: Device;
        gradHidden: Float32Array;
        gradWeight: Float32Array;
        gradBias: Float32Array;
      },
    ): number;
  }
}

/** {@link linearLoss}'s gradients. */
export interface LinearLossGradients {
  /** Of the hidden activations, m×d. */
  gradHidden: Float32Array;
  /** Of the class matrix, k×d. */
  gradWeight: Float32Array;
  /** Of the bias, k. */
  gradBias: Float32Array;
}

/** What {@link linearLoss} computes with: m examples, d features, k classes. */
export interface LinearLossOptions {
  /** Hidden activations, m×d row-major. */
  hidden: Float32Array;
  /** Class matrix, k×d: one class is one contiguous row. A `Uint16Array` holds bfloat16 bits. */
  weight: Float32Array | Uint16Array;
  /** k; default: no bias. */
  bias?: Float32Array | undefined;
  /** Class of each of the m examples, in [0, k). Duplicates are fine. */
  labels: Int32Array;
  /** d */
  features: number;
  /** k */
  classes: number;
  /** Default `'auto'`. */
  device?: Device | undefined;
  /** Most bytes that the logits of a block of classes may take, in all threads together; default 64 MiB. m×d sums come on top. */
  workspaceBytes?: number | undefined;
  /** Arrays to write the gradients into (fresh arrays of hundreds of megabytes cost page faults); default: new ones. */
  out?: Partial<LinearLossGradients> | undefined;
}

const optionNames = ['hidden', 'weight', 'bias', 'labels', 'features', 'classes', 'device', 'workspaceBytes', 'out'];

/**
 * Value and gradients of `loss(hidden · weightᵀ + bias, labels)`. The logits exist for one block of classes at a time, so memory
 * does not grow with m·k; results do not depend on the block size beyond rounding.
 *
 * Operations, counting a multiply-add as 2: binary-cross-entropy, batch-cross-entropy and exact nce 6mkd in one pass over the class
 * matrix, cross-entropy and self-normalization 8mkd in two, the margin losses 2mkd, sampled nce O(m·numSampled·d).
 *
 * @returns the loss's value and its gradients, the arrays of `out` where given.
 * @throws TypeError `ERR_ONELOGIT_ARGUMENT`, `ERR_ONELOGIT_UNKNOWN_OPTION`; RangeError `ERR_ONELOGIT_LENGTH`, `ERR_ONELOGIT_LABEL_RANGE`,
 *   `ERR_ONELOGIT_RANGE` for arguments that do not fit together; OneLogitError `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export function linearLoss(loss: Loss, options: LinearLossOptions): { value: number } & LinearLossGradients {
  const checkedLoss = checkLoss(loss, 'loss');
  const checked = checkOptions(options, optionNames, 'linearLoss') as unknown as LinearLossOptions;
  // Read once: a getter must not be able to change what was checked.
  const { hidden, weight, bias, labels, workspaceBytes = defaultWorkspaceBytes, out = {} } = checked;
  const device = checkDevice(checked.device ?? 'auto', 'device');
  const features = checkInteger(checked.features, 'features', 1);
  const classes = checkInteger(checked.classes, 'classes', 1, 2 ** 31 - 1);
  const examples = typedArrayLength(checkInt32Array(labels, 'labels'));
  if (examples === 0) throw rangeError('ERR_ONELOGIT_LENGTH', `Expected at least one label but received ${describe(labels)}`);
  checkFloat32Array(hidden, 'hidden (examples × features)', examples * features);
  if (!types.isUint16Array(weight)) checkFloat32Array(weight, 'weight (classes × features)', classes * features);
  else if (typedArrayLength(weight) !== classes * features)
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected ${classes * features} numbers for weight (classes × features) but received ${describe(weight)}`,
    );
  if (bias !== undefined) checkFloat32Array(bias, 'bias (classes)', classes);
  checkInteger(workspaceBytes, 'workspaceBytes', 1);
  checkOptions(out, ['gradHidden', 'gradWeight', 'gradBias'], 'out');
  const outputs = {
    gradHidden: out.gradHidden ?? floatsOf(examples * features, 'gradHidden'),
    gradWeight: out.gradWeight ?? floatsOf(classes * features, 'gradWeight'),
    gradBias: out.gradBias ?? floatsOf(classes, 'gradBias'),
  };
  checkFloat32Array(outputs.gradHidden, 'out.gradHidden (examples × features)', examples * features);
  checkFloat32Array(outputs.gradWeight, 'out.gradWeight (classes × features)', classes * features);
  checkFloat32Array(outputs.gradBias, 'out.gradBias (classes)', classes);
  refuseSharedMemory(outputs, { hidden, weight, labels, ...(bias && { bias }) });

  const value = native.linearLoss(checkedLoss, { hidden, weight, bias, labels, features, classes, workspaceBytes, device, ...outputs });
  return { value, ...outputs };
}

/** An output over an input, or over another output, would be read after it was written. */
function refuseSharedMemory(outputs: LinearLossGradients, inputs: Record<string, ArrayBufferView>): void {
  const seen = Object.entries<ArrayBufferView>(inputs);
  for (const [name, array] of Object.entries<ArrayBufferView>({ ...outputs })) {
    for (const [otherName, other] of seen)
      if (
        array.buffer === other.buffer &&
        array.byteOffset < other.byteOffset + other.byteLength &&
        other.byteOffset < array.byteOffset + array.byteLength
      )
        throw typeError(
          'ERR_ONELOGIT_ARGUMENT',
          `Expected memory of its own for out.${name} but received an array that overlaps ${otherName}`,
        );
    seen.push([name, array]);
  }
}
