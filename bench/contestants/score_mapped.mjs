// A process that scores from a file it leaves on the disk: opens it, then asks for random classes. Says times and memory and ends.
import { SingleLogitClassifier } from '../../dist/index.js';
import { memoryOf } from '../lib/memory.mjs';
import { median } from '../lib/statistics.mjs';

const { file, d, k, scores } = JSON.parse(process.argv[2]);
const before = memoryOf();
const begin = performance.now();
const slc = await SingleLogitClassifier.load(file, { memoryMap: true });
const openMilliseconds = performance.now() - begin;

const x = new Float32Array(d).fill(0.5);
const times = new Float64Array(scores);
let state = 99;
let sum = 0;
for (let i = 0; i < scores; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  const id = Math.floor(((state >>> 0) / 2 ** 32) * k);
  const from = performance.now();
  sum += slc.score(x, id);
  times[i] = (performance.now() - from) * 1000;
}
const after = memoryOf();
console.log(JSON.stringify({ openMilliseconds, sum, microseconds: median([...times]), before, after }));
