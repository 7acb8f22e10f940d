/** `onelogit reproduce scale`: the paper's tables on tasks of very many classes. */
import { join } from 'node:path';
import { dataDirectories } from '../data/find.js';
import { OneLogitError } from '../errors.js';
import { describeMachine, sourceCommit } from '../machine.js';
import { type LossName, lossNames } from '../reproduce/paper.js';
import { Plan } from '../reproduce/plan.js';
import { findScaleData, loadScaleData } from '../reproduce/scale-data.js';
import { partsLeft, runScaleLoss, scaleState } from '../reproduce/scale-experiment.js';
import { type Part, partsOf } from '../reproduce/scale-plan.js';
import { type ScaleChoices, type ScaleDataset, scaleRecipe, scaleTasks } from '../reproduce/scale-recipe.js';
import { describeScaleRecipe, type ScaleReport, scaleCells, writeScaleReport } from '../reproduce/scale-report.js';
import { fingerprintOf } from '../reproduce/state.js';
import { version } from '../version.js';
import { loadData as load } from './load-data.js';
import { count, duration, type Output, percent, table } from './output.js';
import { fitState, Progress } from './progress.js';
import { recordingTo } from './reproduce-progress.js';
import { InterruptedError, wasStopped } from './usage.js';

export interface ScaleRun {
  datasets: readonly ScaleDataset[];
  data: string | undefined;
  losses: readonly LossName[];
  choices: ScaleChoices;
  examples: number | undefined;
  log: string | undefined;
  out: string;
  output: Output;
  signal: AbortSignal;
}

const said: Record<'train' | 'single-logit' | 'softmax', string> = {
  train: 'training',
  'single-logit': 'evaluating single logits',
  softmax: 'evaluating softmax',
};

const describePart = (part: Part) =>
  part.startsWith('search ') ? `trying learning rate ${part.slice('search '.length)}` : said[part as keyof typeof said];

export async function reproduceScale({
  datasets,
  data,
  losses: asked,
  choices,
  examples,
  log,
  out,
  output,
  signal,
}: ScaleRun): Promise<void> {
  const commit = await sourceCommit(); // now: somebody may commit while this runs
  const recording = recordingTo(log, 'scale');
  const losses = asked.toSorted((a, b) => lossNames.indexOf(a) - lossNames.indexOf(b));
  const mostExamples = (name: ScaleDataset) =>
    Math.min(examples ?? Number.POSITIVE_INFINITY, scaleTasks[name].testExamples ?? Number.POSITIVE_INFINITY);

  const found: [ScaleDataset, string][] = [];
  for (const name of datasets) {
    const path = findScaleData(name, data);
    if (path !== undefined) found.push([name, path]);
    else {
      const places = data === undefined ? dataDirectories() : [data];
      output.note(`${name} is skipped: there is no ${scaleTasks[name].directory} in ${places.join(', ')}`);
    }
  }
  if (found.length === 0)
    throw new OneLogitError(
      'ERR_ONELOGIT_NO_DATA',
      `Expected the data of ${datasets.join(', ')} in --data${data === undefined ? ', $ONELOGIT_DATA, ../shared/data or the download cache' : ` ${data}`} but found none`,
    );

  // What the whole run has to do, from what the tasks are known to be: nothing is loaded yet.
  const plan = new Plan();
  const keyOf = (name: ScaleDataset, loss: LossName, part: Part) => `${name} ${loss} ${part}`;
  for (const [name] of found) {
    const recipe = scaleRecipe(name, scaleTasks[name].about.trainExamples, choices);
    for (const loss of losses)
      for (const [part, seconds] of partsOf(loss, recipe, mostExamples(name))) plan.add(keyOf(name, loss, part), seconds);
  }

  const reports: ScaleReport['datasets'] = {};
  for (const [name, path] of found) {
    if (!output.json) output.note(`${name}: reading ${path}`);
    if (signal.aborted) throw new InterruptedError('Interrupted; repeat the command to go on from there', { state: join(out, 'state') });
    const loaded = await loadScaleData(path, mostExamples(name), signal, load);
    const { train, validation, validationOf, test, testOf } = loaded;
    const recipe = scaleRecipe(name, train.length, choices);
    if (!output.json) for (const line of describeScaleRecipe(recipe, train.length)) output.note(`  ${line}`);
    const state = scaleState(join(out, 'state', name), recipe, fingerprintOf([train, validation]));
    const results: NonNullable<(typeof reports)[ScaleDataset]>['results'] = {};
    reports[name] = {
      recipe,
      classes: train.classes,
      trainExamples: train.length,
      validationExamples: validation.length,
      validationOf,
      testExamples: test.length,
      testOf,
      filtered: test.alsoCorrect !== undefined,
      results,
    };
    for (const loss of losses) {
      const left = new Set(await partsLeft(loss, state, test.length));
      for (const [part] of partsOf(loss, recipe, test.length)) if (!left.has(part)) plan.skip(keyOf(name, loss, part));
    }
    for (const [i, loss] of losses.entries()) {
      let progress: Progress | undefined;
      let evaluating: NodeJS.Timeout | undefined;
      const endPart = () => {
        clearInterval(evaluating);
        plan.end();
        progress?.finish({ keep: false });
        progress = undefined;
      };
      try {
        const result = await runScaleLoss(loss, loaded, state, {
          signal,
          commit,
          onPart(part) {
            endPart();
            plan.begin(keyOf(name, loss, part));
            progress = new Progress(`${name} ${i + 1}/${losses.length} ${loss}, ${describePart(part)}`);
            // Evaluation does not say how far it is: the clock does.
            if (part === 'single-logit' || part === 'softmax')
              evaluating = setInterval(() => progress?.update({ ...plan.state(), details: [] }), 500);
          },
          onProgress(fit) {
            const { details } = fitState(fit);
            progress?.update({ ...plan.state({ share: fit.step / fit.steps, secondsLeft: fit.secondsLeft }), details });
          },
          onNote: (note) => progress?.note(note),
          recording: (part) => recording(name, loss, part) ?? {},
        });
        results[loss] = result;
      } catch (error) {
        if (wasStopped(error, signal))
          throw new InterruptedError(`Interrupted during ${loss} on ${name}; repeat the command to go on from there`, {
            state: state.path,
          });
        throw error;
      } finally {
        endPart();
      }
      const { learningRate, seconds, singleLogit } = results[loss];
      output.note(
        `${name}, ${loss}: learning rate ${learningRate}, ${duration(seconds)} of training, accuracy ${percent(singleLogit.accuracy)}, ` +
          `1-AUPRC ${singleLogit.oneMinusAuprc.toFixed(4)}, pooled ${singleLogit.pooled.oneMinusAuprc.toFixed(4)}`,
      );
    }
  }

  const report: ScaleReport = {
    table: 'scale',
    command: `onelogit reproduce ${process.argv.slice(3).join(' ')}`,
    date: new Date().toISOString(),
    version,
    commit,
    machine: describeMachine(),
    datasets: reports,
  };
  const files = await writeScaleReport(out, report);
  output.result({ ...report, files }, () =>
    [
      'Tables I and II on tasks of very many classes: one logit (lower is better, but for accuracy); the paper has no numbers for these',
      ...Object.entries(reports).flatMap(([name, { classes, testExamples, results }]) => {
        const { header, rows } = scaleCells(results, 'singleLogit');
        return ['', `${name}, ${count(classes)} classes, ${count(testExamples)} test examples`, table(header, rows)];
      }),
      '',
      `Written: ${files.markdown}, ${files.json}`,
    ].join('\n'),
  );
}
