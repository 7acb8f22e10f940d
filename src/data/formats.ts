/** The formats of `datasets.load`. Whoever never loads data never loads these. */
import { cifar10, cifar100 } from './cifar.js';
import type { DataFormat } from './format.js';
import { idx } from './idx.js';
import { imageFolder } from './image-folder.js';
import { knowledgeGraph } from './knowledge-graph.js';
import { npy } from './npy-pairs.js';
import { sequences } from './sequences.js';
import { svhn } from './svhn.js';
import { text } from './text.js';

/** In the order in which they are tried. */
export const formats: readonly DataFormat[] = [idx, cifar10, cifar100, svhn, npy, knowledgeGraph, sequences, imageFolder, text];
