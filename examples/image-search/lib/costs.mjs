// What an image costs: the hidden layer and one logit, against the hidden layer and all logits. Measured while the search runs.

/** Images of one measurement, and how many calls the medians go back. */
const atOnce = 24;
const kept = 480;

export class Costs {
  #images = [];
  #one = [];
  #all = [];
  #predict = [];
  #everyClass;
  #scores;

  /** @param {number} classes */
  constructor(classes) {
    this.#everyClass = Int32Array.from({ length: classes }, (_, classId) => classId);
    this.#scores = new Float32Array(classes);
  }

  /** Images to measure with, as they come; some of the latest are kept. */
  offer(images) {
    this.#images = images.slice(-atOnce);
  }

  /**
   * Medians in microseconds of a call for one image, null before there are images: `one` logit; `all` logits as cheaply as this thread can
   * compute them; and `predict`, which computes them off the event loop, the way there and back included.
   */
  async measure(model, classifier, classId) {
    const images = this.#images;
    this.#images = [];
    // One kind after the other, as the search does it: turn and turn about, each would find the other's weights in the cache.
    for (const image of images) time(this.#one, () => classifier.score(image, classId));
    for (const image of images) time(this.#all, () => classifier.scoreMany(image, this.#everyClass, this.#scores));
    // Each call by itself, for the median: while one is waited for, a camera may keep this thread busy.
    for (const image of images) {
      const start = performance.now();
      await model.predict(image);
      push(this.#predict, performance.now() - start);
    }
    if (this.#one.length === 0) return null;
    const [one, all, predict] = [this.#one, this.#all, this.#predict].map((times) => median(times) * 1000);
    return { one, all, predict, measurements: this.#one.length };
  }
}

function time(times, call) {
  const start = performance.now();
  call();
  push(times, performance.now() - start);
}

function push(times, time) {
  times.push(time);
  if (times.length > kept) times.shift();
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
