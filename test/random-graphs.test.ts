import { describe, expect, test } from 'vitest';
import { type InMemoryDataset, losses, type Model, optimizers } from '../src/index.js';
import { normal, uniform } from './helpers/problems.js';
import { graphClasses as classes, randomGraph } from './helpers/random-graph.js';
import { referenceOutputs } from './helpers/reference-network.js';

const seeds = Array.from({ length: 60 }, (_, seed) => seed);
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b);

/** Weights and running statistics of a network that has been trained. */
function shake(model: Model, seed: number): void {
  const draw = normal(seed);
  for (const { name, shape } of model.tensors) {
    const values = Float32Array.from({ length: sizeOf(shape) }, () => 0.4 * draw());
    model.setTensor(name, name.endsWith('running_var') ? values.map((x) => 0.5 + Math.abs(x)) : values);
  }
}

function data(model: Model, length: number, seed: number): InMemoryDataset {
  const draw = normal(seed);
  const inputs = Float32Array.from({ length: length * sizeOf(model.inputShape) }, draw);
  return { inputs, labels: Int32Array.from({ length }, (_, i) => i % classes), inputShape: [...model.inputShape], classes, length };
}

describe('random graphs of layers', () => {
  test.each(seeds)('predict what the formulas say: seed %i', async (seed) => {
    const model = randomGraph(uniform(seed), seed);
    shake(model, seed);
    const size = sizeOf(model.inputShape);
    const { inputs } = data(model, 3, seed);
    const logits = await model.predict(inputs);
    for (let example = 0; example < 3; example++) {
      const expected = referenceOutputs(model, inputs.subarray(example * size, (example + 1) * size)).at(-1)!.data;
      const actual = logits.subarray(example * classes, (example + 1) * classes);
      const error = Math.hypot(...expected.map((x, i) => x - actual[i]!)) / Math.hypot(...expected);
      expect(error, model.summary()).toBeLessThan(2e-5);
    }
    model.dispose();
  });

  // Along its own gradient the loss changes by the gradient's squared length: (L(w + h g) − L(w − h g)) / 2h → g·g.
  test.each(seeds)('have the gradient of their loss: seed %i', async (seed) => {
    const model = randomGraph(uniform(seed), seed);
    shake(model, seed);
    const set = data(model, 6, seed);
    // One step of the whole data, with the statistics of the batch.
    const step = (learningRate: number) =>
      model.fit(set, { loss: losses.crossEntropy(), optimizer: optimizers.sgd({ learningRate }), steps: 1, batchSize: 6 });
    const parameters = model.tensors.filter(({ trainable }) => trainable).map(({ name }) => name);
    const frozen = model.tensors.filter(({ name, trainable }) => !trainable && !name.includes('running')).map(({ name }) => name);
    const read = (names: readonly string[]) => names.map((name) => model.tensor(name));
    const [before, held] = [read(parameters), read(frozen)];
    await step(1);
    expect(read(frozen)).toEqual(held);
    const gradients = read(parameters).map((values, i) => values.map((value, j) => before[i]![j]! - value));
    const squared = gradients.reduce((sum, values) => sum + values.reduce((total, g) => total + g * g, 0), 0);
    const lossAt = async (distance: number) => {
      for (const [i, name] of parameters.entries())
        model.setTensor(
          name,
          before[i]!.map((value, j) => value + distance * gradients[i]![j]!),
        );
      return (await step(0)).finalLoss;
    };
    // Large steps cross kinks of relu and of the largest in a window, small ones drown in float32: one of three has to do neither.
    const slope = async (distance: number) => ((await lossAt(distance)) - (await lossAt(-distance))) / (2 * distance);
    const errors: number[] = [];
    for (const change of [0.005, 0.0005, 0.00005]) errors.push(Math.abs((await slope(change / squared)) / squared - 1));
    expect(Math.min(...errors), model.summary()).toBeLessThan(0.01);
    model.dispose();
  });
});
