// All logits by this package, of which one is taken: what a library without single logits does. In float32, with the matrix products
// that training uses.
import { Model } from '../../dist/index.js';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, ids } = asked;
const model = await Model.load(asked.file);
const logits = await model.predict(x);

await answerTurns({
  asked,
  check: Array.from(ids.random.subarray(0, 10), (id) => logits[id]),
  calls: {
    predict: {
      batch: 1,
      async run(given, from) {
        return (await model.predict(x))[given[from]];
      },
    },
  },
});
