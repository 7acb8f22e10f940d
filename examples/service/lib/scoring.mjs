// Scores and their thresholds, always of one training, whatever is reloaded meanwhile.
import { SingleLogitClassifier } from 'onelogit';

/** Up to so many examples are scored at once on the event loop: faster than the way to another thread. More would keep others waiting. */
const mostAtOnce = 16;

export class Scoring {
  #classifier;
  /**
   * What belongs to a generation and is costly to ask for: a copy of all thresholds, names of all classes.
   *
   * @type {{ generation: number, thresholds: Float32Array, ids: Map<string, number> | undefined }}
   */
  #kept = { generation: -1, thresholds: new Float32Array(0), ids: undefined };

  /**
   * @param {string} path
   * @param {{ memoryMap: boolean }} options
   */
  static async open(path, { memoryMap }) {
    // Mapped files are read at once, so that no request waits for a disk.
    const options = memoryMap ? { memoryMap, prefault: true } : {};
    return new Scoring(await SingleLogitClassifier.load(path, options));
  }

  /** @param {SingleLogitClassifier} classifier */
  constructor(classifier) {
    this.#classifier = classifier;
    this.inputSize = classifier.inputShape.reduce((product, size) => product * size, 1);
    // A head without layers before it was never fitted here; its examples are embeddings.
    this.inputType = classifier.inputType ?? 'float32';
    this.#current();
  }

  get generation() {
    return this.#classifier.generation;
  }

  /** For people and dashboards. */
  get description() {
    const { classes, features, storage, loss } = this.#classifier;
    return { classes, features, storage, loss: loss?.name ?? 'unknown' };
  }

  /** A class by number or name; undefined if there is none. A name that looks like a number is taken for one. */
  classId(text) {
    if (/^\d{1,15}$/.test(text)) return Number(text) < this.#classifier.classes ? Number(text) : undefined;
    const kept = this.#current();
    kept.ids ??= new Map((this.#classifier.classNames ?? []).map((name, id) => [name, id]));
    return kept.ids.get(text);
  }

  /**
   * @param {import('onelogit').Inputs} inputs n examples
   * @param {number} classId
   */
  async score(inputs, classId) {
    for (;;) {
      const { generation, thresholds } = this.#current();
      const few = inputs.length <= mostAtOnce * this.inputSize;
      const scores = few ? this.#classifier.scoreBatch(inputs, classId) : await this.#classifier.scoreBatchAsync(inputs, classId);
      // Weights change between any two instructions; scores of one training with thresholds of another would be nobody's answer.
      if (this.#classifier.generation !== generation) continue;
      const threshold = /** @type {number} */ (thresholds[classId]);
      return { scores: Array.from(scores), matches: Array.from(scores, (score) => score >= threshold) };
    }
  }

  /**
   * Takes the weights of the file that is there now. It must have been replaced by rename; one that does not load, or is no model of
   * the same classes, features and layers, or has no thresholds, which this service cannot answer without, is refused, and nothing
   * changes.
   */
  async reload() {
    await this.#classifier.reload(undefined, { requireThresholds: true });
    this.#current();
  }

  dispose() {
    this.#classifier.dispose();
  }

  #current() {
    for (;;) {
      const { generation } = this.#classifier;
      if (this.#kept.generation === generation) return this.#kept;
      const { thresholds } = this.#classifier;
      if (this.#classifier.generation !== generation) continue;
      this.#kept = { generation, thresholds: requireThresholds(thresholds), ids: undefined };
      return this.#kept;
    }
  }
}

/** @param {Float32Array | null} thresholds */
function requireThresholds(thresholds) {
  if (thresholds !== null) return thresholds;
  const message = 'Expected a calibrated model but received one without thresholds: run onelogit calibrate on it first';
  throw Object.assign(new Error(message), { code: 'ERR_NOT_CALIBRATED' });
}
