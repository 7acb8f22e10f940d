// What score.mjs is wanted to show.
import { mebibytes } from '../lib/memory.mjs';
import { find, ratio } from './measure.mjs';

/** [{ what, measured: { median, least, most } or undefined, wanted, met }]; `wanted` undefined: only shown. */
export function checkScores({ results }, mapped) {
  const checks = [];
  const add = (what, measured, relation, bound) => {
    const value = measured?.median;
    const met = value !== undefined && (relation === '≤' ? value <= bound : value >= bound);
    checks.push({ what, measured, ...(relation && { wanted: `${relation} ${bound}`, met }) });
  };
  const of = (contestant, call, rows, d, k) => find(results, { contestant, call, rows, d, k });
  const ours = (call, rows, d, k, storage = 'float32') => of(`onelogit ${storage}`, call, rows, d, k);

  for (const d of [512, 2048]) {
    const [score, bound] = ['score', 'scoreBound'].map((call) => ours(call, 'hot', d, 1000));
    const simsimd = of('simsimd', 'score', 'hot', d, 1000);
    add(`hot row, d = ${d}: score ÷ bare addon`, ratio(score, of('floor', 'score', 'hot', d, 1000)), '≤', 1.3);
    add(`hot row, d = ${d}: score ÷ SimSIMD`, ratio(score, simsimd), '≤', 1);
    add(`hot row, d = ${d}: scoreBound ÷ bare addon, bound`, ratio(bound, of('floor', 'scoreBound', 'hot', d, 1000)), '≤', 1.15);
    add(`hot row, d = ${d}: scoreBound ÷ SimSIMD`, ratio(bound, simsimd), '≤', 0.6);
  }
  add('64 hot rows, d = 512: scoreMany, ns a class', ours('scoreMany', 'hot', 512, 1000)?.p50, '≤', 25);

  const large = [2048, 375_000];
  for (const call of ['score', 'scoreBound'])
    add(
      `random rows of 3 GB, d = 2048: ${call} ÷ bare addon`,
      ratio(ours(call, 'random', ...large), of('floor', call, 'random', ...large)),
      '≤',
      1.1,
    );
  const halved = (d, k) => ratio(ours('score', 'random', d, k), ours('score', 'random', d, k, 'bfloat16'));
  add('random rows, d = 2048, k = 375,000: float32 ÷ bfloat16', halved(...large), '≥', 1.25);
  add('random rows, d = 512, k = 10⁶: float32 ÷ bfloat16', halved(512, 1_000_000));

  if (mapped && mapped.k === 1e7) {
    const { uncached, cached } = mapped;
    const memory = ({ median, least, most }) => ({ median: mebibytes(median), least: mebibytes(least), most: mebibytes(most) });
    add('10⁷ × 64 bfloat16 left in the file: ms to open, nothing cached', uncached.openMilliseconds, '≤', 20);
    add('the same, cached', cached.openMilliseconds, '≤', 20);
    add('MiB resident after 10,000 scores, nothing cached before', memory(uncached.resident), '≤', 200);
    add('MiB of its own (RssAnon) after 10,000 scores, cached', memory(cached.anonymous), '≤', 150);
    const unchanged = Number(mapped.unchanged);
    add('file as before (1: size, mtime and SHA-256)', { median: unchanged, least: unchanged, most: unchanged }, '≥', 1);
  }
  return checks;
}
