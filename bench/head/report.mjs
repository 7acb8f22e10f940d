// The section "last layer" of head.md.
import { mebibytes } from '../lib/memory.mjs';
import { digits, power, table } from '../lib/report.mjs';
import { lossCases } from './cases.mjs';

const times = ({ median, least, most }) => `${digits(median)} (${digits(least)}–${digits(most)})`;
const percent = ({ median }) => `${Math.round(100 * median)} %`;
const names = { fused: 'linearLoss', unfused: 'through logits', pytorch: 'PyTorch' };

/** A table of times and one of memory for each size. */
export function reportLayer({ results, skipped, pytorchSettings }) {
  const sizes = [...new Map(results.map(({ m, d, k, weightType }) => [`${d} ${k} ${weightType}`, { m, d, k, weightType }])).values()];
  const contestants = Object.keys(names).filter((name) => results.some((result) => result.contestants[name]));
  const others = contestants.filter((name) => name !== 'fused');
  const lines = [
    '## The last layer: one step of linear + loss',
    '',
    'Value and gradients of hidden activations, weights and bias, into memory of the caller’s. Times in ms: median (least–most).',
    'Operations, counting a multiply-add as 2: `linearLoss` needs 2mkd for the margin losses, 6mkd for binary cross-entropy, exact nce and',
    'batch cross-entropy, 8mkd for cross-entropy and self-normalization; through the logits it is 6mkd for every loss. *Share* is operations',
    'per second relative to the best of the three matrix products of m = 128, d = 512, k = 8192 that run before and after each round; for',
    'losses of 8mkd a second number counts 6mkd. `nce-1024` draws 1024 classes, and otherwise writes zeros: it has no share.',
    '*Beside* is memory in MiB: the most the process held, less parameters, inputs and gradients, less what it held before them; a few MiB are',
    'the runtime’s.',
    '',
  ];
  for (const { m, d, k, weightType } of sizes) {
    const here = results.filter((result) => result.d === d && result.k === k && result.weightType === weightType);
    lines.push(`### k = ${power(k)}, d = ${d}, m = ${m}${weightType === 'float32' ? '' : `, class matrix in ${weightType}`}`, '');
    const rates = here.map(({ sgemm }) => sgemm.median);
    lines.push(`Matrix products: ${digits(Math.min(...rates))}–${digits(Math.max(...rates))} GFLOP/s.`, '');
    lines.push(
      ...table(
        [
          'loss',
          'operations',
          ...contestants.flatMap((name) => [names[name], 'share', 'beside']),
          ...others.map((name) => `${names[name]} ÷ linearLoss`),
        ],
        here.map((result) => timeRow(result, contestants, others)),
        2,
      ),
      '',
    );
  }
  lines.push('### Memory', '', 'MiB. *Arrays* are parameters, inputs and gradients; *peak* is VmHWM, the process included.', '');
  lines.push(
    ...table(
      ['loss', 'd', 'k', 'arrays', ...contestants.flatMap((name) => [`${names[name]}: peak`, 'beside'])],
      results.map((result) => [
        result.name,
        result.d,
        power(result.k),
        Math.round(mebibytes(result.contestants.fused.memory.arrays)),
        ...contestants.flatMap((name) => {
          const memory = result.contestants[name]?.memory;
          return memory ? [Math.round(mebibytes(memory.peak)), Math.round(mebibytes(memory.extra))] : ['—', '—'];
        }),
      ]),
    ),
    '',
  );
  if (results.some(({ together }) => !together)) {
    lines.push(
      'Contestants that do not fit into memory beside each other ran one after the other, and the ratio is that of their medians: ',
    );
    lines.push(
      `${results
        .filter(({ together }) => !together)
        .map(({ name, d, k }) => `${name} (d = ${d}, k = ${power(k)})`)
        .join(', ')}.`,
      '',
    );
  }
  if (skipped.length) {
    lines.push(
      '### Not run',
      '',
      ...table(
        ['case', 'contestant', 'because'],
        skipped.map((one) => [one.case, names[one.contestant], one.reason]),
        3,
      ),
      '',
    );
  }
  if (pytorchSettings) {
    lines.push(
      '### PyTorch',
      '',
      'The fastest for batch cross-entropy of each size (that of k = 10⁵ for larger k). `autograd`: `loss.backward()`, `.grad` None before;',
    );
    lines.push('`out`: autograd for the loss alone, and products that write into memory that is kept.', '');
    lines.push(
      ...table(
        ['size', 'setting', 'method', 'ms with each setting'],
        Object.entries(pytorchSettings).map(([size, { tried, setting, method }]) => [
          size,
          setting,
          method,
          tried.map((one) => `${one.setting}: ${digits(one.milliseconds)}`).join('; '),
        ]),
        4,
      ),
      '',
    );
  }
  return lines;
}

function timeRow(result, contestants, others) {
  const count = lossCases.find(({ name }) => name === result.name).fused;
  return [
    result.name,
    count ? `${count}mkd` : 'O(mSd) + kd',
    ...contestants.flatMap((name) => {
      const measured = result.contestants[name];
      if (!measured) return ['—', '—', '—'];
      const share = measured.share ? percent(measured.share) : '—';
      return [
        times(measured.milliseconds),
        measured.shareOf6 ? `${share}, ${percent(measured.shareOf6)}` : share,
        Math.round(mebibytes(measured.memory.extra)),
      ];
    }),
    ...others.map((name) => (result.timesFused[name] ? times(result.timesFused[name]) : '—')),
  ];
}
