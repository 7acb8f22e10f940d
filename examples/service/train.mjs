// Makes a model to serve: generated characters, trained with batch cross-entropy and calibrated. See README.md for one of your own data.
import { parseArgs } from 'node:util';
import { datasets, losses, optimizers, SingleLogitClassifier, schedules, zoo } from 'onelogit';

/**
 * @param {string} path
 * @param {{ classes?: number, steps?: number, hidden?: number[], seed?: number, onProgress?: (progress: import('onelogit').Progress) => void }} options
 */
export async function train(path, { classes = 1000, steps = 800, hidden = [256], seed = 1, onProgress = () => {} } = {}) {
  const perClass = { training: 30, calibration: 10 };
  const all = datasets.glyphs({ classes, examplesPerClass: perClass.training + perClass.calibration, seed: 1, distortion: 0.5 });
  // Generated classes take turns, so that any part from the front has all of them.
  const part = (from, to) => ({
    ...all,
    inputs: all.inputs.subarray((from * all.inputs.length) / all.length, (to * all.inputs.length) / all.length),
    labels: all.labels.subarray(from, to),
    length: to - from,
  });
  const model = zoo.mlp({ classes, inputShape: all.inputShape, hidden, seed });
  const loss = losses.batchCrossEntropy();
  const optimizer = optimizers.sgd({ learningRate: 0.2, momentum: 0.9, clipNorm: 1 });
  await model.fit(part(0, classes * perClass.training), {
    loss,
    optimizer,
    schedule: schedules.cosine(),
    batchSize: 256,
    steps,
    seed,
    onProgress,
  });
  const classifier = await SingleLogitClassifier.load(model);
  await classifier.calibrate(part(classes * perClass.training, all.length), { precision: 0.9 });
  await classifier.save(path);
  classifier.dispose();
  model.dispose();
}

if (import.meta.filename === process.argv[1]) {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: 'model.safetensors' }, seed: { type: 'string', default: '1' } },
  });
  let shown = 0;
  await train(values.out, {
    seed: Number(values.seed),
    onProgress({ step, steps, loss, secondsLeft }) {
      if (step < steps && performance.now() - shown < 1000) return;
      shown = performance.now();
      console.error(`step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${Math.ceil(secondsLeft)} s left`);
    },
  });
  console.error(`Saved ${values.out}`);
}
