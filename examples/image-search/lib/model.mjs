// The network: trained and calibrated at the first start, read from the cache afterwards.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { losses, Model, optimizers, SingleLogitClassifier, schedules, zoo } from 'onelogit';

/** Share of the matches of a class that shall be right. Needs 19 calibration images of each class. */
const precision = 0.95;

/**
 * Opens the cached model, or makes it. The file holds the thresholds, too.
 *
 * @param {import('./data.mjs').SearchData} data
 * @param {string} cache a directory
 * @param {AbortSignal} signal
 */
export async function trainedModel(data, cache, signal) {
  const path = join(cache, `${data.name}.safetensors`);
  if (!existsSync(path)) await train(data, path, signal);
  else console.error(`Using ${path}; remove it to train again`);
  // The whole model is needed only to show what all logits would cost.
  const [model, classifier] = [await Model.load(path), await SingleLogitClassifier.load(path)];
  if (classifier.classes !== data.classes || classifier.thresholds === null)
    throw new Error(`Expected a calibrated model of ${data.classes} classes in ${path} but it is another: remove the file to train again`);
  return { model, classifier };
}

async function train(data, path, signal) {
  await mkdir(join(path, '..'), { recursive: true });
  const { training, calibration } = data.learn();
  const started = performance.now();
  console.error(`Training a network on ${training.length.toLocaleString('en')} images of ${data.describe}, once:`);
  const model = zoo.mlp({ classes: data.classes, inputShape: data.inputShape, hidden: [256], seed: 1 });
  let shown = 0;
  await model.fit(training, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.2, momentum: 0.9, clipNorm: 1 }),
    schedule: schedules.cosine(),
    batchSize: 256,
    steps: 1200,
    signal,
    onProgress({ step, steps, loss, secondsLeft }) {
      if (step < steps && performance.now() - shown < 1000) return;
      shown = performance.now();
      console.error(`  step ${step} of ${steps}, loss ${loss.toFixed(3)}, ${Math.ceil(secondsLeft)} s left`);
    },
  });
  const classifier = await SingleLogitClassifier.load(model);
  // Precision, not recall: the streams show every class equally often, as the calibration images do, so that a precision chosen
  // on those is what a viewer sees. Where classes are rarer in the stream than in the data, matches are right less often.
  const { classesMeetingTarget } = await classifier.calibrate(calibration, { precision, signal });
  await classifier.save(path);
  classifier.dispose();
  model.dispose();
  const seconds = (performance.now() - started) / 1000;
  console.error(
    `  ${classesMeetingTarget} of ${data.classes} classes reach a precision of ${precision}; saved ${path} after ${seconds.toFixed(0)} s`,
  );
}
