/**
 * How the learning rate changes over a `fit`, as a multiple of the optimizer's `learningRate` at each step (counted from 0).
 */
import { checkInteger, checkNumber, checkOptions, describe } from './check.js';
import { typeError } from './errors.js';

/** {@link schedules.constant} */
export interface ConstantSchedule {
  readonly name: 'constant';
}

/** {@link schedules.step} */
export interface StepSchedule {
  readonly name: 'step';
  readonly every: number;
  readonly factor: number;
}

/** {@link schedules.cosine} */
export interface CosineSchedule {
  readonly name: 'cosine';
  readonly steps?: number;
  readonly minimum: number;
}

/** {@link schedules.warmup} */
export interface WarmupSchedule {
  readonly name: 'warmup';
  readonly steps: number;
  /** What follows the rise. */
  readonly next: ConstantSchedule | StepSchedule | CosineSchedule;
}

/** Any schedule, as `schedules.*` returns it. */
export type Schedule = ConstantSchedule | StepSchedule | CosineSchedule | WarmupSchedule;

/** The optimizer's learning rate throughout. */
function constant(): ConstantSchedule {
  return Object.freeze({ name: 'constant' });
}

/**
 * factor^⌊step / every⌋.
 *
 * @param options - `every`: steps; `factor`: in (0, 1] (default 0.1)
 */
function step(options: { every: number; factor?: number | undefined }): StepSchedule {
  const { every, factor = 0.1 } = checkOptions(options, ['every', 'factor'], 'schedules.step');
  return Object.freeze({
    name: 'step',
    every: checkInteger(every, 'every of schedules.step', 1),
    factor: checkNumber(factor, 'factor of schedules.step', { least: 0, most: 1, exclusive: true }),
  });
}

/**
 * Half a cosine from 1 to `minimum` (Loshchilov and Hutter 2017, without restarts):
 * minimum + (1 − minimum) · (1 + cos(π · step / steps)) / 2, then `minimum`.
 *
 * @param options - `steps`: its length (default: what is left of the fit); `minimum`: the last multiple, in [0, 1] (default 0)
 */
function cosine(options?: { steps?: number | undefined; minimum?: number | undefined }): CosineSchedule {
  const { steps, minimum = 0 } = checkOptions(options, ['steps', 'minimum'], 'schedules.cosine');
  return Object.freeze({
    name: 'cosine',
    ...(steps === undefined ? {} : { steps: checkInteger(steps, 'steps of schedules.cosine', 1) }),
    minimum: checkNumber(minimum, 'minimum of schedules.cosine', { least: 0, most: 1 }),
  });
}

/**
 * Rises linearly over the first `steps` steps, (step + 1) / steps, then follows another schedule as if it began there.
 *
 * @param options - `steps`: length of the rise
 * @param then - what follows (default: constant)
 */
function warmup(options: { steps: number }, then: ConstantSchedule | StepSchedule | CosineSchedule = constant()): WarmupSchedule {
  const { steps } = checkOptions(options, ['steps'], 'schedules.warmup');
  // Before its own argument is looked at: one from a file may be any number of them deep.
  if ((then as Schedule | null)?.name === 'warmup')
    throw typeError(
      'ERR_ONELOGIT_ARGUMENT',
      'Expected a schedule without a warm-up of its own for the second argument of schedules.warmup',
    );
  const next = checkSchedule(then, 'the second argument of schedules.warmup') as ConstantSchedule | StepSchedule | CosineSchedule;
  return Object.freeze({ name: 'warmup', steps: checkInteger(steps, 'steps of schedules.warmup', 1), next });
}

/**
 * The schedules of `fit`.
 *
 * @namespace
 */
export const schedules = {
  /** @function */
  constant,
  /** @function */
  step,
  /** @function */
  cosine,
  /** @function */
  warmup,
} as const;

/** A schedule from outside, through the same checks as `schedules.*`. */
export function checkSchedule(value: unknown, what: string): Schedule {
  const { name, ...options } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  switch (name) {
    case 'constant':
      checkOptions(options, [], 'schedules.constant');
      return constant();
    case 'step':
      return step(options as unknown as Parameters<typeof step>[0]);
    case 'cosine':
      return cosine(options);
    case 'warmup': {
      const { next, ...rest } = options;
      return warmup(rest as unknown as Parameters<typeof warmup>[0], next as ConstantSchedule | undefined);
    }
    default:
      throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected a schedule made by schedules.* for ${what} but received ${describe(value)}`);
  }
}
