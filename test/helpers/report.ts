/** Models whose logits are what a test says, and the reports of their evaluation. */
import { readFileSync } from 'node:fs';
import { type InMemoryDataset, layers, losses, Model, optimizers } from '../../src/index.js';
import type { ReportData } from '../../src/report/page/report-data.js';

/** Logits with their right classes: examples of a model that hands its inputs through. */
export interface Logits {
  logits: Float32Array;
  labels: Int32Array;
  classes: number;
}

/** Deterministic numbers in [0, 1). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Right logits above most wrong ones; classes differ in how hard they are and how often they occur, the last one does not occur. */
export function randomLogits(length: number, classes: number, seed = 1): Logits {
  const random = generator(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const labels = Int32Array.from({ length }, (_, i) => (i < 2 * (classes - 1) ? i % (classes - 1) : Math.floor(random() * (classes - 1))));
  const logits = Float32Array.from({ length: length * classes }, (_, i) => {
    const [example, j] = [Math.floor(i / classes), i % classes];
    if (labels[example] === j) return 4 + 2 * (1 - j / classes) * 3 + 2 * normal();
    // The next class looks like it.
    return -3 + 2.5 * normal() + ((labels[example]! + 1) % classes === j ? 4 : 0);
  });
  return { logits, labels, classes };
}

export function datasetOf({ logits, labels, classes }: Logits, classNames?: string[]): InMemoryDataset {
  return { inputs: logits, labels, inputShape: [classes], classes, length: labels.length, ...(classNames ? { classNames } : {}) };
}

/** A model whose logits are its inputs, exactly; trained with a loss, for the record. */
export async function identityModel(
  classes: number,
  { classNames, loss = 'batch-cross-entropy' }: { classNames?: string[]; loss?: 'batch-cross-entropy' | 'cross-entropy' } = {},
): Promise<Model> {
  const model = Model.sequential({ inputShape: [classes], layers: [layers.dense(classes, { bias: false })], device: 'cpu' });
  const labels = Int32Array.from({ length: 4 }, (_, i) => i % classes);
  await model.fit(datasetOf({ logits: new Float32Array(4 * classes), labels, classes }, classNames), {
    loss: losses.byName(loss),
    optimizer: optimizers.sgd({ learningRate: 0.1 }),
    steps: 1,
    batchSize: 4,
  });
  const identity = new Float32Array(classes * classes);
  for (let j = 0; j < classes; j++) identity[j * classes + j] = 1;
  model.setTensor('0.weight', identity);
  return model;
}

export function readReport(path: string): { html: string; data: ReportData } {
  const html = readFileSync(path, 'utf8');
  const [, json] = /<script type="application\/json" id="report-data">([^<]*)<\/script>/.exec(html)!;
  return { html, data: JSON.parse(json!) as ReportData };
}

/** What reaches a threshold: of a class, or of all pairs. */
export function countReaching({ logits, labels, classes }: Logits, decimal: number, one?: number) {
  const threshold = Math.fround(decimal);
  let [truePositives, falsePositives, positives, negatives] = [0, 0, 0, 0];
  for (const [example, label] of labels.entries())
    for (let j = one ?? 0; j < (one === undefined ? classes : one + 1); j++) {
      const reaches = logits[example * classes + j]! >= threshold ? 1 : 0;
      if (j === label) {
        positives++;
        truePositives += reaches;
      } else {
        negatives++;
        falsePositives += reaches;
      }
    }
  return { truePositives, falsePositives, positives, negatives };
}
