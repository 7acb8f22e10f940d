/** What README says of measurements, made from the files that the benchmarks wrote: a new result needs a new README. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../helpers/process.js';

// biome-ignore lint/suspicious/noExplicitAny: results of several benchmarks, each with fields of its own
const read = (name: string): any => JSON.parse(readFileSync(join(packageRoot, 'bench/results', name), 'utf8'));

const integer = (value: number) => Math.round(value).toLocaleString('en-US');
/** From three digits, as the tables of results have it. */
const nanoseconds = (value: number) => integer(value < 1000 ? Number(value.toPrecision(3)) : value);
const mebibytes = (bytes: number) => `${integer(bytes / 2 ** 20)} MiB`;

function ofScores(): string[] {
  const { results } = read('score.json') as { results: Record<string, never>[] };
  const time = (contestant: string, call: string, d: number, k = 1000) => {
    const rows = k === 1000 ? 'hot' : 'random';
    const found = results.find((one) => Object.entries({ contestant, call, d, k, rows }).every(([key, value]) => one[key] === value)) as
      | { p50: { median: number } }
      | undefined;
    if (!found) throw new Error(`Expected a time of ${contestant}, ${call} at ${d} × ${k} in score.json`);
    return found.p50.median;
  };
  const [own, loop, simsimd, floor] = ['onelogit float32', 'loop', 'simsimd', 'floor'] as const;
  const score = nanoseconds(time(own, 'score', 512));
  const all = `${integer(time('onnxruntime-all', 'predict', 512) / 1000)} µs`;
  return [
    `${score} ns; ${nanoseconds(time(own, 'scoreBound', 512))} ns for an example that is bound`,
    `bare C addon without checks ${nanoseconds(time(floor, 'score', 512))}, SimSIMD ${nanoseconds(time(simsimd, 'score', 512))}, JavaScript loop ${nanoseconds(time(loop, 'score', 512))}, ` +
      `ONNX Runtime ${nanoseconds(time('onnxruntime', 'score', 512))} ns`,
    `${nanoseconds(time(own, 'score', 2048, 375_000))} ns, nearly all of it memory | bare C addon ${nanoseconds(time(floor, 'score', 2048, 375_000))}, ` +
      `SimSIMD ${nanoseconds(time(simsimd, 'score', 2048, 375_000))} ns`,
    `${integer(time('predict', 'predict', 512) / 1000)} µs, with the way to another thread and back | ONNX Runtime ${all}`,
    `all 1,000 logits of 512 features take ${all} in ONNX Runtime. One logit takes ${score} ns`,
    `at 64 features a loop is faster (${nanoseconds(time(loop, 'score', 64))} ns against ${nanoseconds(time(own, 'score', 64))})`,
    `at 512 features ${nanoseconds(time(simsimd, 'score', 512))} and ${nanoseconds(time(loop, 'score', 512))} ns against ${score}`,
  ];
}

function ofHeads(): string[] {
  const { results } = read('head.json').lastLayer;
  const step = (name: string, k: number) =>
    results.find(
      (one: { name: string; k: number; d: number; m: number }) => one.name === name && one.k === k && one.d === 512 && one.m === 128,
    );
  const large = step('batch-cross-entropy', 100_000);
  const { fused, pytorch } = large.contestants;
  const small = step('cross-entropy', 1000).contestants;
  return [
    `${integer(fused.milliseconds.median)} ms and ${mebibytes(fused.memory.extra)} beside parameters and gradients | ` +
      `PyTorch ${large.timesFused.pytorch.median.toFixed(2)} times as long, ${mebibytes(pytorch.memory.extra)}`,
    `${small.fused.milliseconds.median.toFixed(1)} ms; through the logits, as \`fit\` does it there, ${small.unfused.milliseconds.median.toFixed(1)} ms | ` +
      `PyTorch ${small.pytorch.milliseconds.median.toFixed(1)} ms`,
  ];
}

function ofTraining(): string[] {
  const { milliseconds, comparisons, pytorchSettings } = read('train-mlp.json');
  const byDefault = pytorchSettings.find(({ setting }: { setting: string }) => setting === 'default settings');
  return [
    `${milliseconds.onelogit.median.toFixed(1)} ms | PyTorch ${comparisons['PyTorch ÷ onelogit'].median.toFixed(1)} times as long ` +
      `(${(byDefault.milliseconds / milliseconds.onelogit.median).toFixed(1)} times with default threads), ` +
      `TensorFlow.js in WebAssembly ${integer(comparisons['TensorFlow.js WebAssembly ÷ onelogit'].median)} times`,
  ];
}

function ofNetworks(): string[] {
  const { timings } = read('table3.json');
  const timing = (batchSize: number) =>
    timings.find((one: { architecture: string; batchSize: number }) => one.architecture === 'resnet50' && one.batchSize === batchSize).rows;
  const times = (batchSize: number, classes: number) =>
    timing(batchSize)
      .find((row: { classes: number }) => row.classes === classes)
      .speedup.median.toFixed(1);
  if (times(1, 1024) !== '1.0') throw new Error('Expected ResNet-50 to take as long with 1,024 logits as with one, as README says');
  const { results } = read('forward.json');
  const images = (contestant: string) =>
    [1, 32].map((size) => {
      const { imagesPerSecond } = results.find(
        (one: { architecture: string; batch: number }) => one.architecture === 'resnet50' && one.batch === size,
      );
      return integer(imagesPerSecond[contestant].median);
    });
  const pair = (contestant: string) => images(contestant).join(' and ');
  return [
    `${times(1, 65_536)} times as long with 65,536`,
    `${integer(timing(1)[0].milliseconds.median)} ms with one logit | with all logits ${times(1, 370_727)} times as long; 32 images at a time ${times(32, 370_727)} times`,
    `${pair('onelogit')} | PyTorch ${pair('pytorch')}, frozen ${pair('frozen')}, ONNX Runtime ${pair('onnxruntime')}`,
  ];
}

function ofReproductions(): string[] {
  const table1 = read('table1-mnist.json').datasets.mnist.results;
  const table2 = read('table2-mnist.json').datasets.mnist.results;
  const scale = read('scale.json').datasets['fb15k-237'].results;
  const [batch, cross] = ['batch-cross-entropy', 'cross-entropy'];
  const auprc = (loss: string) => table1[loss].singleLogit.oneMinusAuprc.toFixed(4);
  const pooled = (loss: string, scores: string) => scale[loss][scores].pooled.oneMinusAuprc.toFixed(3);
  return [
    `${auprc(batch)} with batch cross-entropy | ${auprc(cross)} with cross-entropy`,
    `${table2[cross].softmax.oneMinusAuprc.toFixed(4)} against ${auprc(batch)}`,
    `(${auprc(cross)} against ${auprc(batch)})`,
    `${pooled(batch, 'singleLogit')} with batch cross-entropy | cross-entropy ${pooled(cross, 'singleLogit')}, its softmax over all logits ${pooled(cross, 'softmax')}`,
  ];
}

function ofImages(): string[] {
  const { results } = read('table1-cifar10-first4000.json').datasets['cifar10-first4000'];
  const auprc = (loss: string) => results[loss].singleLogit.oneMinusAuprc.toFixed(3);
  return [
    `where ${integer(100 * results['batch-cross-entropy'].singleLogit.accuracy)} % are classified rightly`,
    `${auprc('batch-cross-entropy')} with batch cross-entropy, ${auprc('binary-cross-entropy')} with binary cross-entropy | ${auprc('cross-entropy')} with cross-entropy`,
  ];
}

function ofPackage(): string[] {
  const { tarball, installed, import: imported } = read('package.json');
  return [
    `${installed.seconds.median.toFixed(1)} s for ${(tarball.bytes / 1e6).toFixed(1)} MB; ${integer(imported.milliseconds.median)} ms`,
  ];
}

/** Phrases that README has to have, by the results as they are now. */
export const measured = (): string[] => [
  ...ofScores(),
  ...ofNetworks(),
  ...ofHeads(),
  ...ofTraining(),
  ...ofReproductions(),
  ...ofImages(),
  ...ofPackage(),
];
