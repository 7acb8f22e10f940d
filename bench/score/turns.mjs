// A contestant's side of score.mjs: answers {"call", "rows", "seconds"} on standard input with nanoseconds.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { measureLatency } from '../lib/latency.mjs';
import { exampleOf } from './head-file.mjs';

/** Random rows: as many before the first comes again. */
const positions = 2 ** 20;

/** What the coordinator said, and what all contestants ask about: one example, and classes by position. */
export function question() {
  const config = JSON.parse(process.argv[2]);
  const { d, k, perCall } = config;
  const floor = config.floor && createRequire(import.meta.url)(config.floor);
  const allocate = floor ? floor.allocate : (bytes) => new ArrayBuffer(bytes);
  const random = new Int32Array(positions);
  let state = 7;
  for (let i = 0; i < positions; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    random[i] = Math.floor(((state >>> 0) / 2 ** 32) * k);
  }
  return {
    ...config,
    floor,
    /** (bytes, hugePages) → ArrayBuffer. Matrices lie in huge pages in all contestants, as this package has them, where the floor was compiled. */
    allocate,
    /** One example, at the start of a cache line: with `new Float32Array` that is a matter of luck. */
    x: exampleIn(allocate(4 * d, false), 0, d),
    /** One as `malloc` places it three times of four: each vector of the example lies in two cache lines. */
    unaligned: exampleIn(allocate(4 * d + 16, false), 16, d),
    /** Class ids of single questions: the same one always, or any of them. */
    ids: { hot: new Int32Array(positions).fill(5), random },
    /** Of questions about several classes: lists of perCall. */
    lists: {
      hot: [Int32Array.from({ length: perCall }, (_, i) => i)],
      random: Array.from({ length: positions / perCall }, (_, i) => random.subarray(i * perCall, (i + 1) * perCall)),
    },
  };
}

function exampleIn(memory, offset, d) {
  const x = new Float32Array(memory, offset, d);
  x.set(exampleOf(d));
  return x;
}

/**
 * `calls`: by name, { run(ids, from, to), batch }: makes the calls for ids[from, to) and returns the sum of their logits. With `lists`,
 * run(lists, from, to) and `batch` counts classes, a multiple of perCall. `check`: logits of the first ten random ids.
 */
export async function answerTurns({ asked, calls, check, ...introduction }) {
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const at = {};
  const turn = async (call, rows, seconds) => {
    const { run, batch, lists } = calls[call];
    const perCall = lists ? asked.perCall : 1;
    const given = lists ? asked.lists[rows] : asked.ids[rows];
    const key = `${call} ${rows}`;
    const measured = await measureLatency({
      run: (from, to) => run(given, from, to),
      positions: given.length,
      start: (at[key] ?? 0) % given.length,
      batch: Math.min(batch / perCall, given.length),
      seconds,
    });
    at[key] = measured.position;
    for (const name of ['p50', 'p99', 'p999', 'mean']) measured[name] /= perCall;
    return measured;
  };
  // Every row once, where that takes no longer than reading it: rows read for the first time since they were loaded took microseconds.
  if (calls.score?.batch > 1)
    calls.score.run(
      Int32Array.from({ length: asked.k }, (_, c) => c),
      0,
      asked.k,
    );
  say({ ready: true, calls: Object.keys(calls), check: [...check], ...introduction });
  for await (const line of createInterface({ input: process.stdin })) {
    const { call, rows, seconds, warmUp } = JSON.parse(line);
    if (warmUp) await turn(call, rows, warmUp);
    say(await turn(call, rows, seconds));
  }
}
