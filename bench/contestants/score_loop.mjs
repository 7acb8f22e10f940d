// A plain JavaScript loop's side of score.mjs.
import { readHeadFile } from '../score/head-file.mjs';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, d, ids, batch } = asked;
const { weight, bias } = readHeadFile(asked.file, asked.allocate);

function score(input, id) {
  const row = id * d;
  let sum = bias[id];
  for (let n = 0; n < d; n++) sum += input[n] * weight[row + n];
  return sum;
}

await answerTurns({
  asked,
  check: Array.from(ids.random.subarray(0, 10), (id) => score(x, id)),
  calls: {
    score: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += score(x, given[i]);
        return sum;
      },
    },
  },
});
