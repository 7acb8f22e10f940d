// SimSIMD's side of score.mjs: its dot product of two Float32Arrays. The views of all rows exist before.
import simsimd from 'simsimd';
import { version } from '../lib/package-version.mjs';
import { readHeadFile } from '../score/head-file.mjs';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, d, k, ids, batch } = asked;
const { weight, bias } = readHeadFile(asked.file, asked.allocate);
const rows = Array.from({ length: k }, (_, c) => weight.subarray(c * d, (c + 1) * d));
const { dot } = simsimd;

await answerTurns({
  asked,
  version: version('simsimd'),
  check: Array.from(ids.random.subarray(0, 10), (id) => dot(x, rows[id]) + bias[id]),
  calls: {
    score: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += dot(x, rows[given[i]]) + bias[given[i]];
        return sum;
      },
    },
  },
});
