// The section "in fit": what a step of training costs when the head is all there is, plain sgd.
import { fileURLToPath } from 'node:url';
import { Contestant } from '../lib/contestant.mjs';
import { mebibytes } from '../lib/memory.mjs';
import { digits, power, table } from '../lib/report.mjs';
import { ratios, spread } from '../lib/statistics.mjs';

const script = fileURLToPath(new URL('../contestants/head_fit.mjs', import.meta.url));
const start = async (task) => {
  const contestant = new Contestant(`fit, k = ${task.k}`, process.execPath, [script, JSON.stringify(task)]);
  return { contestant, introduction: await contestant.next() };
};

/** Milliseconds of a step in the middle of a fit: what n steps more take, so that neither its start nor its end counts. */
async function millisecondsPerStep(contestant, few, more) {
  const short = await contestant.ask({ steps: few });
  const long = await contestant.ask({ steps: few + more });
  return (1000 * (long.seconds - short.seconds)) / more;
}

/** Sampled nce with few classes and with many. */
async function measureSampled({ quick, progress }) {
  const task = { d: 128, m: 256, loss: 'nce', lossOptions: { numSampled: 1024 }, storage: 'float32', memory: 'store' };
  const classes = [1e4, 1e6];
  const contestants = [];
  for (const k of classes) contestants.push((await start({ ...task, k })).contestant);
  const times = classes.map(() => []);
  for (let round = 0; round < (quick ? 2 : 7); round++) {
    progress(`fit: sampled nce, round ${round + 1}`);
    for (const [i, contestant] of contestants.entries()) times[i].push(await millisecondsPerStep(contestant, 20, quick ? 100 : 400));
  }
  for (const contestant of contestants) await contestant.close();
  return {
    ...task,
    classes,
    milliseconds: times.map((values) => ({ ...spread(values), rounds: values })),
    ratio: ratios(times[1], times[0]),
  };
}

/** 10⁷ classes × 64 in bfloat16 with batch cross-entropy: time, and memory of the whole process. */
async function measureLarge({ progress }) {
  const task = { k: 1e7, d: 64, m: 128, loss: 'batch-cross-entropy', storage: 'bfloat16', memory: 'recompute', examples: 1024 };
  progress('fit: 10⁷ classes × 64 in bfloat16');
  const { contestant, introduction } = await start(task);
  const milliseconds = [];
  for (let round = 0; round < 3; round++) milliseconds.push(await millisecondsPerStep(contestant, 1, 2));
  const { peak, finalLoss } = await contestant.ask({ steps: 1 });
  await contestant.close();
  return { ...task, ...introduction, milliseconds: { ...spread(milliseconds), rounds: milliseconds }, peak, finalLoss };
}

export async function measureFit({ quick, large, progress }) {
  return {
    sampled: await measureSampled({ quick, progress }),
    ...(large && { large: await measureLarge({ progress }) }),
  };
}

const time = ({ median, least, most }) => `${digits(median)} (${digits(least)}–${digits(most)})`;

export function reportFit({ sampled, large }) {
  const lines = [
    '## In `fit`',
    '',
    'A model that is its last layer, plain sgd. A step’s time is what more steps add to a fit, so that its start and end do not count.',
    '',
    `Sampled nce, numSampled = 1024, shared draws, m = ${sampled.m}, d = ${sampled.d}, float32:`,
    '',
    ...table(
      ['k', 'ms per step'],
      sampled.classes.map((k, i) => [power(k), time(sampled.milliseconds[i])]),
    ),
    `| ratio | ${time(sampled.ratio)} |`,
    '',
  ];
  if (large)
    lines.push(
      `k = ${power(large.k)}, d = ${large.d}, bfloat16, batch cross-entropy, m = ${large.m}, \`memory: 'recompute'\`: ` +
        `${digits(large.milliseconds.median / 1000)} s per step (${digits(large.milliseconds.least / 1000)}–${digits(large.milliseconds.most / 1000)}), ` +
        `most resident memory of the process ${Math.round(mebibytes(large.peak))} MiB (${Math.round(mebibytes(large.baseline))} MiB before the model, ` +
        `the class matrix ${Math.round(mebibytes(large.k * large.d * 2))} MiB, its bias ${Math.round(mebibytes(large.k * 4))} MiB); built in ${digits(large.secondsToBuild)} s.`,
      '',
    );
  return lines;
}

/** [{ what, measured, wanted, met }] */
export function checkFit({ sampled, large }) {
  const checks = [{ what: 'sampled nce in fit: k = 10⁶ ÷ k = 10⁴', measured: sampled.ratio.median, wanted: '≤ 1.3' }];
  if (large) checks.push({ what: '10⁷ × 64 in bfloat16: GB of the process', measured: large.peak / 1e9, wanted: '≤ 3' });
  return checks.map((check) => ({ ...check, met: check.measured <= Number(check.wanted.slice(2)) }));
}
