/** gpu.md: what was aimed at beside what was measured, then every result. */
import { digits, table } from '../../bench/lib/report.mjs';
import { ratios } from '../../bench/lib/statistics.mjs';

const large = 1_000_000;
const share = (value) => `${(100 * value).toFixed(1)} %`;
const shown = ({ median, least, most }, scale = 1e3) => `${digits(scale * median)} (${digits(scale * least)}–${digits(scale * most)})`;
const gib = (bytes) => (bytes / 2 ** 30).toFixed(2);
const results = (phases, name) =>
  (phases[name]?.results ?? []).filter(({ error, available }) => error === undefined && available !== false);
const least = (values) => (values.length ? Math.min(...values) : undefined);

/** What was aimed at: `measured` and `met` are undefined where nothing was measured. */
export function targets(phases) {
  const losses = results(phases, 'losses').map(({ shareOfCopy }) => shareOfCopy);
  const head = results(phases, 'head');
  const bfloat16 = head.filter(({ precision }) => precision === 'bfloat16');
  const at = (loss, k) => bfloat16.find((each) => each.loss === loss && each.k === k);
  const score = results(phases, 'score').find(({ benchmark }) => benchmark === 'scoreBatch');
  const times = phases.train?.milliseconds;
  const rows = [];
  const row = (what, target, value, text, met) =>
    rows.push({ what, target, measured: value === undefined ? undefined : text(value), met: value === undefined ? undefined : met(value) });

  row('loss kernels, the slowest, of the copy’s rate', '≥ 80 %', least(losses), share, (value) => value >= 0.8);
  row(
    'last layer’s step in bfloat16, the slowest loss, of cuBLAS’s bfloat16 rate',
    '≥ 60 %',
    least(bfloat16.map(({ shareOfCublasBfloat16 }) => shareOfCublasBfloat16)),
    share,
    (value) => value >= 0.6,
  );
  const [batch, row_] = [at('batch-cross-entropy', large), at('cross-entropy', large)];
  row(
    'step at k = 10⁶: cross-entropy ÷ batch-cross-entropy',
    '> 1',
    batch && row_ && row_.seconds.median / batch.seconds.median,
    digits,
    (value) => value > 1,
  );
  for (const loss of ['cross-entropy', 'batch-cross-entropy'])
    for (const k of [131_072, large]) {
      // The precision that each is fastest in, memory of that one.
      const fastest = (from) =>
        from
          .filter((each) => each.loss === loss && each.k === k)
          .reduce((best, each) => (best && best.seconds.median <= each.seconds.median ? best : each), undefined);
      const [ours, theirs] = [fastest(head), fastest(results(phases, 'head-pytorch'))];
      const what = `${loss}, k = ${k}: best of PyTorch ÷ ours`;
      row(`${what}, time`, '≥ 1', ours && theirs && theirs.seconds.median / ours.seconds.median, digits, (value) => value >= 1);
      row(`${what}, memory`, '> 1', ours && theirs && theirs.bytes / ours.bytes, digits, (value) => value > 1);
    }
  row('scores of one class for 10⁶ examples, of the copy’s rate', '≥ 85 %', score?.shareOfCopy, share, (value) => value >= 0.85);
  const eager = times?.eager && times?.onelogit && ratios(times.eager.rounds, times.onelogit.rounds);
  row(
    'training step of 784-500-500-10: PyTorch eager ÷ ours',
    '≥ 3',
    eager?.median,
    () => `${digits(eager.median)} (${digits(eager.least)}–${digits(eager.most)})`,
    (value) => value >= 3,
  );
  return rows;
}

const sections = {
  copy: (phase) =>
    phase.results.map(({ bytesPerSecond }) => `A copy on the device reads and writes ${digits(bytesPerSecond / 1e9)} GB a second.`),
  products: ({ results: rows }) =>
    table(
      ['m × k × d', 'precision', 'logits, ms', 'gradient of hidden', 'gradient of weight', '10¹² operations a second'],
      rows.map((each) => [
        `${each.m} × ${each.k} × ${each.d}`,
        each.precision,
        shown(each.logits),
        shown(each.gradientHidden),
        shown(each.gradientWeight),
        digits(each.operationsPerSecond / 1e12),
      ]),
      2,
    ),
  losses: ({ results: rows }) =>
    table(
      ['loss', 'm × k', 'ms', 'GB that must move', 'of the copy’s rate'],
      rows.map((each) => [each.loss, `${each.m} × ${each.k}`, shown(each.seconds), digits(each.bytes / 1e9), share(each.shareOfCopy)]),
      2,
    ),
  score: ({ results: rows }) =>
    rows.map((each) =>
      each.benchmark === 'scoreBatch'
        ? `One class for ${each.examples} examples of ${each.d} features: ${shown(each.seconds)} ms, ${share(each.shareOfCopy)} of the copy’s rate.`
        : `One score of ${each.d} features, a random one of ${each.rows} rows: ${shown(each.gpu, 1e6)} µs on the GPU with its way to the host, ${shown(each.cpu, 1e6)} µs on the CPU.`,
    ),
  train: ({ milliseconds, notAvailable }) => [
    ...table(
      ['', 'ms a step'],
      Object.entries(milliseconds).map(([name, times]) => [
        name === 'onelogit' ? 'onelogit, whole model.fit' : `PyTorch, ${name}`,
        shown(times, 1),
      ]),
    ),
    ...Object.entries(notAvailable).map(([name, reason]) => `\n${name}: not available (${reason})`),
  ],
  head: ({ results: rows }) =>
    table(
      ['loss', 'm × k × d', 'precision', 'ms', 'of cuBLAS bfloat16', 'GiB'],
      rows.map((each) =>
        each.error
          ? [each.loss, `${each.m} × ${each.k} × ${each.d}`, each.precision, `not run: ${each.error}`, '', '']
          : [
              each.loss,
              `${each.m} × ${each.k} × ${each.d}`,
              each.precision,
              shown(each.seconds),
              share(each.shareOfCublasBfloat16),
              gib(each.bytes),
            ],
      ),
      3,
    ),
  convolutions: ({ results: rows }) => {
    const passes = ['forward', 'backwardInput', 'backwardWeight'];
    const line = (name, precision, part) => {
      // As often as the network has them.
      const sum = (value) => part.reduce((total, each) => total + each.count * value(each), 0);
      return [
        name,
        precision,
        ...passes.flatMap((pass) => {
          const seconds = sum((each) => each[pass].median);
          return [digits(1e3 * seconds), share(sum((each) => each[`${pass}Product`].median) / seconds)];
        }),
        digits(
          (passes.length * sum(({ operations }) => operations)) /
            sum((each) => passes.reduce((t, pass) => t + each[pass].median, 0)) /
            1e12,
        ),
      ];
    };
    const precisions = [...new Set(rows.map(({ precision }) => precision))];
    const name = (each) =>
      `${each.size}² × ${each.channels} → ${each.filters}, ${each.kernel}×${each.kernel}/${each.stride}, ${each.count} times`;
    return [
      `A batch of ${rows[0].images}. Beside each time the rate as a share of what cuBLAS does with a product of that size, operands as they are to be.`,
      '',
      ...table(
        [
          '',
          'precision',
          'forward, ms',
          'of cuBLAS',
          'gradient of input, ms',
          'of cuBLAS',
          'gradient of weight, ms',
          'of cuBLAS',
          '10¹² operations a second',
        ],
        [
          ...precisions.map((precision) =>
            line(
              'all',
              precision,
              rows.filter((each) => each.precision === precision),
            ),
          ),
          ...rows.map((each) => line(name(each), each.precision, [each])),
        ],
        2,
      ),
    ];
  },
  'head-pytorch': ({ results: rows }) =>
    table(
      ['loss', 'm × k × d', 'way', 'precision', 'ms', 'GiB'],
      rows.map((each) =>
        each.available
          ? [each.loss, `${each.m} × ${each.k} × ${each.d}`, each.way, each.precision, shown(each.seconds), gib(each.bytes)]
          : [
              each.loss,
              `${each.m} × ${each.k} × ${each.d}`,
              each.way,
              each.precision ?? '',
              `not available: ${each.reason.split('\n')[0]}`,
              '',
            ],
      ),
      4,
    ),
};

export function reportGpu({ date, commit, command, device, machine, phases }) {
  const { backend, pytorch } = phases.environment ?? {};
  const lines = [
    '# On a GPU',
    '',
    `Measured ${date.slice(0, 10)} at commit ${commit} on ${device.name}, driver ${device.driver}, with ${machine.cpu}, ${machine.threads} processors,`,
    `${machine.system}${backend ? `, onelogit ${backend.version}` : ''}, PyTorch ${pytorch?.version ?? 'not known'}. Medians, smallest and largest; what is compared took turns,`,
    'but for PyTorch’s last layer, which ran after ours.',
    '',
    `    ${command}`,
    '',
    ...table(
      ['', 'target', 'measured', 'met'],
      targets(phases).map(({ what, target, measured, met }) => [
        what,
        target,
        measured ?? 'not measured',
        met === undefined ? '' : met ? 'yes' : 'no',
      ]),
    ),
    '',
  ];
  for (const [name, phase] of Object.entries(phases)) {
    if (!sections[name]) continue;
    lines.push(`## ${name}`, '');
    if (!phase.ok) lines.push(`Not finished: ${phase.error}`, '');
    const complete = name === 'train' ? phase.milliseconds : phase.results?.length;
    if (complete) lines.push(...sections[name](phase), '');
  }
  return lines.join('\n');
}
