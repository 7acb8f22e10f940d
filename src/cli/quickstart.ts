/** `onelogit quickstart`: the whole idea in about a minute. */
import type { SingleLogitClassifier } from '../classifier.js';
import type { LoadedDataset } from '../data/format.js';
import type { InMemoryDataset } from '../dataset.js';
import { OneLogitError } from '../errors.js';
import { shellWord } from '../report/facts.js';
import { shapeSize } from '../shape.js';
import { defineCommand } from './command.js';
import { drawImage, sideBySide } from './draw.js';
import { loadData } from './load-data.js';
import { integer, text } from './options.js';
import { count, percent, table } from './output.js';
import { fitStates, Progress } from './progress.js';
import { InterruptedError } from './usage.js';

/** Enough for the losses to differ as they do in the end, and few enough for two cores without a tuned matrix product. */
const defaultSteps = 1_200;
const batchSize = 128;
const hidden = [500, 500];
const seed = 1;
const validationFraction = 1 / 12;
const recall = 0.95;
const compared = ['cross-entropy', 'batch-cross-entropy'] as const;

const options = {
  steps: integer('training steps of each network', { least: 1, otherwise: defaultSteps }),
  data: text('a directory of data (default: MNIST in $ONELOGIT_DATA, ../shared/data or what was downloaded; else generated glyphs)', 'DIR'),
};

export const command = defineCommand(
  {
    name: 'quickstart',
    summary: 'see it work, in about a minute',
    description:
      'Trains the same network with cross-entropy and with batch cross-entropy, shows how well single logits of each tell the classes, ' +
      'and asks one question about one example. Uses MNIST where it finds it, else generated glyphs; downloads nothing.',
    positionals: [],
    options,
    examples: [
      ['onelogit quickstart', 'with whatever data there is'],
      ['onelogit quickstart --data ~/data/mnist', 'with the data in this directory'],
    ],
  },
  async ({ values, output, signal }) => {
    const started = performance.now();
    const { steps } = values;
    const { train, test, source } = await findData(values.data, signal);
    output.line(source.line);
    output.line(
      `Twice the same network (${[shapeSize(train.inputShape), ...hidden, train.classes].join('-')}), ${count(steps)} steps of ${batchSize} ${source.examples}: only the loss differs.\n`,
    );
    const [{ losses, optimizers, schedules, SingleLogitClassifier, zoo }, { splitIndices }, { subset }] = await Promise.all([
      import('../index.js'),
      import('../split.js'),
      import('../data/subset.js'),
    ]);
    const results = [];
    let model: ReturnType<typeof zoo.mlp> | undefined;
    for (const name of compared) {
      model?.dispose();
      model = zoo.mlp({ classes: train.classes, inputShape: train.inputShape, hidden, seed });
      const progress = new Progress(name);
      const stateOf = fitStates();
      let step = 0;
      try {
        const fit = await model.fit(train, {
          loss: losses.byName(name),
          optimizer: optimizers.sgd({ learningRate: 0.1, momentum: 0.9, clipNorm: 1 }),
          schedule: schedules.cosine(),
          steps,
          batchSize,
          seed,
          validation: { fraction: validationFraction, seed },
          signal,
          onProgress(state) {
            step = state.step;
            progress.update(stateOf(state));
          },
        });
        results.push({ fit, evaluation: await model.evaluate(test, { signal }) });
      } catch (error) {
        if (signal.aborted) throw new InterruptedError(`Interrupted at step ${step} with ${name}`);
        throw error;
      } finally {
        progress.finish({ keep: false });
      }
    }
    output.line(`How well does one logit alone tell its class? Lower is better, on test ${source.examples}:\n`);
    output.line(
      table(
        ['loss', '1-AUPRC', '1-P@0.9', '1-P@0.99', 'accuracy'],
        results.map(({ fit, evaluation }) => [
          fit.loss,
          evaluation.oneMinusAuprc.toFixed(4),
          evaluation.oneMinusPrecisionAt90.toFixed(4),
          evaluation.oneMinusPrecisionAt99.toFixed(4),
          percent(evaluation.accuracy),
        ]),
      ),
    );

    // The question goes to the network trained with batch cross-entropy, the last one.
    const classifier = await SingleLogitClassifier.load(model!);
    const set = splitIndices(train.length, validationFraction, seed).validation;
    await classifier.calibrate(subset(train, set), { recall });
    const classId = test.labels.includes(3) ? 3 : test.labels[0]!;
    const index = test.labels.indexOf(classId);
    const size = test.inputs.length / test.length;
    const example = test.inputs.subarray(index * size, (index + 1) * size);
    const answer = ask(classifier, example, classId);
    const question = source.drawQuestion(classId, example);
    output.line(question === undefined ? `\nTest example ${index}:` : `\n${question}`);
    output.line(
      `Is this ${test.classNames?.[classId] ?? `a ${classId}`}?  ${answer.matches ? 'Yes, and it is' : 'No, but it is'}: its logit is ${answer.logit.toFixed(2)}, ` +
        `the threshold ${answer.threshold.toFixed(2)} (it lets ${100 * recall} % of them through, by held-out ${source.examples}).`,
    );
    const { ofClass, ofOthers } = countMatches(classifier, test, classId);
    output.line(
      `Of ${count(ofClass.examples)} test ${source.examples} of this class ${count(ofClass.matches)} are recognised; ` +
        `of the ${count(ofOthers.examples)} others ${count(ofOthers.matches)} ${ofOthers.matches === 1 ? 'is' : 'are'} mistaken for one.`,
    );
    output.line(
      `One question takes ${answer.microseconds.toFixed(0)} µs (median): the hidden layers and one logit; the other ${count(train.classes - 1)} are never computed.`,
    );
    const seconds = (performance.now() - started) / 1000;
    output.line(`\nDone in ${seconds.toFixed(0)} s. Next:`);
    output.line(nextSteps(source, classId, index));
    if (output.json)
      output.result(
        {
          data: source.name,
          directory: source.directory ?? null,
          classes: train.classes,
          steps,
          batchSize,
          losses: Object.fromEntries(
            results.map(({ fit, evaluation }) => {
              const { accuracy, oneMinusAuprc, oneMinusPrecisionAt90, oneMinusPrecisionAt99, misorderedPairs } = evaluation;
              return [
                fit.loss,
                {
                  accuracy,
                  oneMinusAuprc,
                  oneMinusPrecisionAt90,
                  oneMinusPrecisionAt99,
                  misorderedPairs,
                  seconds: fit.seconds,
                  examplesPerSecond: fit.examplesPerSecond,
                },
              ];
            }),
          ),
          question: { class: classId, label: test.labels[index], index, ...answer, ofClass, ofOthers },
          seconds,
        },
        () => '',
      );
    classifier.dispose();
    model!.dispose();
  },
  { interruptible: true },
);

interface FoundData {
  train: InMemoryDataset;
  test: InMemoryDataset;
  source: {
    /** 'mnist', 'glyphs', or the format of other data. */
    name: string;
    directory?: string;
    line: string;
    /** What an example is called. */
    examples: 'images' | 'examples';
    /** The example that is asked about, beside what a person has to know to answer; undefined where it cannot be drawn. */
    drawQuestion(classId: number, example: ArrayLike<number>): string | undefined;
  };
}

/** How often each digit occurs in MNIST's training labels: other data have files of the same names. */
const mnistCounts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];

function isMnist({ format, labels, classes, inputShape }: LoadedDataset): boolean {
  if (format !== 'idx' || classes !== mnistCounts.length || inputShape.join() !== '28,28,1') return false;
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label]!++;
  return counts.every((occurs, digit) => occurs === mnistCounts[digit]);
}

/** Columns that a drawing may take. */
const widestDrawing = 76;

/** What there is in a directory, told by what it holds. */
async function readData(directory: string, signal: AbortSignal): Promise<FoundData> {
  const [train, test] = [await loadData(directory, { split: 'train', signal }), await loadData(directory, { split: 'test', signal })];
  if (train.vocabulary !== undefined)
    throw new OneLogitError(
      'ERR_ONELOGIT_ARGUMENT',
      `Expected images or other numbers for --data but received examples that are ids (${train.format}): onelogit train ${directory} trains on them`,
    );
  const { inputShape, format, classes } = train;
  const [mnist, image] = [isMnist(train), inputShape.length === 3];
  const examples = image ? 'images' : 'examples';
  const counts = `${count(train.length)} training and ${count(test.length)} test ${examples}`;
  const line = mnist
    ? `Data: MNIST, ${counts} of digits, from ${directory}`
    : `Data: ${counts} of ${count(classes)} classes, ${inputShape.join(' × ')}, from ${directory} (${format})`;
  const drawable = image && inputShape[2] === 1 && inputShape[1]! <= widestDrawing;
  const drawQuestion = (_: number, example: ArrayLike<number>) => (drawable ? drawImage(example, inputShape) : undefined);
  return { train, test, source: { name: mnist ? 'mnist' : format, directory, line, examples, drawQuestion } };
}

/** MNIST where there is one, else glyphs; never a download. A directory that was asked for and has none is an error. */
async function findData(asked: string | undefined, signal: AbortSignal): Promise<FoundData> {
  const [{ datasets }, { findMnist }] = await Promise.all([import('../index.js'), import('../data/find.js')]);
  const directory = asked ?? findMnist();
  if (directory !== undefined) return readData(directory, signal);
  const train = datasets.glyphs({ classes: 26, seed, examplesPerClass: 600, split: 'train' });
  const test = datasets.glyphs({ classes: 26, seed, examplesPerClass: 200, split: 'test' });
  const line =
    `Data: ${count(train.length)} training and ${count(test.length)} test images of 26 generated glyphs, since no MNIST was found ` +
    '(looked in $ONELOGIT_DATA, ../shared/data and the download cache; onelogit download mnist fetches it)';
  const bare = datasets.glyphs({ classes: 26, seed, examplesPerClass: 1, distortion: 0 });
  const size = bare.inputs.length / bare.length;
  const drawQuestion = (classId: number, image: ArrayLike<number>) =>
    sideBySide(
      `glyph ${classId}:\n${drawImage(bare.inputs.subarray(classId * size, (classId + 1) * size), bare.inputShape)}`,
      `the image:\n${drawImage(image, test.inputShape)}`,
    );
  return { train, test, source: { name: 'glyphs', line, examples: 'images', drawQuestion } };
}

/** The same question about every image, in one call: how many of the class and of the others reach its threshold. */
function countMatches(classifier: SingleLogitClassifier, { inputs, labels }: InMemoryDataset, classId: number) {
  const logits = classifier.scoreBatch(inputs, classId);
  const threshold = classifier.thresholds![classId]!;
  const [ofClass, ofOthers] = [true, false].map((right) => {
    const own = logits.filter((_, i) => (labels[i] === classId) === right);
    return { examples: own.length, matches: own.filter((logit) => logit >= threshold).length };
  });
  return { ofClass: ofClass!, ofOthers: ofOthers! };
}

/** Asks once for the answer, then many times for the time it takes. */
function ask(classifier: SingleLogitClassifier, image: InMemoryDataset['inputs'], classId: number) {
  const logit = classifier.score(image, classId);
  const threshold = classifier.thresholds![classId]!;
  const times = new Float64Array(1000);
  for (let i = 0; i < times.length; i++) {
    const before = process.hrtime.bigint();
    classifier.score(image, classId);
    times[i] = Number(process.hrtime.bigint() - before) / 1000;
  }
  return { logit, threshold, matches: classifier.matches(image, classId), microseconds: times.sort()[times.length / 2]! };
}

function nextSteps({ name, directory }: FoundData['source'], classId: number, index: number): string {
  if (directory === undefined) return '  npx onelogit download mnist        real digits, then this again\n  npx onelogit --help';
  const model = name === 'mnist' ? 'mnist.safetensors' : 'model.safetensors';
  const data = shellWord(directory);
  return [
    `  npx onelogit train ${data} --validation 0.1 --out ${model}`,
    `  npx onelogit evaluate ${model} ${data}`,
    `  npx onelogit calibrate ${model} ${data} --recall 0.9`,
    `  npx onelogit score ${model} --class ${classId} --data ${data} --index ${index}`,
  ].join('\n');
}
