/** What `fit` takes for keeping a log, checked. */
import { checkInteger, checkString, describe } from '../check.js';
import { typeError } from '../errors.js';

export interface RecordingPlan {
  log?: string;
  tensorboard?: string;
  everySteps: number;
  notes?: Readonly<Record<string, unknown>>;
}

export const defaultLogEverySteps = 50;

/** Undefined where nothing shall be recorded. */
export function checkRecording(given: Record<string, unknown>, what: string): RecordingPlan | undefined {
  const { log, tensorboard, logEverySteps, notes } = given;
  if (log === undefined && tensorboard === undefined) {
    for (const [name, value] of Object.entries({ logEverySteps, notes }))
      if (value !== undefined)
        throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected log or tensorboard with ${name} of ${what} but received neither`);
    return undefined;
  }
  return {
    ...(log === undefined ? {} : { log: checkString(log, `log of ${what}`) }),
    ...(tensorboard === undefined ? {} : { tensorboard: checkString(tensorboard, `tensorboard of ${what}`) }),
    everySteps: logEverySteps === undefined ? defaultLogEverySteps : checkInteger(logEverySteps, `logEverySteps of ${what}`, 1),
    ...(notes === undefined ? {} : { notes: checkNotes(notes, `notes of ${what}`) }),
  };
}

/** A copy, as JSON holds it. */
function checkNotes(notes: unknown, what: string): Record<string, unknown> {
  const refuse = (received: string) =>
    typeError('ERR_ONELOGIT_ARGUMENT', `Expected an object of JSON values for ${what} but received ${received}`);
  let copy: unknown;
  try {
    copy = JSON.parse(JSON.stringify(notes) ?? 'null');
  } catch (error) {
    throw refuse(`one that JSON cannot hold: ${error instanceof Error ? error.message.split('\n')[0] : 'it threw'}`);
  }
  if (typeof notes !== 'object' || typeof copy !== 'object' || copy === null || Array.isArray(copy) || ArrayBuffer.isView(notes))
    throw refuse(describe(notes));
  return copy as Record<string, unknown>;
}
