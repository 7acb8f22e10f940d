// Rounds of score.mjs: for each size the contestants are processes that hold the matrix at the same time and take turns.
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Contestant } from '../lib/contestant.mjs';
import { availableBytes } from '../lib/memory.mjs';
import { median, ratios, spread } from '../lib/statistics.mjs';
import { participants, turnsOf } from './cases.mjs';
import { writeHeadFile } from './head-file.mjs';

/** Calls of a sample, and classes (or examples) of one that takes several. */
export const batch = 64;

const scripts = fileURLToPath(new URL('../contestants', import.meta.url));

/** Everything about the sizes: { results, notMeasured, introductions, loads }. */
export async function measureScores({ sizes, rounds, seconds, floor, directory, progress }) {
  const all = { results: [], notMeasured: [], introductions: {}, loads: [] };
  for (const [d, k] of sizes) {
    const task = { d, k };
    progress(`d = ${d}, k = ${k}: writing the matrix`);
    const file = join(directory, 'head.safetensors');
    writeHeadFile(file, task);
    try {
      await measureSize({ task, file, rounds, seconds, floor, progress, all });
    } finally {
      rmSync(file);
    }
    all.loads.push({ ...task, loadAverage: loadavg()[0] });
  }
  return all;
}

async function measureSize({ task, file, rounds, seconds, floor, progress, all }) {
  const [present, absent] = participants(task, floor, availableBytes());
  const running = {};
  const refuse = (contestant, reason) => all.notMeasured.push({ ...task, contestant, reason });
  for (const { contestant, reason } of absent) refuse(contestant, reason);
  try {
    let expected;
    for (const { name, script, config } of present) {
      progress(`d = ${task.d}, k = ${task.k}: ${name} loads`);
      const given = { ...task, file, floor: floor.path, batch, perCall: batch, ...config };
      const contestant = new Contestant(name, process.execPath, [join(scripts, script), JSON.stringify(given)]);
      try {
        const { check, ...introduction } = await contestant.next();
        expected ??= check;
        compare(name, check, expected);
        all.introductions[name] = introduction;
        running[name] = contestant;
      } catch (error) {
        await contestant.close();
        refuse(name, `failed: ${error.message.split('\n')[0]}`);
      }
    }
    const turns = turnsOf(
      task,
      present.filter(({ name }) => running[name]),
    );
    const measured = turns.map(() => []);
    for (let round = 0; round < rounds; round++) {
      progress(`d = ${task.d}, k = ${task.k}: round ${round + 1} of ${rounds}`);
      for (const [i, { contestant, ...turn }] of turns.entries()) {
        const warmUp = round === 0 ? Math.min(0.1, seconds) : seconds / 5;
        measured[i].push(await running[contestant].ask({ ...turn, seconds, warmUp }));
      }
    }
    all.results.push(...turns.map((turn, i) => ({ ...task, ...turn, ...summary(measured[i]) })));
  } finally {
    await Promise.all(Object.values(running).map((contestant) => contestant.close()));
  }
}

/** All contestants answer the same question. Storages round: to 2⁻⁸ of a row's numbers. */
function compare(name, check, expected) {
  const tolerance = /bfloat16|int8/.test(name) ? 0.02 : 1e-4;
  check.forEach((logit, i) => {
    if (!(Math.abs(logit - expected[i]) <= tolerance)) throw new Error(`${name} computes ${logit}, expected ${expected[i]}`);
  });
}

/** Of the rounds of a turn, nanoseconds: percentiles, each the median of the rounds'. */
function summary(measured) {
  const of = (name) => measured.map((round) => round[name]);
  return {
    p50: spread(of('p50')),
    p99: median(of('p99')),
    p999: median(of('p999')),
    mean: median(of('mean')),
    perSecond: 1e9 / median(of('mean')),
    samples: of('samples').reduce((a, b) => a + b, 0),
    clock: median(of('clock')),
    rounds: of('p50'),
  };
}

/** A result, or undefined. */
export const find = (results, wanted) => results.find((one) => Object.entries(wanted).every(([name, value]) => one[name] === value));

/** p50 of one over that of another, round by round; undefined without both. */
export const ratio = (a, b) => a && b && ratios(a.rounds, b.rounds);
