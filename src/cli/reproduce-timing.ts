/** `onelogit reproduce table3` and `figure1`: the time of a forward pass by the number of classes. */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { backendInfo, type Device, OneLogitError } from '../index.js';
import { describeMachine, sourceCommit } from '../machine.js';
import { figureDrawer } from '../reproduce/figure.js';
import { Plan } from '../reproduce/plan.js';
import { readTiming, runTiming, type Timing } from '../reproduce/timing-experiment.js';
import { type Architecture, architectures, expectedRoundSeconds, type TimingRecipe, timingShares } from '../reproduce/timing-recipe.js';
import { describeTiming, type TimingReport, timingCells, timingTitles, writeTimingReport } from '../reproduce/timing-report.js';
import { version } from '../version.js';
import { type Output, table } from './output.js';
import { Progress } from './progress.js';
import { InterruptedError } from './usage.js';

export interface TimingRun {
  target: 'table3' | 'figure1';
  architectures: readonly Architecture[];
  classes: readonly number[];
  batchSizes: readonly number[];
  /** Of every one; undefined: as many as fit into `minutes`. */
  repetitions: number | undefined;
  minutes: number;
  seed: number;
  device: Device;
  out: string;
  output: Output;
  signal: AbortSignal;
}

function chooseDevice(device: Device): 'cpu' | 'cuda' {
  const { available, reason } = backendInfo().cuda;
  if (device === 'cuda' && !available)
    throw new OneLogitError('ERR_ONELOGIT_DEVICE', `Expected a GPU that can be used for --device cuda but received: ${reason}`);
  return device === 'cpu' || !available ? 'cpu' : 'cuda';
}

export async function reproduceTiming(run: TimingRun): Promise<void> {
  const { target, repetitions, minutes, seed, out, output, signal } = run;
  const draw = target === 'figure1' ? await figureDrawer() : undefined; // now: what is missing should not be learnt in the end
  const commit = await sourceCommit();
  const machine = describeMachine();
  const loadAverageBefore = loadavg()[0]!;
  const device = chooseDevice(run.device);
  const gpu = device === 'cuda' ? backendInfo().cuda.devices[0]!.name : null;
  const classes = [...new Set([1, ...run.classes])].sort((a, b) => a - b);
  const where = [gpu ?? machine.cpu, `${machine.threads} threads`, machine.blas, commit ?? version].join(', ');
  const chosen = architectures.filter((name) => run.architectures.includes(name));
  const groups = chosen.flatMap((architecture) => run.batchSizes.map((batchSize) => ({ architecture, batchSize })));
  const shares = timingShares(groups, classes);
  const wanted = groups.map(({ architecture, batchSize }, i) => ({
    recipe: { architecture, batchSize, classes, seed, device, where } satisfies TimingRecipe,
    repetitions: repetitions ?? { seconds: minutes * 60 * shares[i]! },
  }));
  if (!output.json) {
    const counts = `${chosen.join(', ')} with ${classes.map((k) => k.toLocaleString('en-US')).join(', ')} classes, batches of ${run.batchSizes.join(' and ')}`;
    output.note(
      `${counts}, on ${gpu ?? 'the CPU'}: ${repetitions === undefined ? `as many repetitions as fit into ${minutes} minutes (3 to 100)` : `${repetitions} repetitions`}`,
    );
    if (loadAverageBefore > 0.5) output.note(`the load average is ${loadAverageBefore.toFixed(2)}: other programs distort these times`);
  }

  const directory = join(out, 'state', 'timing');
  const plan = new Plan();
  const keyOf = ({ architecture, batchSize }: { architecture: Architecture; batchSize: number }) => `${architecture} ${batchSize}`;
  for (const [i, { recipe }] of wanted.entries()) {
    const perRound = expectedRoundSeconds(recipe.architecture, recipe.batchSize, classes);
    plan.add(keyOf(recipe), repetitions === undefined ? minutes * 60 * shares[i]! : perRound * (repetitions + 1));
    const timing = await readTiming(directory, recipe);
    if (timing && timing.rounds.length >= (repetitions ?? timing.repetitions)) plan.skip(keyOf(recipe));
  }

  const timings: Timing[] = [];
  for (const architecture of chosen) {
    let progress: Progress | undefined;
    try {
      const own = wanted.filter(({ recipe }) => recipe.architecture === architecture);
      const done = await runTiming(own, directory, {
        signal,
        onPhase(phase) {
          progress?.finish({ keep: false });
          progress = new Progress(`${target} ${phase}`);
          progress.update({ ...plan.state(), details: [] });
        },
        onRound(batchSize, rounds, all) {
          const key = keyOf({ architecture, batchSize });
          if (plan.current !== key) {
            progress?.finish({ keep: false });
            progress = new Progress(`${target} ${architecture}, batch ${batchSize}`);
            plan.begin(key);
          }
          progress?.update({ ...plan.state(), details: [`repetition ${rounds}/${all}`] });
        },
      });
      plan.end();
      timings.push(...done);
    } catch (error) {
      if (signal.aborted)
        throw new InterruptedError(`Interrupted during ${architecture}; repeat the command to go on from there`, { state: directory });
      throw error;
    } finally {
      progress?.finish({ keep: false });
    }
  }

  const report: TimingReport = {
    target,
    command: `onelogit reproduce ${process.argv.slice(3).join(' ')}`,
    date: new Date().toISOString(),
    version,
    commit,
    machine,
    device,
    gpu,
    loadAverageBefore,
    timings,
  };
  const files = await writeTimingReport(out, report, draw);
  output.result({ ...report, files }, () =>
    [
      timingTitles[target],
      ...describeTiming(report),
      ...timings.flatMap((timing) => {
        const { header, rows } = timingCells(timing);
        return ['', `${timing.recipe.architecture}, batch ${timing.recipe.batchSize}`, table(header, rows)];
      }),
      '',
      `Written: ${Object.values(files).join(', ')}`,
    ].join('\n'),
  );
}
