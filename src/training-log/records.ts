/** What a log of a training run consists of: one object a line, in this order for every run. */
import type { Machine } from '../machine.js';

/** A run begins, or one that was stopped is continued (`resumedFrom`): its records then follow those of the same run above it. */
export interface LogStart {
  readonly record: 'start';
  /** Of these records. A release that changes what a field means counts it up; new fields may come without. */
  readonly format: 1;
  /** Of this package. */
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Steps done before. */
  readonly step: number;
  /** The checkpoint that the run is continued from. */
  readonly resumedFrom?: string;
  /** What `fit` was given, by the names of {@link FitOptions}, defaults filled in. */
  readonly options: { readonly [name: string]: unknown };
  readonly model: {
    readonly inputShape: readonly number[];
    readonly classes: number;
    readonly parameters: number;
    readonly layers: number;
    /** `'cpu'` or `'cuda'` */
    readonly device: string;
  };
  readonly dataset: {
    /** Trained on, without those set aside. */
    readonly examples: number;
    /** Set aside, or of the validation dataset. */
    readonly validationExamples: number;
    readonly classes: number;
  };
  readonly machine: Machine;
  /** `notes` of {@link FitOptions}. The command `onelogit train` notes its own options here. */
  readonly notes?: { readonly [name: string]: unknown };
}

/**
 * Means over a stretch of steps. One ends wherever the number of steps is a multiple of `logEverySteps`, at every checkpoint and at the
 * end: every step is in one of them, and loss and accuracy are the same in every run with the same options on the same machine.
 */
export interface LogStep {
  readonly record: 'step';
  /** Steps done: the last of the stretch. */
  readonly step: number;
  /** How many steps the means are over. */
  readonly overSteps: number;
  /** Mean training loss. */
  readonly loss: number;
  /** Share of the examples whose largest logit was the label's; null where not all logits were computed. */
  readonly accuracy: number | null;
  /** Of the last of these steps. */
  readonly learningRate: number;
  /** Since the record before, validation and checkpoints in between included; null where no time has passed. */
  readonly examplesPerSecond: number | null;
  /** Since the run began or was continued. */
  readonly seconds: number;
}

/** The validation part was evaluated. */
export interface LogValidation {
  readonly record: 'validation';
  /** Steps done. */
  readonly step: number;
  /** Mean of the training loss over batches of the validation part. */
  readonly loss: number;
  /** Share of its examples whose largest logit was the label's. */
  readonly accuracy: number;
  /** Since the run began or was continued. */
  readonly seconds: number;
}

/** How the run ended. A run that was killed has none. */
export interface LogEnd {
  readonly record: 'end';
  /** `'interrupted'` by the signal given to `fit`; `'failed'` by any other error. */
  readonly outcome: 'done' | 'interrupted' | 'failed';
  /** ISO 8601, UTC. */
  readonly time: string;
  /** Steps done; of a run that failed, those whose losses are in the log. */
  readonly step: number;
  /** Since the run began or was continued. */
  readonly seconds: number;
  /** As of {@link FitResult}; not of a run that failed. */
  readonly examplesPerSecond?: number;
  readonly finalLoss?: number;
  readonly finalAccuracy?: number | null;
  /** Of a run that failed; `code` is that of the error, if it has one. */
  readonly error?: { readonly code?: string; readonly message: string };
}

/** A line of a log, parsed. */
export type LogRecord = LogStart | LogStep | LogValidation | LogEnd;

/**
 * The step whose validation a run makes anew: a run that was finished and is resumed has nothing left to do but that. Of others it is
 * undefined.
 */
export const repeatedValidation = ({ resumedFrom, step }: LogStart): number | undefined => (resumedFrom === undefined ? undefined : step);
