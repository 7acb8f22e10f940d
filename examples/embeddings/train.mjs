// Trains a head on embeddings from files, and calibrates it on those that it did not see. README.md says what the files are.
import { parseArgs } from 'node:util';
import { layers, losses, Model, optimizers, SingleLogitClassifier, schedules, splitIndices } from 'onelogit';
import { openEmbeddings, part } from './lib/embeddings.mjs';
import { number, required, run } from './lib/options.mjs';

const help = `Usage: node train.mjs --embeddings PATH --out FILE [OPTIONS]

  --embeddings PATH    a directory with embeddings.npy and labels.npy, or a .safetensors file with tensors of these names
  --out FILE           where the head goes
  --recall X           what the threshold of each class is for (default: 0.9)
  --validation X       share of the examples that are kept for choosing thresholds (default: 0.2)
  --steps N            (default: 2000)
  --batch-size N       (default: 128)
  --learning-rate X    of adam, in units of embeddings whose numbers are about 1 (default: 0.003)
  --memory-bytes N     embeddings of more stay in their file while training (default: 1 GiB)
  --seed N             (default: 1)
  --help               this text`;

run('train', async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      embeddings: { type: 'string' },
      out: { type: 'string' },
      recall: { type: 'string', default: '0.9' },
      validation: { type: 'string', default: '0.2' },
      steps: { type: 'string', default: '2000' },
      'batch-size': { type: 'string', default: '128' },
      'learning-rate': { type: 'string', default: '0.003' },
      'memory-bytes': { type: 'string', default: String(2 ** 30) },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(help);
  const path = required(values, 'embeddings', 'PATH');
  const out = required(values, 'out', 'FILE');
  const seed = number(values.seed, 'seed', 0, 2 ** 31);
  const recall = number(values.recall, 'recall', 0.01, 0.999, false);
  const fraction = number(values.validation, 'validation', 0.001, 0.9, false);
  const fitting = {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.adam({ learningRate: number(values['learning-rate'], 'learning-rate', 1e-9, 1000, false) }),
    schedule: schedules.cosine(),
    steps: number(values.steps, 'steps', 1, 1e9),
    batchSize: number(values['batch-size'], 'batch-size', 1, 1e6),
    validation: { fraction, seed },
    seed,
  };

  const { dataset, close } = await openEmbeddings(path, { memoryBytes: number(values['memory-bytes'], 'memory-bytes', 0, 2 ** 50) });
  const [features] = /** @type {[number]} */ (dataset.inputShape);
  const model = Model.sequential({
    inputShape: [features],
    layers: [layers.dense(dataset.classes)],
    // Networks make embeddings of any size; one number brings them to about 1.
    preprocessing: { scale: 1 / (await typicalSize(dataset)) },
    seed,
  });
  let shown = 0;
  await model.fit(dataset, {
    ...fitting,
    onProgress({ step, steps, loss, secondsLeft }) {
      if (step < steps && performance.now() - shown < 1000) return;
      shown = performance.now();
      console.error(`step ${step} of ${steps}, loss ${loss.toFixed(4)}, ${Math.ceil(secondsLeft)} s left`);
    },
  });
  const { validation } = splitIndices(dataset.length, fraction, seed);
  const held = part(dataset, validation);
  const classifier = await SingleLogitClassifier.load(model);
  const { classesMeetingTarget, classesWithFallback } = await classifier.calibrate(held, { recall });
  const { oneMinusAuprc } = await model.evaluate(held, { scores: 'single-logit' });
  await classifier.save(out);
  console.log(`${dataset.length - held.length} embeddings of ${features} numbers, ${dataset.classes} classes`);
  console.log(`On ${held.length} others: 1 - average precision of one logit ${oneMinusAuprc.toFixed(4)};`);
  console.log(`a recall of ${recall} for ${classesMeetingTarget} classes, of which ${classesWithFallback} lean on all classes together`);
  console.log(`Saved ${out}`);
  classifier.dispose();
  model.dispose();
  await close();
});

/** The root of the mean square of the first thousand examples' numbers. */
async function typicalSize(/** @type {import('onelogit').Dataset} */ dataset) {
  const few = part(
    dataset,
    Int32Array.from({ length: Math.min(1000, dataset.length) }, (_, i) => i),
  );
  const { inputs } =
    'read' in few
      ? await few.read(
          Int32Array.from({ length: few.length }, (_, i) => i),
          new AbortController().signal,
        )
      : few;
  const size = Math.sqrt(/** @type {Float32Array} */ (inputs).reduce((sum, x) => sum + x * x, 0) / inputs.length);
  return Number.isFinite(size) && size > 0 ? size : 1;
}
