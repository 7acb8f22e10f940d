/** What reproductions that train show while they do so: the current part, and how long the whole run will take. */
import type { Device } from '../index.js';
import type { ExperimentHooks } from '../reproduce/experiment.js';
import type { LossName } from '../reproduce/paper.js';
import { Plan } from '../reproduce/plan.js';
import type { Recipe } from '../reproduce/recipe.js';
import type { Recording, TrainingPart } from '../reproduce/search.js';
import type { LossResult, StateDirectory } from '../reproduce/state.js';
import { type TablePart, tablePartsDone, tablePartsOf } from '../reproduce/table-plan.js';
import { count, duration, type Output } from './output.js';
import { fitState, Progress } from './progress.js';
import { InterruptedError, wasStopped } from './usage.js';

const describePart = (part: TablePart) =>
  part === 'train' ? 'training' : part === 'evaluate' ? 'evaluating' : `trying learning rate ${part.slice('search '.length)}`;

/** Seconds of training after which the whole run is estimated. */
const enoughSeconds = 10;

/** With --log: every training is a run of that file, whose first record says which. */
export const recordingTo =
  (log: string | undefined, target: string) =>
  (dataset: string, loss: LossName, part: TrainingPart): Recording | undefined =>
    log === undefined ? undefined : { log, notes: { command: `onelogit reproduce ${target}`, dataset, loss, part } };

/** One line that says what a loss takes. */
export function describePlan(dataset: string, losses: readonly LossName[], { learningRates, searchSteps, steps }: Recipe): string {
  const searched = learningRates.length > 1 ? learningRates.length : 0;
  const search = searched > 0 ? `${searched} learning rates tried for ${count(searchSteps)} steps each, then ` : '';
  return (
    `${dataset}: ${losses.length} losses (${losses.join(', ')}), of each ${search}${count(steps)} steps: ` +
    `${count(losses.length * (searched + 1))} runs, ${count(losses.length * (searched * searchSteps + steps))} steps`
  );
}

export class TableProgress {
  readonly #plan = new Plan();
  readonly #began = performance.now();
  #estimated = false;

  constructor(
    readonly output: Output,
    readonly signal: AbortSignal,
    readonly device: Device,
    /** What to keep of the trainings. */
    readonly recording: ReturnType<typeof recordingTo> = () => undefined,
  ) {}

  /** Adds the parts of a loss to what the run has to do. */
  add(dataset: string, loss: LossName, recipe: Recipe, about: { trainExamples: number; testExamples: number }): void {
    for (const [part, seconds] of tablePartsOf(recipe, about)) this.#plan.add(`${dataset} ${loss} ${part}`, seconds);
  }

  /** Takes out what an earlier run has done. */
  async skipDone(dataset: string, loss: LossName, state: StateDirectory): Promise<void> {
    for (const part of tablePartsDone(await state.read(loss))) this.#plan.skip(`${dataset} ${loss} ${part}`);
  }

  /** Calls `run` with hooks that draw a line for each part; says how to go on when it is interrupted. */
  async show<T>(
    { label, dataset, loss, state }: { label: string; dataset: string; loss: LossName; state: StateDirectory<Recipe, LossResult> },
    run: (hooks: ExperimentHooks) => Promise<T>,
  ): Promise<T> {
    const { signal, device } = this;
    let progress: Progress | undefined;
    let evaluating: NodeJS.Timeout | undefined;
    const endPart = () => {
      clearInterval(evaluating);
      this.#plan.end();
      progress?.finish({ keep: false });
      progress = undefined;
    };
    try {
      return await run({
        signal,
        device,
        onPart: (part) => {
          endPart();
          this.#plan.begin(`${dataset} ${loss} ${part}`);
          progress = new Progress(`${label} ${loss}, ${describePart(part)}`);
          // Evaluation does not say how far it is: the clock does.
          if (part === 'evaluate') evaluating = setInterval(() => progress?.update({ ...this.#plan.state(), details: [] }), 500);
        },
        onProgress: (fit) => {
          const whole = this.#plan.state({ share: fit.step / fit.steps, secondsLeft: fit.secondsLeft });
          if (!this.#estimated && performance.now() - this.#began > 1000 * enoughSeconds) {
            this.#estimated = true;
            progress?.note(`about ${duration(whole.secondsLeft)} for the rest, by the first steps`);
          }
          progress?.update({ ...whole, details: fitState(fit).details });
        },
        onNote: (note) => progress?.note(note),
        recording: (part) => this.recording(dataset, loss, part) ?? {},
      });
    } catch (error) {
      if (wasStopped(error, signal))
        throw new InterruptedError(`Interrupted during ${loss} on ${dataset}; repeat the command to go on from there`, {
          state: state.path,
        });
      throw error;
    } finally {
      endPart();
    }
  }
}
