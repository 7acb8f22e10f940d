// TensorFlow.js's side of score.mjs, on its WebAssembly backend: the row of a class gathered, its dot product, the number fetched.
import * as tf from '@tensorflow/tfjs';
import * as wasm from '@tensorflow/tfjs-backend-wasm';
import { readHeadFile } from '../score/head-file.mjs';
import { answerTurns, question } from '../score/turns.mjs';

const asked = question();
const { x, d, k, ids } = asked;
await tf.setBackend('wasm');
await tf.ready();
const head = readHeadFile(asked.file, asked.allocate);
const weight = tf.tensor2d(head.weight, [k, d]);
const bias = tf.tensor1d(head.bias);
const input = tf.tensor1d(x);

function score(id) {
  return tf.tidy(() => {
    const index = tf.tensor1d([id], 'int32');
    return tf.add(tf.dot(tf.gather(weight, index), input), tf.gather(bias, index)).dataSync()[0];
  });
}

await answerTurns({
  asked,
  version: `${tf.version.tfjs} (${tf.getBackend()} ${wasm.version_wasm})`,
  check: Array.from(ids.random.subarray(0, 10), score),
  calls: { score: { batch: 1, run: (given, from) => score(given[from]) } },
});
