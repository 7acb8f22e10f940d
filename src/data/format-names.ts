/** The formats that `datasets.load` knows. */
export type FormatName = 'idx' | 'cifar10' | 'cifar100' | 'svhn' | 'npy' | 'knowledge-graph' | 'sequences' | 'image-folder' | 'text';

/** Without their readers: the command line lists them. */
export const formatNames: readonly FormatName[] = [
  'idx',
  'cifar10',
  'cifar100',
  'svhn',
  'npy',
  'knowledge-graph',
  'sequences',
  'image-folder',
  'text',
];
