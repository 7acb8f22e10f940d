// What head.mjs measures: losses, sizes, how many operations each takes, and which cases a machine cannot hold.

/** Arguments of `losses.byName`. `fused`: how many times mkd operations linearLoss needs, a multiply-add being 2. */
export const lossCases = [
  { name: 'cross-entropy', loss: 'cross-entropy', fused: 8 },
  { name: 'self-normalization', loss: 'self-normalization', fused: 8 },
  { name: 'max-margin', loss: 'max-margin', fused: 2 },
  { name: 'batch-max-margin', loss: 'batch-max-margin', fused: 2 },
  { name: 'binary-cross-entropy', loss: 'binary-cross-entropy', fused: 6 },
  { name: 'nce', loss: 'nce', fused: 6 },
  { name: 'batch-cross-entropy', loss: 'batch-cross-entropy', fused: 6 },
  { name: 'nce-1024', loss: 'nce', options: { numSampled: 1024 }, fused: undefined }, // 6mSd + writing k×d zeros: not mkd
];

/** The three products through the logits: forward, gradient of the hidden activations, gradient of the weights. */
export const unfusedCount = 6;

/** Every case, smallest first. */
export function allCases({ m, large, quick }) {
  const sizes = quick
    ? [
        [64, 1_000],
        [64, 10_000],
        [512, 10_000],
      ]
    : [1_000, 10_000, 100_000, 1_000_000].flatMap((k) => [64, 128, 512].map((d) => [d, k]));
  const cases = sizes.flatMap(([d, k]) => lossCases.map((loss) => ({ ...loss, m, d, k, weightType: 'float32' })));
  if (large) cases.push(...lossCases.map((loss) => ({ ...loss, m, d: 64, k: 10_000_000, weightType: 'bfloat16' })));
  return cases;
}

/** `loss,d,k`, each part a value or empty for all. */
export function caseFilter(text) {
  const [loss, d, k, ...rest] = text.split(',');
  const numbers = [d, k].filter(Boolean).map(Number);
  if (rest.length || !numbers.every((number) => Number.isInteger(number) && number > 0))
    throw new RangeError(`Expected loss,d,k (a part may be empty) for --case but received ${text}`);
  if (loss && !lossCases.some(({ name }) => name === loss))
    throw new RangeError(`Expected one of ${lossCases.map(({ name }) => name).join(', ')} for the loss of --case but received ${loss}`);
  return (task) => (!loss || task.name === loss) && (!d || task.d === Number(d)) && (!k || task.k === Number(k));
}

export const title = ({ name, d, k, weightType }) => `${name}, d = ${d}, k = ${k}${weightType === 'float32' ? '' : `, ${weightType}`}`;

/** Bytes of parameters, inputs and gradients: what every contestant must hold. */
export function arrayBytes({ m, d, k, weightType }) {
  const weights = k * d * (weightType === 'bfloat16' ? 2 : 4);
  return weights + 4 * (k * d + 2 * k + 2 * m * d + m);
}

/** About what a contestant holds at its peak. */
function estimatedBytes(task, contestant) {
  const logits = 4 * task.m * task.k;
  const process = { fused: 150e6, unfused: 100e6, pytorch: 400e6 }[contestant];
  return arrayBytes(task) + process + { fused: 0, unfused: 2 * logits, pytorch: 4 * logits }[contestant];
}

const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;

/** Why this machine should not try it, or undefined. */
export function reasonToSkip(task, contestant, available) {
  const logits = 4 * task.m * task.k;
  if (contestant !== 'fused' && logits > 2 ** 31) return `its ${task.m}×${task.k} logits take ${gigabytes(logits)}, more than 2³¹ bytes`;
  if (contestant !== 'fused' && task.weightType !== 'float32') return `no ${task.weightType} class matrix`;
  const needed = estimatedBytes(task, contestant);
  if (needed > 0.6 * available) return `needs about ${gigabytes(needed)}, more than 60 % of the ${gigabytes(available)} available`;
  return undefined;
}

/** Whether these contestants fit beside each other, so that they can take turns. */
export function fitTogether(task, contestants, available) {
  return contestants.reduce((sum, contestant) => sum + estimatedBytes(task, contestant), 0) < 0.8 * available;
}
