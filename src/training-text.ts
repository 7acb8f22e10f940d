/** What a model keeps of its training, in words: for reports and `onelogit info`. */
import type { Optimizer } from './optimizers.js';
import type { Schedule } from './schedules.js';
import type { TrainingRecord } from './training-record.js';

const count = (value: number) => value.toLocaleString('en-US');

/** 'sgd, learningRate 0.1, weightDecay 0, momentum 0.9, nesterov false': options have their names in the API. */
const optimizerText = ({ name, ...options }: Optimizer): string =>
  [name, ...Object.entries(options).map(([option, value]) => `${option} ${value}`)].join(', ');

function scheduleText(schedule: Schedule): string {
  switch (schedule.name) {
    case 'constant':
      return 'constant';
    case 'step':
      return `step, times ${schedule.factor} every ${count(schedule.every)} steps`;
    case 'cosine':
      return `cosine${schedule.steps === undefined ? '' : ` over ${count(schedule.steps)} steps`}, down to ${schedule.minimum} of the learning rate`;
    case 'warmup':
      return `warmup over ${count(schedule.steps)} steps, then ${scheduleText(schedule.next)}`;
  }
}

/** '20,000 of 128 examples each: 42.67 epochs of 60,000 examples' */
function stepsText({ steps, stepsDone, batchSize, examples }: TrainingRecord): string {
  const done = stepsDone ?? steps;
  const epochs = Number(((done * batchSize) / examples).toPrecision(4)).toLocaleString('en-US', { maximumSignificantDigits: 4 });
  const size = `of ${count(batchSize)} ${batchSize === 1 ? 'example' : 'examples'} each`;
  if (stepsDone === undefined) return `fewer than the ${count(steps)} asked for, ${size}: an error ended it`;
  const asked = stepsDone < steps ? ` of the ${count(steps)} asked for` : '';
  return `${count(stepsDone)}${asked}, ${size}: ${epochs} ${epochs === '1' ? 'epoch' : 'epochs'} of ${count(examples)} examples`;
}

const augmentText = (augment: TrainingRecord['augment']) =>
  augment === undefined
    ? 'none'
    : [...(augment.padding > 0 ? [`padding ${augment.padding} and a random window`] : []), ...(augment.flip ? ['flip'] : [])].join(', ');

/** Names and values. */
export function trainingFacts(record: TrainingRecord): (readonly [name: string, value: string])[] {
  const { optimizer, schedule, augment, seed, device, precision, earlierFits, version } = record;
  return [
    ['Optimizer', optimizerText(optimizer)],
    ['Schedule', scheduleText(schedule)],
    ['Steps', stepsText(record)],
    ['Augmentation', augmentText(augment)],
    ['Seed of the fit', String(seed)],
    ['Computed on', `${device}, ${precision}`],
    ...(earlierFits === 0
      ? []
      : [['Fits before', `${count(earlierFits)}; loss, optimizer and the rest are those of the latest one`] as const]),
    ['Trained by', `onelogit ${version}`],
  ];
}
