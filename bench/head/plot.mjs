// head.svg: time of a step against the number of classes, a panel per loss and d, a line per contestant.
import { svg } from '../lib/plot.mjs';
import { power } from '../lib/report.mjs';
import { lossCases } from './cases.mjs';

const lines = [
  { contestant: 'fused', label: 'linearLoss', color: '#0b5fa5' },
  { contestant: 'unfused', label: 'through the logits', color: '#e07b00' },
  { contestant: 'pytorch', label: 'PyTorch', color: '#6f7f6f' },
  { contestant: 'products', label: '6mkd at the rate of matrix products', color: '#b0b0b0' },
];

/** The text of the figure; undefined when there is nothing to show. */
export function plotLayer(results) {
  const shown = results.filter(({ weightType }) => weightType === 'float32');
  if (!shown.length) return undefined;
  const rows = shown.flatMap(({ name, m, d, k, contestants, sgemm }) => {
    const products = (6 * m * k * d * 1e-6) / sgemm.median;
    const times = {
      ...Object.fromEntries(Object.entries(contestants).map(([contestant, { milliseconds }]) => [contestant, milliseconds])),
      ...(contestants.fused?.share && { products: { median: products, least: products, most: products } }),
    };
    return lines
      .filter(({ contestant }) => times[contestant])
      .map(({ contestant, label }) => {
        const { median, least, most } = times[contestant];
        return { panel: panel(name, d), k, contestant, line: label, milliseconds: median, least, most };
      });
  });
  const sizes = [...new Set(shown.map(({ d }) => d))].sort((a, b) => a - b);
  const present = lines.filter(({ contestant }) => rows.some((row) => row.contestant === contestant));
  const x = {
    field: 'k',
    type: 'quantitative',
    ...logarithmic(
      'classes k',
      rows.map(({ k }) => k),
    ),
  };
  const y = {
    field: 'milliseconds',
    type: 'quantitative',
    ...logarithmic(
      'ms per step',
      rows.flatMap(({ least, most }) => [least, most]),
    ),
  };
  const color = {
    field: 'line',
    type: 'nominal',
    scale: { domain: present.map(({ label }) => label), range: present.map((line) => line.color) },
    legend: { orient: 'top', title: null, symbolType: 'stroke', symbolStrokeWidth: 3 },
  };
  const measured = [{ filter: "datum.contestant !== 'products'" }];
  return svg({
    title: `One step of the last layer and its loss, forward and backward, ${shown[0].m} examples`,
    data: { values: rows },
    facet: {
      field: 'panel',
      type: 'nominal',
      sort: lossCases.flatMap(({ name }) => sizes.map((d) => panel(name, d))),
      header: { title: null, labelAnchor: 'start', labelPadding: 4 },
    },
    columns: sizes.length,
    spacing: { row: 10, column: 16 },
    spec: {
      width: 230,
      height: 110,
      layer: [
        {
          mark: { type: 'line' },
          encoding: {
            x,
            y,
            color,
            strokeDash: { condition: { test: "datum.contestant === 'products'", value: [4, 3] }, value: [1, 0] },
            strokeWidth: { condition: { test: "datum.contestant === 'fused'", value: 2.5 }, value: 1.5 },
          },
        },
        { transform: measured, mark: { type: 'rule' }, encoding: { x, y: { ...y, field: 'least' }, y2: { field: 'most' }, color } },
        { transform: measured, mark: { type: 'point', filled: true, size: 18, opacity: 1 }, encoding: { x, y, color } },
      ],
    },
  });
}

const panel = (loss, d) => `${loss}, d = ${d}`;

/** A scale from one power of ten to another, with ticks at these only. */
function logarithmic(title, values) {
  const first = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(`1e${first + i}`));
  const labels = ticks.map((tick) => power(tick));
  const label = `${JSON.stringify(labels)}[round(log(datum.value) / LN10) - (${first})]`;
  return { scale: { type: 'log', domain: [ticks[0], ticks.at(-1)] }, axis: { title, values: ticks, labelExpr: label } };
}
