/** A report's facts in words: about the model, how it was evaluated, where. */
import type { Evaluation } from '../evaluate.js';
import { lossText } from '../loss-text.js';
import type { Machine } from '../machine.js';
import type { ModelMetadata } from '../metadata.js';
import { trainingFacts } from '../training-text.js';

/** What a report says of where its numbers come from. */
export interface ReportSubject {
  /** How the model is called: its file. */
  readonly model: string;
  readonly data: string;
  readonly metadata: Omit<ModelMetadata, 'trained'>;
  readonly parameters: number;
  readonly device: string;
  readonly seed: number;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly version: string;
  readonly machine: Machine;
  /** The command line, if it was one. */
  readonly command: string | undefined;
}

export type Fact = readonly [name: string, value: string];

export const count = (value: number) => value.toLocaleString('en-US');

/** A word of a command line: quoted where a shell would see more in it than a name. */
export const shellWord = (word: string): string => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** 'dense 500 → relu → dense 10'; the ends of a long one. */
function layersText(layers: ModelMetadata['layers']): string {
  const names = layers.map((layer) => ('units' in layer ? `${layer.type} ${layer.units}` : layer.type));
  const shown = names.length <= 9 ? names : [...names.slice(0, 4), `… ${names.length - 8} more …`, ...names.slice(-4)];
  return shown.join(' → ');
}

function preprocessingText({ scale, mean, standardDeviation }: NonNullable<ModelMetadata['preprocessing']>): string {
  const numbers = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6))).join(', ');
  return [
    `scale ${Number(scale.toPrecision(6))}`,
    ...(mean ? [`mean ${numbers(mean)}`] : []),
    ...(standardDeviation ? [`standard deviation ${numbers(standardDeviation)}`] : []),
  ].join('; ');
}

/** How the model was made, as far as its file tells. */
export function modelFacts({ metadata, parameters }: ReportSubject): Fact[] {
  const { loss, split, biasInit, preprocessing, inputShape, layers, seed, training } = metadata;
  return [
    ['Loss', loss === null ? 'not trained here' : lossText(loss)],
    ['Aligned with logit separation', loss === null ? 'not known' : loss.aligned ? 'yes' : 'no'],
    ['Input', inputShape.join(' × ')],
    ['Layers', layersText(layers)],
    ['Trainable parameters', count(parameters)],
    ['Preprocessing', preprocessing === null ? 'none' : preprocessingText(preprocessing)],
    ['Seed of the first weights', String(seed)],
    ...(biasInit === null ? [] : [['Bias of the last layer at first', biasInit] as const]),
    ['Set aside for validation', split === null ? 'nothing' : `${split.fraction} of ${count(split.length)} examples, seed ${split.seed}`],
    ...(training === null ? [] : trainingFacts(training)),
  ];
}

/** How it was evaluated, and on what machine. */
export function runFacts({ command, date, version, machine, device, seed }: ReportSubject, evaluation: Evaluation): Fact[] {
  const { scores, pooled } = evaluation;
  return [
    ...(command === undefined ? [] : [['Command', command] as const]),
    ['Scores', scores === 'softmax' ? 'softmax probabilities, which need all logits' : 'single logits'],
    [
      'Pooled ranking',
      pooled.negativesPerExample === 'all'
        ? 'all wrong classes'
        : `${count(pooled.negativesPerExample)} wrong classes drawn for each example, seed ${seed}`,
    ],
    ['Date', date],
    ['Version', `onelogit ${version}, Node ${machine.node}`],
    ['Device', device],
    ['Machine', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}`],
    ['Arithmetic', `${machine.blas} matrix products, ${machine.simd}, ${machine.threads} threads`],
  ];
}
