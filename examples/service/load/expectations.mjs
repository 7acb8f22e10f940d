// What each model answers to each question, so that an answer of neither is noticed.
import { datasets, SingleLogitClassifier } from 'onelogit';

/** Questions: images, each asked for a class of its own; every fourth as JSON, as it is dearer. */
const questions = 48;

export class Expectations {
  #questions;
  description;

  /** @param {string[]} files model A, model B */
  static async of(files) {
    const models = await Promise.all(files.map((file) => SingleLogitClassifier.load(file)));
    const { classes } = models[0];
    const images = datasets.glyphs({ classes, examplesPerClass: 1, seed: 1, distortion: 0.5, split: 'test' });
    const size = images.inputs.length / images.length;
    const asked = Array.from({ length: questions }, (_, index) => {
      const label = (index * 37) % classes;
      const image = images.inputs.slice(label * size, (label + 1) * size);
      // Half of the questions are about the class shown, half about another.
      const classId = index % 2 ? (label + 1) % classes : label;
      const answers = models.map((model) => ({ score: model.score(image, classId), matches: model.matches(image, classId) }));
      return { classId, image, json: index % 4 === 0, answers };
    });
    for (const model of models) model.dispose();
    return new Expectations(asked, { questions, classes, inputSize: size });
  }

  constructor(asked, description) {
    this.#questions = asked;
    this.description = description;
    const alike = asked.filter(({ answers: [a, b] }) => close(a.score, b.score));
    if (alike.length > 0) throw new Error(`Expected two models that answer differently but ${alike.length} answers are alike`);
  }

  /**
   * Requests as autocannon takes them.
   *
   * @param {(status: number, answer: 'a' | 'b' | 'neither') => void} onAnswer
   */
  requests(onAnswer) {
    return this.#questions.map(({ classId, image, json, answers }) => ({
      method: 'POST',
      path: `/score/${classId}`,
      headers: { 'content-type': json ? 'application/json' : 'application/octet-stream' },
      body: json ? JSON.stringify({ input: Array.from(image) }) : Buffer.from(image),
      onResponse: (status, body) => onAnswer(status, whose(body, classId, answers)),
    }));
  }
}

/** Scores of one question by another way differ in their last bits. */
const close = (a, b) => Math.abs(a - b) <= 1e-4 * Math.max(1, Math.abs(b));

/** Whose answer this is: score and match of one model, not of both. */
function whose(body, classId, answers) {
  try {
    const answer = JSON.parse(body);
    const index = answers.findIndex(({ score, matches }) => close(answer.scores[0], score) && answer.matches[0] === matches);
    if (answer.class === classId && index >= 0) return /** @type {const} */ (['a', 'b'])[index];
  } catch {
    // Not even an answer.
  }
  return 'neither';
}
