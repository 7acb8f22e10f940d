/** What a model's own thresholds do on the examples of a report. */
import { type CalibrationRecord, examplesNeeded } from '../calibration.js';
import type { ClassEvaluation, Evaluation } from '../evaluate.js';
import type { NativeEvaluationDetails } from '../native-model.js';
import { count, type ReportSubject, shellWord } from './facts.js';
import { type Html, html } from './html.js';

export interface CalibrationResult {
  /** Pairs of an example and a class, over all classes, that reach the class's threshold. */
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly examples: number;
  /** Means over the classes that occur; the precision of a class that nothing reaches counts as 0. */
  readonly meanRecall: number;
  readonly meanPrecision: number;
  readonly classesWithPositives: number;
  /** If what the thresholds were chosen by is known. */
  readonly chosen?: {
    readonly measure: 'recall' | 'precision';
    readonly value: number;
    readonly examples: number;
    /** Classes that occur and reach the value on the report's examples. */
    readonly classesMeetingTarget: number;
    /** Classes, of all, with too few examples then for a threshold of their own; and those with none. */
    readonly classesWithFallback: number;
    readonly classesWithoutExamples: number;
    readonly examplesNeeded: number;
  };
}

export function calibrationResult(
  evaluation: Evaluation,
  { truePositives, falsePositives }: NonNullable<NativeEvaluationDetails['atThresholds']>,
  record: CalibrationRecord | undefined,
): CalibrationResult {
  const sum = (counts: Float64Array) => counts.reduce((total, one) => total + one, 0);
  const occurring = evaluation.perClass.filter(({ positives }) => positives > 0);
  const mean = (value: (index: number, positives: number) => number) =>
    occurring.reduce((total, one) => total + value(one.class, one.positives), 0) / occurring.length;
  function chosenBy(by: CalibrationRecord): NonNullable<CalibrationResult['chosen']> {
    const needed = examplesNeeded(by);
    const value = (by.recall ?? by.precision)!;
    // 0.9 of 10 must be 9, whatever the last bit of 0.9 is.
    const reaches = ({ class: one, positives }: ClassEvaluation) => {
      const [hits, matches] = [truePositives[one]!, truePositives[one]! + falsePositives[one]!];
      return by.recall === undefined ? hits > 0 && hits >= (value - 1e-9) * matches : hits >= value * positives - 1e-9;
    };
    return {
      measure: by.recall === undefined ? 'precision' : 'recall',
      value,
      examples: by.examples.reduce((total, one) => total + one, 0),
      classesMeetingTarget: occurring.filter(reaches).length,
      classesWithFallback: by.examples.filter((one) => one < needed).length,
      classesWithoutExamples: by.examples.filter((one) => one === 0).length,
      examplesNeeded: needed,
    };
  }

  return {
    truePositives: sum(truePositives),
    falsePositives: sum(falsePositives),
    examples: evaluation.examples,
    meanRecall: mean((one, positives) => truePositives[one]! / positives),
    meanPrecision: mean((one) => (truePositives[one]! > 0 ? truePositives[one]! / (truePositives[one]! + falsePositives[one]!) : 0)),
    classesWithPositives: occurring.length,
    ...(record ? { chosen: chosenBy(record) } : {}),
  };
}

function chosenText({ chosen, classesWithPositives }: CalibrationResult): string {
  if (!chosen) return 'What they were chosen for is not recorded.';
  const { measure, value, examples, classesMeetingTarget, classesWithFallback, classesWithoutExamples, examplesNeeded: needed } = chosen;
  const fallback =
    classesWithFallback === 0
      ? 'Every class had enough examples for a threshold of its own.'
      : `${count(classesWithFallback)} classes had fewer than the ${count(needed)} examples that a threshold of their own needs (${count(classesWithoutExamples)} had none): theirs lean on all classes together.`;
  return `They were chosen for a ${measure} of ${value}, by ${count(examples)} examples. ${fallback} Here ${count(classesMeetingTarget)} of ${count(classesWithPositives)} classes reach it.`;
}

export function calibrationSection(result: CalibrationResult | null, { model, data }: ReportSubject, scores: Evaluation['scores']): Html {
  const title = html`<h2 id="calibration-title">Calibration</h2>`;
  if (result === null)
    return html`<section aria-labelledby="calibration-title">${title}<p>${
      scores === 'softmax'
        ? 'Thresholds of a model are about single logits, and these scores are softmax probabilities: evaluate with single logits to see what they do.'
        : html`The model has no thresholds. To choose one for every class, on examples that training set aside: <code>onelogit calibrate ${shellWord(model)} ${shellWord(data.replace(/ \(\w+\)$/, ''))} --recall 0.9</code>`
    }</p></section>`;
  const { truePositives, falsePositives, examples, meanRecall, meanPrecision, classesWithPositives } = result;
  const matches = truePositives + falsePositives;
  const rows: [string, string, string, string][] = [
    [
      'all matches together',
      (truePositives / examples).toFixed(4),
      matches > 0 ? (truePositives / matches).toFixed(4) : '–',
      count(matches),
    ],
    [`mean of ${count(classesWithPositives)} classes`, meanRecall.toFixed(4), meanPrecision.toFixed(4), ''],
  ];
  return html`<section aria-labelledby="calibration-title">${title}
<p class="muted">What the thresholds in the model’s file do on these examples: a match is an example whose logit reaches the threshold of a class. The table of classes has each class’s own.</p>
<p>${chosenText(result)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Calibration"><table><thead><tr><th scope="col"></th><th scope="col">Recall</th><th scope="col">Precision</th><th scope="col">Matches</th></tr></thead><tbody>
${rows.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table></div></section>`;
}
