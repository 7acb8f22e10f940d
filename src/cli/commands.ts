import type { Command } from './command.js';

/** Every command, in the order in which help lists them; the file of one is loaded when it is asked for. */
export const commands: readonly { name: string; summary: string; load: () => Promise<{ command: Command }> }[] = [
  { name: 'quickstart', summary: 'see it work, in about a minute', load: () => import('./quickstart.js') },
  { name: 'train', summary: 'train a network on a directory of data and save it', load: () => import('./train.js') },
  { name: 'evaluate', summary: 'measure how well single logits tell the classes', load: () => import('./evaluate.js') },
  { name: 'calibrate', summary: 'choose a threshold for every class and store it in the model', load: () => import('./calibrate.js') },
  { name: 'convert', summary: 'store the class matrix in fewer bytes', load: () => import('./convert.js') },
  { name: 'export', summary: 'write a model as an ONNX graph for other runtimes', load: () => import('./export.js') },
  { name: 'score', summary: 'ask whether an example belongs to a class', load: () => import('./score.js') },
  { name: 'info', summary: 'what a model file holds, or what this machine offers', load: () => import('./info.js') },
  { name: 'download', summary: 'fetch a data set, checked against its checksums', load: () => import('./download.js') },
  { name: 'reproduce', summary: 'train what the paper trained, and print its tables beside ours', load: () => import('./reproduce.js') },
];
