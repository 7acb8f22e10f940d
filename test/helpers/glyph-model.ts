import { datasets, type InMemoryDataset, layers, losses, Model, optimizers } from '../../src/index.js';

/** Ten generated characters, 60 examples of each: what {@link trainOnGlyphs} learns, and as many others of the same. */
export const glyphs = (split: 'train' | 'test' = 'train') => datasets.glyphs({ classes: 10, examplesPerClass: 60, seed: 3, split });

/** A small network that learned {@link glyphs}, in a fifth of a second. */
export async function trainOnGlyphs(lossName: 'batch-cross-entropy' | 'cross-entropy' = 'batch-cross-entropy'): Promise<Model> {
  const data = glyphs();
  const model = Model.sequential({
    inputShape: data.inputShape,
    layers: [layers.flatten(), layers.dense(48), layers.batchNorm(), layers.relu(), layers.dropout(0.1), layers.dense(data.classes)],
    seed: 1,
  });
  await model.fit(data, {
    loss: losses.byName(lossName),
    optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9 }),
    steps: 300,
    batchSize: 64,
    validation: { fraction: 0.2, seed: 1 },
  });
  return model;
}

/** One example of a dataset. */
export function exampleOf({ inputs, length }: InMemoryDataset, index: number): Uint8Array {
  const size = inputs.length / length;
  return inputs.subarray(index * size, (index + 1) * size) as Uint8Array;
}

/** Some examples of a dataset. */
export function examplesOf(data: InMemoryDataset, indices: number[]): { inputs: Uint8Array; labels: Int32Array; length: number } {
  const size = data.inputs.length / data.length;
  const inputs = new Uint8Array(indices.length * size);
  for (const [i, index] of indices.entries()) inputs.set(exampleOf(data, index), i * size);
  return { inputs, labels: Int32Array.from(indices, (index) => data.labels[index]!), length: indices.length };
}
