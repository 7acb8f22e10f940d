// The bare addon's side of score.mjs (native/score_floor.c), and what the parts of a call cost.
import { readHeadFile } from '../score/head-file.mjs';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { floor, x, unaligned, ids, batch } = asked;
const { weight, bias } = readHeadFile(asked.file, asked.allocate, asked.hugePages);
floor.use(weight, bias, x);

await answerTurns({
  asked,
  check: Array.from(ids.random.subarray(0, 10), (id) => floor.score(x, id)),
  calls: {
    score: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.score(x, given[i]);
        return sum;
      },
    },
    'score, unaligned': {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.score(unaligned, given[i]);
        return sum;
      },
    },
    scoreBound: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.scoreBound(given[i]);
        return sum;
      },
    },
    empty: {
      batch,
      run(_given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.empty();
        return sum;
      },
    },
    readId: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.readId(given[i]);
        return sum;
      },
    },
    readBoth: {
      batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.readBoth(x, given[i]);
        return sum;
      },
    },
    dots: {
      batch,
      lists: true,
      run(lists, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += floor.dots(lists[i]);
        return sum;
      },
    },
  },
});
