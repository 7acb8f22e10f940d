// The images to train on and those that the cameras show: generated characters, or an IDX data set.
import { basename, resolve } from 'node:path';
import { datasets } from 'onelogit';

/**
 * @typedef {object} SearchData
 * @property {string} name what the trained model is cached under
 * @property {string} describe for people
 * @property {number} classes
 * @property {readonly number[]} inputShape height, width, channels
 * @property {() => { training: import('onelogit').InMemoryDataset, calibration: import('onelogit').InMemoryDataset }} learn
 * @property {(camera: number, strength: number) => import('onelogit').InMemoryDataset} shown what a camera sees; `strength` of distortions
 * @property {(classId: number) => Uint8Array} portrait one clean image of a class
 */

const seed = 1;
/** Of the images trained on; cameras are a little kinder or harsher than that. */
const distortion = 0.5;

/** @returns {Promise<SearchData>} */
export async function openData({ data, classes }) {
  return data === undefined ? glyphs(classes) : idx(data);
}

/** @returns {SearchData} */
function glyphs(classes) {
  // Few classes are drawn more often: a network of this size needs as many images for them.
  const perClass = { training: Math.max(30, Math.ceil(30_000 / classes)), calibration: Math.max(20, Math.ceil(10_000 / classes)) };
  const portraits = datasets.glyphs({ classes, examplesPerClass: 1, seed, distortion: 0 });
  return {
    name: `glyphs-${classes}`,
    describe: `${classes.toLocaleString('en')} generated characters`,
    classes,
    inputShape: portraits.inputShape,
    learn() {
      const all = datasets.glyphs({ classes, examplesPerClass: perClass.training + perClass.calibration, seed, distortion });
      const [training, calibration] = split(all, classes * perClass.training);
      return { training, calibration };
    },
    // The test split has the same characters and other drawings of them; the part from `from` on is this camera's.
    shown(camera, strength) {
      const perCamera = Math.max(8, Math.ceil(8000 / classes));
      const all = datasets.glyphs({
        classes,
        examplesPerClass: perCamera * (camera + 1),
        seed,
        split: 'test',
        distortion: distortion * strength,
      });
      return split(all, classes * perCamera * camera)[1];
    },
    portrait: (classId) => exampleOf(portraits, classId),
  };
}

/** @returns {Promise<SearchData>} */
async function idx(directory) {
  const [train, test] = [await datasets.load(directory, { split: 'train' }), await datasets.load(directory, { split: 'test' })];
  if (!(train.inputs instanceof Uint8Array) || train.inputShape.length !== 3 || train.inputShape[2] !== 1)
    throw new Error(`Expected images of one channel of bytes in ${directory} but found an input shape of ${train.inputShape.join(' × ')}`);
  return {
    name: `${basename(resolve(directory)).replaceAll(/[^\w-]/g, '_')}-${train.classes}-${train.length}`,
    describe: `${train.classes} classes of ${directory}`,
    classes: train.classes,
    inputShape: train.inputShape,
    learn() {
      const [training, calibration] = split(train, Math.floor(train.length * 0.9));
      return { training, calibration };
    },
    shown: () => test,
    portrait(classId) {
      const first = train.labels.indexOf(classId);
      return first < 0 ? new Uint8Array(train.inputs.length / train.length) : exampleOf(train, first);
    },
  };
}

/** The examples before `at` and those from it on. */
function split(dataset, at) {
  const size = dataset.inputs.length / dataset.length;
  const part = (from, to) => ({
    ...dataset,
    // A copy: what is drawn to be left out shall not stay in memory.
    inputs: dataset.inputs.slice(from * size, to * size),
    labels: dataset.labels.subarray(from, to),
    length: to - from,
  });
  return [part(0, at), part(at, dataset.length)];
}

function exampleOf(dataset, index) {
  const size = dataset.inputs.length / dataset.length;
  return dataset.inputs.subarray(index * size, (index + 1) * size);
}
