// Every image of every camera against the classes that somebody looks for, and only those.
import { setTimeout as delay } from 'node:timers/promises';
import { Costs } from './costs.mjs';
import { Viewer } from './viewer.mjs';

/** Milliseconds between two reports to every viewer. */
const reportEvery = 500;

export class ImageSearch {
  #model;
  #classifier;
  #cameras;
  #thresholds;
  #costs;
  #viewers = new Set();
  #wanted = new Int32Array(0);
  #scores = new Float32Array(0);

  /**
   * @param {object} parts
   * @param {import('onelogit').Model} parts.model
   * @param {import('onelogit').SingleLogitClassifier} parts.classifier
   * @param {import('./sources.mjs').Camera[]} parts.cameras
   */
  constructor({ model, classifier, cameras }) {
    this.#model = model;
    this.#classifier = classifier;
    this.#cameras = cameras.map((camera) => ({ ...camera, images: 0 }));
    this.#thresholds = /** @type {Float32Array} */ (classifier.thresholds);
    this.#costs = new Costs(classifier.classes);
  }

  get classes() {
    return this.#classifier.classes;
  }

  /** Begins to look for a class; `leave` ends it. */
  join(classId) {
    const viewer = new Viewer(classId, this.#thresholds[classId]);
    this.#viewers.add(viewer);
    this.#ask();
    return viewer;
  }

  leave(viewer) {
    viewer.end();
    this.#viewers.delete(viewer);
    this.#ask();
  }

  /** Searches until the signal says so; then all viewers' streams end. */
  async run(signal) {
    try {
      await Promise.all([...this.#cameras.map((camera) => this.#watch(camera, signal)), this.#report(signal)]);
    } finally {
      for (const viewer of this.#viewers) viewer.end();
    }
  }

  /** Two who look for the same class share its dot product. */
  #ask() {
    this.#wanted = Int32Array.from(new Set(Array.from(this.#viewers, ({ classId }) => classId)));
    this.#scores = new Float32Array(this.#wanted.length);
  }

  async #watch(camera, signal) {
    for await (const bundle of camera.frames(signal)) {
      if (this.#viewers.size === 0) continue;
      for (const frame of bundle) this.#look(camera, frame);
      this.#costs.offer(bundle.map(({ image }) => image));
    }
  }

  #look(camera, { image, label }) {
    camera.images++;
    // The hidden layer runs once; then it is one dot product for every class that is looked for, none for the others.
    this.#classifier.scoreMany(image, this.#wanted, this.#scores);
    const scores = new Map(Array.from(this.#wanted, (classId, index) => [classId, this.#scores[index]]));
    for (const viewer of this.#viewers) viewer.see({ image, label, score: scores.get(viewer.classId), source: camera.name });
  }

  async #report(signal) {
    const before = new Map();
    let last = performance.now();
    for (;;) {
      await delay(reportEvery, undefined, { signal });
      const now = performance.now();
      const sources = this.#cameras.map(({ name, images }) => {
        const rate = ((images - (before.get(name) ?? 0)) / (now - last)) * 1000;
        before.set(name, images);
        return { name, images, rate };
      });
      last = now;
      if (this.#viewers.size === 0) continue;
      const costs = await this.#costs.measure(this.#model, this.#classifier, this.#wanted[0] ?? 0);
      for (const viewer of this.#viewers) viewer.report({ sources, costs, viewers: this.#viewers.size });
    }
  }
}
