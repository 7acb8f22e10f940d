/**
 * Where public data sets come from, and what has to arrive. A file counts only if its SHA-256 is the one here, so a mirror may be anybody's
 * and the connection need not be encrypted.
 */

/** A file to fetch. */
export interface RemoteFile {
  name: string;
  bytes: number;
  sha256: string;
}

export interface CatalogueEntry {
  /** Where each file is found by its name, in the order in which they are asked. */
  mirrors: readonly string[];
  files: readonly RemoteFile[];
  /** Of an archive (.tar.gz): the members that are kept, under their base names; the archive itself is removed. */
  members?: readonly Member[];
}

/** A member of an archive. Without `bytes`, a text of any length up to 64 KiB. */
export interface Member {
  name: string;
  bytes?: number;
}

/** A data set that {@link download} knows. */
export type DownloadName = 'mnist' | 'cifar10' | 'cifar100' | 'svhn';

// Checksums: of mnist, from files whose MD5 values are the published ones; of cifar10 and cifar100, as red-datasets and MLDatasets.jl
// publish them, of archives with the MD5 values of the authors' page; of svhn, as TorchVision's prototype publishes them.
export const catalogue: Readonly<Record<DownloadName, CatalogueEntry>> = {
  mnist: {
    mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/', 'https://storage.googleapis.com/cvdf-datasets/mnist/'],
    files: [
      {
        name: 'train-images-idx3-ubyte.gz',
        bytes: 9_912_422,
        sha256: '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
      },
      {
        name: 'train-labels-idx1-ubyte.gz',
        bytes: 28_881,
        sha256: '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
      },
      {
        name: 't10k-images-idx3-ubyte.gz',
        bytes: 1_648_877,
        sha256: '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
      },
      {
        name: 't10k-labels-idx1-ubyte.gz',
        bytes: 4_542,
        sha256: 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
      },
    ],
  },
  cifar10: {
    mirrors: ['https://www.cs.toronto.edu/~kriz/'],
    files: [
      {
        name: 'cifar-10-binary.tar.gz',
        bytes: 170_052_171,
        sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
      },
    ],
    members: [
      { name: 'batches.meta.txt' },
      ...[1, 2, 3, 4, 5].map((batch) => ({ name: `data_batch_${batch}.bin`, bytes: 30_730_000 })),
      { name: 'test_batch.bin', bytes: 30_730_000 },
    ],
  },
  cifar100: {
    mirrors: ['https://www.cs.toronto.edu/~kriz/'],
    files: [
      {
        name: 'cifar-100-binary.tar.gz',
        bytes: 168_513_733,
        sha256: '58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec',
      },
    ],
    members: [
      { name: 'fine_label_names.txt' },
      { name: 'coarse_label_names.txt' },
      { name: 'train.bin', bytes: 153_700_000 },
      { name: 'test.bin', bytes: 30_740_000 },
    ],
  },
  svhn: {
    mirrors: ['http://ufldl.stanford.edu/housenumbers/'],
    files: [
      {
        name: 'train_32x32.mat',
        bytes: 182_040_794,
        sha256: '435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8',
      },
      {
        name: 'test_32x32.mat',
        bytes: 64_275_384,
        sha256: 'cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b',
      },
    ],
  },
};
