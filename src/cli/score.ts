/** `onelogit score`: one question, answered from one logit. */

import type { SingleLogitClassifier } from '../classifier.js';
import { checkSameClasses, comparedFiles } from '../same-classes.js';
import { shapeSize } from '../shape.js';
import { defineCommand } from './command.js';
import { loadData } from './load-data.js';
import type { OptionValues } from './options.js';
import { choice, integer, text } from './options.js';
import { table } from './output.js';
import { dataOptions, loadOptionsFrom } from './training-options.js';
import { nearest, UsageError } from './usage.js';

const options = {
  class: text('which class: its id (a number) or its name', 'CLASS'),
  input: text('a .npy file of float32, uint8 or int32: one example, or several along its first axis', 'FILE'),
  data: text('take the example from this directory instead of --input', 'DIR'),
  index: integer('which example of --data, from 0', { least: 0 }),
  split: choice('which part of --data', ['train', 'test'], 'test'),
  ...dataOptions,
};

export const command = defineCommand(
  {
    name: 'score',
    summary: 'ask whether an example belongs to a class',
    description:
      'Computes the logit of one class, and of no other, for one or more examples, and compares it with the class’s threshold if the ' +
      'model has thresholds (onelogit calibrate).',
    positionals: [{ name: 'MODEL', help: 'a model file' }],
    options,
    examples: [
      ['onelogit score model.safetensors --class 3 --input x.npy', 'is x a 3?'],
      ['onelogit score model.safetensors --class cat --input x.npy --json', 'a class by its name; for a program'],
      ['onelogit score model.safetensors --class 3 --data mnist/ --index 18', 'an example of a data set'],
    ],
  },
  async ({ values, positionals, output, signal }) => {
    const [path] = positionals as [string];
    if (values.class === undefined) throw new UsageError('Expected --class CLASS but received nothing');
    if ((values.input === undefined) === (values.data === undefined))
      throw new UsageError(`Expected exactly one of --input and --data but received ${values.input === undefined ? 'neither' : 'both'}`);
    if ((values.data === undefined) !== (values.index === undefined))
      throw new UsageError(
        values.data === undefined ? 'Expected --index only with --data' : 'Expected --index N with --data but received nothing',
      );
    const { SingleLogitClassifier } = await import('../index.js');
    const classifier = await SingleLogitClassifier.load(path);
    try {
      const classId = classIdOf(values.class, classifier.classes, classifier.classNames);
      const name = classifier.classNames?.[classId];
      const size = classifier.input.length;
      const { examples, label } =
        values.input !== undefined
          ? { examples: await readExamples(values.input, size), label: undefined }
          : await exampleOf(values, classifier, path, signal);
      const number = examples.length / size;
      const logits = number === 1 ? Float32Array.of(classifier.score(examples, classId)) : classifier.scoreBatch(examples, classId);
      const threshold = classifier.thresholds?.[classId];
      const rows = Array.from(logits, (logit) => ({ logit, ...(threshold === undefined ? {} : { matches: logit >= threshold }) }));
      const common = {
        class: classId,
        ...(name === undefined ? {} : { className: name }),
        ...(label === undefined ? {} : { label }),
        ...(threshold === undefined ? {} : { threshold }),
      };
      output.result(number === 1 ? { ...common, ...rows[0] } : { ...common, results: rows }, () => {
        const called = name === undefined || name === String(classId) ? `class ${classId}` : `class ${classId} (${name})`;
        const truth = label === undefined ? '' : `, its label is ${label}`;
        const answer = (matches: boolean | undefined) => (matches === undefined ? '' : matches ? 'yes' : 'no');
        if (number === 1)
          return threshold === undefined
            ? `${called}: logit ${logits[0]!.toFixed(4)}${truth}; no threshold stored, onelogit calibrate finds one`
            : `${called}: ${answer(rows[0]!.matches)}: logit ${logits[0]!.toFixed(4)}, threshold ${threshold.toFixed(4)}${truth}`;
        return [
          `${called}${threshold === undefined ? '; no threshold stored' : `, threshold ${threshold.toFixed(4)}`}`,
          table(
            ['example', 'logit', ...(threshold === undefined ? [] : ['matches'])],
            rows.map(({ logit, matches }, i) => [i, logit.toFixed(4), ...(threshold === undefined ? [] : [answer(matches)])]),
          ),
        ].join('\n');
      });
    } finally {
      classifier.dispose();
    }
  },
  { interruptible: true },
);

/** A number is an id; anything else is looked up among the names. */
function classIdOf(given: string, classes: number, names: readonly string[] | null): number {
  if (/^\d+$/.test(given)) {
    const id = Number(given);
    if (id >= classes) throw new UsageError(`Expected a class id from 0 to ${classes - 1} for --class but received ${given}`);
    return id;
  }
  const id = names?.indexOf(given) ?? -1;
  if (id >= 0) return id;
  const near = names === null ? undefined : nearest(given, names.slice(0, 10_000));
  throw new UsageError(
    `Expected ${names === null ? `a class id from 0 to ${classes - 1} (the model has no class names)` : 'the id or the name of a class'} for --class but received '${given}'` +
      (near === undefined ? '' : ` (did you mean '${near}'?)`),
  );
}

async function readExamples(path: string, size: number) {
  const [{ readNpy }, { rangeError }] = await Promise.all([import('../data/npy.js'), import('../errors.js')]);
  const { shape, data } = await readNpy(path);
  // Either exactly one example, of any shape with that many elements, or a first axis of examples.
  const several = shape.length > 1 && shape[0]! > 0 && data.length === shape[0]! * size;
  if (data.length !== size && !several)
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected ${size} elements, or several times as many along the first axis, in ${path} but received shape (${shape.join(', ')})`,
    );
  return data;
}

async function exampleOf(
  values: OptionValues<typeof dataOptions> & { data: string | undefined; index: number | undefined; split: 'train' | 'test' },
  { inputShape, classNames }: SingleLogitClassifier,
  model: string,
  signal: AbortSignal,
) {
  const { rangeError } = await import('../errors.js');
  const dataset = await loadData(values.data!, {
    split: values.split,
    ...loadOptionsFrom(values),
    signal,
  });
  checkSameClasses(classNames, dataset, comparedFiles(model, values.data!));
  const size = shapeSize(dataset.inputShape);
  if (size !== shapeSize(inputShape))
    throw rangeError(
      'ERR_ONELOGIT_LENGTH',
      `Expected examples of ${inputShape.join(' × ')}, as the model takes them, in ${values.data} but received ${dataset.inputShape.join(' × ')}`,
    );
  const index = values.index!;
  if (index >= dataset.length)
    throw new UsageError(`Expected an integer from 0 to ${dataset.length - 1} for --index but received '${index}'`);
  const examples =
    'read' in dataset
      ? (await dataset.read(Int32Array.of(index), signal)).inputs
      : dataset.inputs.subarray(index * size, (index + 1) * size);
  return { examples, label: dataset.labels[index]! };
}
