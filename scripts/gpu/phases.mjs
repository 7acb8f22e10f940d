/** Runs phases one after another, within their time, and writes what is known after each. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commit, machine } from '../../bench/lib/machine.mjs';
import { root } from './run.mjs';

function earlier(path, device, at) {
  try {
    const result = JSON.parse(readFileSync(path, 'utf8'));
    // Phases of another GPU or another commit are not results of this one.
    if (result.device?.name === device.name && result.device?.driver === device.driver && result.commit === at) return result.phases;
  } catch {
    // there is none
  }
  return {};
}

/** `.gpu/commit`: a host that got the sources without their history. */
function commitHere() {
  const known = commit();
  if (known !== 'unknown') return known;
  try {
    return readFileSync(join(root, '.gpu/commit'), 'utf8').trim();
  } catch {
    return known;
  }
}

/** A phase ends after this share of the time that is left when it begins, the last one after all of it: one that hangs must not cost the others. */
const shareOfOne = 0.6;

/**
 * @param phases [{ name, run(context) → results | throws }]; what `run` throws is recorded, and the next one begins. `context.seconds()` is the
 *   time left of the phase ({@link shareOfOne}), `context.results` the phases' results so far.
 * @param written called after each phase with the whole result, to write more than the JSON.
 * @returns the whole result; `failed` names phases that failed, `skipped` those that had no time left.
 */
export async function runPhases({ name, options, device, phases, written = () => {} }) {
  const directory = options.out ?? join(root, 'bench/results');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name}.json`);
  const begin = performance.now();
  const seconds = () => options.minutes * 60 - (performance.now() - begin) / 1000;
  const at = commitHere();
  const result = {
    benchmark: name,
    date: new Date().toISOString(),
    command: ['node', `scripts/${name === 'gpu-tests' ? 'test' : 'bench'}-gpu.mjs`, ...process.argv.slice(2)].join(' '),
    commit: at,
    device,
    machine: machine(),
    phases: earlier(path, device, at),
  };
  const failed = [];
  const skipped = [];
  const asked = phases.filter((each) => options.only.has(each.name));
  for (const phase of asked) {
    const started = performance.now();
    const left = seconds();
    const own = phase === asked.at(-1) ? left : shareOfOne * left;
    const phaseSeconds = () => own - (performance.now() - started) / 1000;
    if (left < 5) {
      console.log(`-- ${phase.name}: not begun, the ${options.minutes} minutes are over`);
      skipped.push(phase.name);
      continue;
    }
    console.log(`-- ${phase.name} (${Math.round(own)} of ${Math.round(left)} s)`);
    let outcome;
    try {
      outcome = { ok: true, ...(await phase.run({ seconds: phaseSeconds, device, results: result.phases })) };
    } catch (error) {
      outcome = { ok: false, error: error.message, ...error.details };
      failed.push(phase.name);
    }
    const took = (performance.now() - started) / 1000;
    result.phases[phase.name] = { ...outcome, date: new Date().toISOString(), seconds: took };
    console.log(`-- ${phase.name}: ${outcome.ok ? (outcome.note ?? 'ok') : `FAILED: ${outcome.error}`} (${took.toFixed(1)} s)`);
    writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
    try {
      written(result, directory);
    } catch (error) {
      console.error(`The report could not be written: ${error.stack}`); // the numbers are in the JSON
    }
  }
  if (failed.length) console.log(`failed: ${failed.join(', ')}`);
  if (skipped.length) console.log(`not run for want of time: ${skipped.join(', ')} (--only ${skipped.join(',')})`);
  console.log(`results: ${path}`);
  return { result, failed, skipped };
}
