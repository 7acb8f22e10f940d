// ONNX Runtime's side of score.mjs: a graph that gathers the row of one class (`all`: one that computes all logits), one thread for the
// one, whose single row none can share, and its default for the other.
import * as ort from 'onnxruntime-node';
import { version } from '../lib/package-version.mjs';
import { readHeadFile } from '../score/head-file.mjs';
import { allClasses, oneClass } from '../score/onnx.mjs';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, d, k, ids, all } = asked;
const head = { ...readHeadFile(asked.file, asked.allocate), d, k };
const session = await ort.InferenceSession.create(all ? allClasses(head) : oneClass(head), all ? {} : { intraOpNumThreads: 1 });
const feeds = all
  ? { x: new ort.Tensor('float32', x, [1, d]) }
  : { x: new ort.Tensor('float32', x, [d, 1]), id: new ort.Tensor('int64', new BigInt64Array(1), [1]) };

async function score(id) {
  if (!all) feeds.id.data[0] = BigInt(id);
  const { y } = await session.run(feeds);
  return y.data[all ? id : 0];
}

const check = [];
for (const id of ids.random.subarray(0, 10)) check.push(await score(id));
await answerTurns({
  asked,
  version: version('onnxruntime-node'),
  check,
  calls: { [all ? 'predict' : 'score']: { batch: 1, run: (given, from) => score(given[from]) } },
});
