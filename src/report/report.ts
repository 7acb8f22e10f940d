/** The report that `model.evaluate` writes. */
import { type CalibrationRecord, checkTarget, examplesNeeded } from '../calibration.js';
import { checkFloat32Array, checkInt32Array, checkOptions, checkString } from '../check.js';
import { rangeError } from '../errors.js';
import type { Evaluation } from '../evaluate.js';
import { describeMachine } from '../machine.js';
import type { ModelState } from '../model-state.js';
import type { NativeEvaluationDetails, NativeModel } from '../native-model.js';
import { shortName } from '../short-name.js';
import { version } from '../version.js';
import { checkWritable } from '../writable.js';
import { readAssets } from './assets.js';
import { calibrationResult } from './calibration-section.js';
import { reportDocument } from './document.js';
import { reportData } from './report-data.js';
import { writeWhole } from './write-file.js';

/** Where the report of an evaluation goes, and what only the caller knows of it. */
export interface ReportOptions {
  /** Of the HTML file: written beside it, then renamed. */
  path: string;
  /** What the model is called. Default `'model'`. */
  model?: string | undefined;
  /** What the data is called. Default `'dataset'`. */
  data?: string | undefined;
  /** Thresholds of all classes ({@link SingleLogitClassifier.thresholds}), whose results are to be in it; null or absent: none. */
  thresholds?: Float32Array | null | undefined;
  /** What the thresholds were chosen by ({@link SingleLogitClassifier.calibration}): tells whose lean on all classes together. */
  calibration?: CalibrationRecord | null | undefined;
  /** How it was made, to be repeated. */
  command?: string | undefined;
}

const names = ['path', 'model', 'data', 'thresholds', 'calibration', 'command'];

/** A report that can be written: everything that could fail beforehand has been looked at. */
export interface PreparedReport {
  readonly thresholds: Float32Array | undefined;
  write(
    evaluation: Evaluation,
    details: NativeEvaluationDetails,
    run: { state: ModelState; native: NativeModel; seed: number },
  ): Promise<void>;
}

/**
 * @param what - of the option, for messages
 * @throws OneLogitError `ERR_ONELOGIT_DEPENDENCY` where uplot is not installed, `ERR_ONELOGIT_FILE` where the file cannot be put
 */
export async function prepareReport(options: unknown, classes: number, what: string): Promise<PreparedReport> {
  const given = typeof options === 'string' ? { path: options } : checkOptions(options, names, what);
  const text = (name: 'model' | 'data' | 'command') =>
    given[name] === undefined ? undefined : checkString(given[name], `${name} of ${what}`);
  const path = checkString(given.path, `path of ${what}`);
  const thresholds = given.thresholds == null ? undefined : checkThresholds(given.thresholds, classes, `thresholds of ${what}`);
  const called = { model: text('model') ?? 'model', data: text('data') ?? 'dataset', command: text('command') };
  const calibration = given.calibration == null ? undefined : checkCalibration(given.calibration, classes, `calibration of ${what}`);
  const fallback = calibration && Array.from(calibration.examples, (examples) => examples < examplesNeeded(calibration));
  const assets = await readAssets();
  checkWritable(path, what);
  return {
    thresholds,
    async write(full, details, { state, native, seed }) {
      const evaluation = withShortNames(full);
      const subject = {
        ...called,
        metadata: state,
        parameters: native.parameterCount,
        device: native.device,
        seed,
        date: new Date().toISOString(),
        version,
        machine: describeMachine(),
      };
      const contents = {
        subject,
        evaluation,
        data: reportData(evaluation, details, thresholds, fallback),
        confusions: details.confusions,
        calibration: details.atThresholds ? calibrationResult(evaluation, details.atThresholds, calibration) : null,
      };
      await writeWhole(path, reportDocument(contents, assets), what);
    },
  };
}

/** A name may be as long as a book, and is in a report in many places. */
function withShortNames(evaluation: Evaluation): Evaluation {
  const perClass = evaluation.perClass.map((one) => (one.name === undefined ? one : { ...one, name: shortName(one.name) }));
  return { ...evaluation, perClass };
}

function checkThresholds(value: unknown, classes: number, what: string): Float32Array {
  const thresholds = checkFloat32Array(value, what, classes).slice();
  const none = thresholds.findIndex(Number.isNaN);
  if (none >= 0)
    throw rangeError(
      'ERR_ONELOGIT_NOT_FINITE',
      `Expected numbers for ${what} but received NaN for class ${none}: calibrate the model anew`,
    );
  return thresholds;
}

function checkCalibration(value: unknown, classes: number, what: string): CalibrationRecord {
  const { recall, precision, examples } = checkOptions(value, ['recall', 'precision', 'examples'], what);
  const { measure, value: wanted } = checkTarget({ recall, precision }, what, true).target!;
  return { [measure]: wanted, examples: checkInt32Array(examples, `examples of ${what}`, classes).slice() };
}
