// This package's side of score.mjs: every way to ask, from a class matrix in `storage`.
import { backendInfo, SingleLogitClassifier } from '../../dist/index.js';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, unaligned, ids, perCall } = asked;
const slc = await SingleLogitClassifier.load(asked.file, { storage: asked.storage });
slc.input.set(x);
const bound = slc.bind(x);
const out = new Float32Array(perCall);
const examples = new Float32Array(perCall * asked.d);
for (let i = 0; i < perCall; i++) examples.set(x, i * asked.d);

await answerTurns({
  asked,
  version: process.versions.node,
  backend: backendInfo(),
  check: slc.scoreMany(x, ids.random.subarray(0, 10)),
  calls: {
    score: {
      batch: asked.batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += slc.score(x, given[i]);
        return sum;
      },
    },
    'score, unaligned': {
      batch: asked.batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += slc.score(unaligned, given[i]);
        return sum;
      },
    },
    scoreBound: {
      batch: asked.batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += slc.scoreBound(given[i]);
        return sum;
      },
    },
    'bind().score': {
      batch: asked.batch,
      run(given, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += bound.score(given[i]);
        return sum;
      },
    },
    scoreMany: {
      batch: asked.batch,
      lists: true,
      run(lists, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += slc.scoreMany(x, lists[i], out)[0];
        return sum;
      },
    },
    // One class for every list: a time a call is one per example.
    scoreBatch: {
      batch: asked.batch,
      lists: true,
      run(lists, from, to) {
        let sum = 0;
        for (let i = from; i < to; i++) sum += slc.scoreBatch(examples, lists[i][0], out)[0];
        return sum;
      },
    },
  },
});
