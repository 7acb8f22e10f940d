// That linearLoss never holds the m×k logits is a claim about memory: the peak of a process of its own, which Linux counts.
import { describe, expect, it } from 'vitest';
import { losses } from '../src/index.js';
import { internalsUrl, packageUrl, runModule } from './helpers/process.js';

const [m, d, k] = [512, 32, 100_000];
const mebibyte = 2 ** 20;
const logits = 4 * m * k; // 195 MiB
// linearLoss's default workspace, and sums of m×d for each thread of a large machine.
const bound = 64 * mebibyte + 64 * 4 * m * d;

const cases = [
  losses.crossEntropy(),
  losses.maxMargin(),
  losses.selfNormalization(),
  losses.nce(),
  losses.nce({ numSampled: 1024 }),
  losses.binaryCrossEntropy(),
  losses.batchCrossEntropy(),
  losses.batchMaxMargin(),
];

/** Prints by how many bytes the peak of `step` rose above what the process held with all of its arguments written. */
const program = (loss: object, step: string) => `
  import { readFileSync } from 'node:fs';
  import { linearLoss } from ${JSON.stringify(packageUrl)};
  import { native } from ${JSON.stringify(internalsUrl)};
  const loss = ${JSON.stringify(loss)};
  const bytes = (field) => Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(field + ':\\\\s*(\\\\d+) kB'))[1]) * 1024;
  // Written, and so in memory. Not all the same: margins and maxima should differ between classes.
  const filled = (length) => {
    const array = new Float32Array(length);
    for (let i = 0; i < length; i++) array[i] = ((i * 7919) % 1009) / 1009 - 0.5;
    return array;
  };
  const problem = (m, d, k) => ({
    hidden: filled(m * d), weight: filled(k * d), bias: filled(k),
    labels: Int32Array.from({ length: m }, (_, i) => (i * 31) % k), features: d, classes: k,
    out: { gradHidden: filled(m * d), gradWeight: filled(k * d), gradBias: filled(k) },
  });
  linearLoss(loss, problem(64, 32, 512)); // threads, kernels, the library of matrix products
  const p = problem(${m}, ${d}, ${k});
  const before = bytes('VmRSS');
  ${step}
  console.log(bytes('VmHWM') - before);
`;

async function peakAbove(loss: object, step: string): Promise<number> {
  const { status, stdout, stderr } = await runModule(program(loss, step));
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return Number(stdout);
}

const linux = process.platform === 'linux';
const sanitized = process.env.ONELOGIT_SANITIZED !== undefined; // the sanitizers' own memory is several times that
if (!linux || sanitized)
  console.log(`linear-loss-memory: skipped, because ${linux ? 'sanitizers need memory of their own' : 'peak memory is read from /proc'}`);

describe.skipIf(!linux || sanitized)('peak memory', () => {
  it.each(cases.map((loss) => [JSON.stringify(loss), loss] as const))(
    'of linearLoss with %s stays below its workspace',
    async (_, loss) => {
      expect(logits).toBeGreaterThan(2 * bound);
      const peak = await peakAbove(loss, 'linearLoss(loss, p);');
      expect(peak, `${(peak / mebibyte).toFixed(1)} MiB above the arguments`).toBeLessThan(bound);
    },
  );

  it('of the same through the logits does not: the measure sees them', async () => {
    const step = `
      const [logits, gradLogits] = [new Float32Array(${m * k}), new Float32Array(${m * k})];
      native.unfusedLinearLoss(loss, { ...p, ...p.out, logits, gradLogits });`;
    expect(await peakAbove(losses.batchCrossEntropy(), step)).toBeGreaterThan(1.9 * logits);
  });
});
