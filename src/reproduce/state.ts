/**
 * What a reproduction has done so far, one file for each loss, so that an interrupted one goes on where it stopped. A file
 * made by another recipe or of other data, or damaged, counts as absent.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../dataset.js';
import type { LossName, Measures } from './paper.js';
import type { Recipe } from './recipe.js';

export interface Candidate {
  learningRate: number;
  /** On the validation part; undefined when the loss stopped being finite, which rules the candidate out, and when it is the only one. */
  accuracy?: number;
  /** Why it is out. */
  out?: string;
}

export interface Scored extends Measures {
  accuracy: number;
  misorderedPairs: number;
}

export interface LossResult {
  learningRate: number;
  candidates: Candidate[];
  steps: number;
  /** Of the final training; where it was resumed, of its last part. */
  seconds: number;
  /** Whether it went on from the checkpoint of an interrupted run. */
  resumed: boolean;
  examplesPerSecond: number;
  finalLoss: number;
  biasInit: string;
  parameters: number;
  device: 'cpu' | 'cuda';
  singleLogit: Scored;
  softmax: Scored;
}

export interface LossState<R = Recipe, Result = LossResult> {
  recipe: R;
  /** {@link fingerprintOf} the data. */
  data?: string;
  candidates: Candidate[];
  result?: Result;
}

/** Tells data from other data under the same names of files, as those of MNIST and Fashion-MNIST: by the labels of all parts. */
export function fingerprintOf(parts: readonly Dataset[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(`${part.length} examples of ${part.classes} classes\n`);
    const { labels } = part as { labels?: Int32Array }; // streams from files have them, too
    if (labels) hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  }
  return hash.digest('hex');
}

export class StateDirectory<R = Recipe, Result = LossResult> {
  /** @param data - {@link fingerprintOf} the data; undefined: it does not matter */
  constructor(
    readonly path: string,
    readonly recipe: R,
    readonly data?: string,
  ) {}

  checkpoint(loss: LossName): string {
    return join(this.path, `${loss}.checkpoint.safetensors`);
  }

  model(loss: LossName): string {
    return join(this.path, `${loss}.safetensors`);
  }

  async read(loss: LossName): Promise<LossState<R, Result>> {
    const fresh: LossState<R, Result> = { recipe: this.recipe, candidates: [] };
    try {
      const state = JSON.parse(await readFile(join(this.path, `${loss}.json`), 'utf8')) as LossState<R, Result>;
      // What is not known of one is as it is of the other.
      const same = JSON.stringify(state.recipe) === JSON.stringify(this.recipe) && (state.data ?? this.data) === (this.data ?? state.data);
      return same && Array.isArray(state.candidates) ? state : fresh;
    } catch {
      return fresh;
    }
  }

  /** Replaces the file by renaming, so that it is always whole. */
  async write(loss: LossName, state: LossState<R, Result>): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const path = join(this.path, `${loss}.json`);
    const temporary = `${path}.${process.pid}.tmp`;
    await writeFile(temporary, `${JSON.stringify({ ...state, data: this.data ?? state.data }, undefined, 2)}\n`);
    await rename(temporary, path);
  }

  async dropCheckpoint(loss: LossName): Promise<void> {
    await rm(this.checkpoint(loss), { force: true });
  }
}
