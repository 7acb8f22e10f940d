// score.svg: time of one score against d, hot rows and random ones, a line per contestant. one-of-many.svg: one logit and all logits against k.
import { svg } from '../lib/plot.mjs';

const lines = [
  { contestant: 'onelogit float32', call: 'score', label: 'score', color: '#0b5fa5' },
  { contestant: 'onelogit float32', call: 'scoreBound', label: 'scoreBound', color: '#4aa3df' },
  { contestant: 'onelogit bfloat16', call: 'scoreBound', label: 'scoreBound, bfloat16', color: '#7b4fb5' },
  { contestant: 'floor', call: 'scoreBound', label: 'bare C addon, bound', color: '#999999', dashed: true },
  { contestant: 'simsimd', call: 'score', label: 'SimSIMD', color: '#e07b00' },
  { contestant: 'loop', call: 'score', label: 'JavaScript loop', color: '#b8a000' },
  { contestant: 'onnxruntime', call: 'score', label: 'ONNX Runtime, one class', color: '#2f8f5b' },
  { contestant: 'tfjs', call: 'score', label: 'TensorFlow.js, one class', color: '#c0506a' },
  { contestant: 'predict', call: 'predict', label: 'all logits (Model.predict)', color: '#555555' },
];

/** The text of the figure; undefined when there is nothing to show. */
export function plotScores(results) {
  const largest = (d) => Math.max(...results.filter((one) => one.d === d && one.rows === 'random').map(({ k }) => k));
  const shown = results
    .filter(({ rows, d, k }) => rows === 'hot' || (k > 1000 && k === largest(d)))
    .flatMap(({ contestant, call, rows, d, p50 }) => {
      const line = lines.find((one) => one.contestant === contestant && one.call === call);
      return line ? [{ panel: panels[rows], d, line: line.label, dashed: line.dashed ?? false, ns: p50.median }] : [];
    });
  if (!shown.length) return undefined;
  const present = lines.filter(({ label }) => shown.some(({ line }) => line === label));
  const dimensions = [...new Set(shown.map(({ d }) => d))].sort((a, b) => a - b);
  const y = timeAxis('time of one score', shown);
  const x = {
    field: 'd',
    type: 'quantitative',
    scale: { type: 'log', base: 2, domain: [dimensions[0] / 1.2, dimensions.at(-1) * 1.2], nice: false },
    axis: { title: 'features d', values: dimensions, format: 'd' },
  };
  const color = {
    field: 'line',
    type: 'nominal',
    scale: { domain: present.map(({ label }) => label), range: present.map((line) => line.color) },
    legend: { orient: 'right', title: null, symbolType: 'stroke', symbolStrokeWidth: 3 },
  };
  return svg({
    title: 'One logit from JavaScript, p50',
    data: { values: shown },
    facet: { field: 'panel', type: 'nominal', sort: Object.values(panels), header: { title: null, labelAnchor: 'start', labelPadding: 4 } },
    columns: 2,
    spacing: { column: 24 },
    spec: {
      width: 300,
      height: 320,
      layer: [
        {
          mark: { type: 'line' },
          encoding: {
            x,
            y,
            color,
            strokeDash: { condition: { test: 'datum.dashed', value: [4, 3] }, value: [1, 0] },
            strokeWidth: { condition: { test: "datum.line === 'score' || datum.line === 'scoreBound'", value: 2.5 }, value: 1.5 },
          },
        },
        { mark: { type: 'point', filled: true, size: 22, opacity: 1 }, encoding: { x, y, color } },
      ],
    },
  });
}

const panels = { hot: 'hot row, 1,000 classes', random: 'random rows, the largest matrix' };

/** Nanoseconds on a logarithmic scale, labelled with their units. */
function timeAxis(title, shown) {
  const times = shown.map(({ ns }) => ns);
  const first = Math.floor(Math.log10(Math.min(...times)));
  const last = Math.ceil(Math.log10(Math.max(...times)));
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(`1e${first + i}`));
  const units = ticks.map((ns) => (ns < 1e3 ? `${ns} ns` : ns < 1e6 ? `${ns / 1e3} µs` : `${ns / 1e6} ms`));
  return {
    field: 'ns',
    type: 'quantitative',
    scale: { type: 'log', domain: [ticks[0], ticks.at(-1)] },
    axis: { title, values: ticks, labelExpr: `${JSON.stringify(units)}[round(log(datum.value) / LN10) - (${first})]` },
  };
}

/** `text`: where the name of a line stands, beside its last point. */
const waysToAnswer = [
  { contestant: 'predict', call: 'predict', label: 'all logits, Model.predict', color: '#555555', text: { align: 'left', dx: 10, dy: -4 } },
  {
    contestant: 'onnxruntime-all',
    call: 'predict',
    label: 'all logits, ONNX Runtime',
    color: '#2f8f5b',
    text: { align: 'left', dx: 10, dy: 12 },
  },
  {
    contestant: 'onelogit float32',
    call: 'score',
    label: 'one logit, score',
    color: '#0b5fa5',
    text: { align: 'right', dx: -10, dy: -12 },
  },
];

/** The text of the figure for last layers of d features; undefined when they were not measured. */
export function plotOneOfMany(results, d = 512) {
  const lines = waysToAnswer.map((way) => ({
    ...way,
    points: results
      .filter(
        ({ contestant, call, rows, d: features }) =>
          contestant === way.contestant && call === way.call && rows === 'random' && features === d,
      )
      .map(({ k, p50 }) => ({ k, ns: p50.median, way: way.label }))
      .sort((a, b) => a.k - b.k),
  }));
  const shown = lines.flatMap(({ points }) => points);
  const classes = [...new Set(shown.map(({ k }) => k))].sort((a, b) => a - b);
  if (classes.length < 2) return undefined;
  const encoding = {
    x: {
      field: 'k',
      type: 'quantitative',
      scale: { type: 'log', domain: [classes[0], classes.at(-1)], nice: false },
      axis: { title: 'classes', values: classes, format: ',d' },
    },
    y: timeAxis('time of one question', shown),
    color: {
      field: 'way',
      type: 'nominal',
      scale: { domain: waysToAnswer.map(({ label }) => label), range: waysToAnswer.map(({ color }) => color) },
      legend: null,
    },
  };
  return svg({
    title: { text: 'Is it class c?', subtitle: `a last layer of ${d} features, another class each time, p50`, subtitleColor: '#555' },
    data: { values: shown },
    width: 560,
    height: 240,
    layer: [
      { mark: { type: 'line', strokeWidth: 2.5 }, encoding },
      { mark: { type: 'point', filled: true, size: 30, opacity: 1 }, encoding },
      ...lines
        .filter(({ points }) => points.length)
        .map(({ points, label, text }) => ({
          data: { values: [points.at(-1)] },
          mark: { type: 'text', fontSize: 12, ...text },
          encoding: { ...encoding, text: { value: label } },
        })),
    ],
  });
}
