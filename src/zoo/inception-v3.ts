import { type Extent, type Layer, layers, type Pixels, type SymbolicTensor } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions } from './network.js';

/**
 * Inception-v3 (Szegedy et al., "Rethinking the inception architecture for computer vision", 2016), with torchvision's names of tensors. The
 * auxiliary classifier, which only training with cross-entropy on 1000 classes has a use for, is left out.
 *
 * @param options - `inputShape`: default [299, 299, 3]
 */
export function inceptionV3(options: NetworkOptions): Model {
  const { classes, inputShape, body, model } = checkNetworkOptions(options, 'zoo.inceptionV3', [299, 299, 3]);
  const conv: Conv = (name, filters, kernel, { stride = 1, padding = 0 } = {}) => [
    ...body([
      layers.conv2d(filters, { kernel, stride, padding, bias: false, name: `${name}.conv` }),
      layers.batchNorm({ epsilon: 0.001, name: `${name}.bn` }),
    ]),
    layers.relu(),
  ];
  const input = layers.input(inputShape);
  let x = input.apply(
    ...conv('Conv2d_1a_3x3', 32, 3, { stride: 2 }),
    ...conv('Conv2d_2a_3x3', 32, 3),
    ...conv('Conv2d_2b_3x3', 64, 3, { padding: 1 }),
    reducingPool(),
    ...conv('Conv2d_3b_1x1', 80, 1),
    ...conv('Conv2d_4a_3x3', 192, 3),
    reducingPool(),
  );
  for (const [letter, pooled] of Object.entries({ b: 32, c: 64, d: 64 })) x = blockA(x, conv, `Mixed_5${letter}`, pooled);
  x = blockB(x, conv, 'Mixed_6a');
  for (const [letter, filters] of Object.entries({ b: 128, c: 160, d: 160, e: 192 })) x = blockC(x, conv, `Mixed_6${letter}`, filters);
  x = blockD(x, conv, 'Mixed_7a');
  for (const letter of ['b', 'c']) x = blockE(x, conv, `Mixed_7${letter}`);
  const output = x.apply(layers.globalAvgPool(), layers.dropout(), layers.dense(classes, { name: 'fc' }));
  return Model.build({ input, output, ...model });
}

/** A convolution without bias, its batch normalisation and relu. */
type Conv = (name: string, filters: number, kernel: Extent, options?: { stride?: number; padding?: Pixels }) => Layer[];

const reducingPool = () => layers.maxPool({ kernel: 3, stride: 2 });
/** Padding counts: the default of torchvision's avg_pool2d. */
const samePool = () => layers.avgPool({ kernel: 3, stride: 1, padding: 1, countPadding: true });

// Kernels of one row, one column, and the padding that keeps the size of the image.
const row = (length: number): [Extent, { padding: Pixels }] => [[1, length], { padding: [0, (length - 1) / 2] }];
const column = (length: number): [Extent, { padding: Pixels }] => [[length, 1], { padding: [(length - 1) / 2, 0] }];

/** 35×35 images: 1×1, 5×5 and two 3×3 convolutions, and a pool. */
function blockA(x: SymbolicTensor, conv: Conv, name: string, pooled: number): SymbolicTensor {
  return layers.concat(
    x.apply(...conv(`${name}.branch1x1`, 64, 1)),
    x.apply(...conv(`${name}.branch5x5_1`, 48, 1), ...conv(`${name}.branch5x5_2`, 64, 5, { padding: 2 })),
    x.apply(
      ...conv(`${name}.branch3x3dbl_1`, 64, 1),
      ...conv(`${name}.branch3x3dbl_2`, 96, 3, { padding: 1 }),
      ...conv(`${name}.branch3x3dbl_3`, 96, 3, { padding: 1 }),
    ),
    x.apply(samePool(), ...conv(`${name}.branch_pool`, pooled, 1)),
  );
}

/** From 35×35 to 17×17. */
function blockB(x: SymbolicTensor, conv: Conv, name: string): SymbolicTensor {
  return layers.concat(
    x.apply(...conv(`${name}.branch3x3`, 384, 3, { stride: 2 })),
    x.apply(
      ...conv(`${name}.branch3x3dbl_1`, 64, 1),
      ...conv(`${name}.branch3x3dbl_2`, 96, 3, { padding: 1 }),
      ...conv(`${name}.branch3x3dbl_3`, 96, 3, { stride: 2 }),
    ),
    x.apply(reducingPool()),
  );
}

/** 17×17 images: 7×7 convolutions as rows and columns, once and twice. */
function blockC(x: SymbolicTensor, conv: Conv, name: string, filters: number): SymbolicTensor {
  return layers.concat(
    x.apply(...conv(`${name}.branch1x1`, 192, 1)),
    x.apply(
      ...conv(`${name}.branch7x7_1`, filters, 1),
      ...conv(`${name}.branch7x7_2`, filters, ...row(7)),
      ...conv(`${name}.branch7x7_3`, 192, ...column(7)),
    ),
    x.apply(
      ...conv(`${name}.branch7x7dbl_1`, filters, 1),
      ...conv(`${name}.branch7x7dbl_2`, filters, ...column(7)),
      ...conv(`${name}.branch7x7dbl_3`, filters, ...row(7)),
      ...conv(`${name}.branch7x7dbl_4`, filters, ...column(7)),
      ...conv(`${name}.branch7x7dbl_5`, 192, ...row(7)),
    ),
    x.apply(samePool(), ...conv(`${name}.branch_pool`, 192, 1)),
  );
}

/** From 17×17 to 8×8. */
function blockD(x: SymbolicTensor, conv: Conv, name: string): SymbolicTensor {
  return layers.concat(
    x.apply(...conv(`${name}.branch3x3_1`, 192, 1), ...conv(`${name}.branch3x3_2`, 320, 3, { stride: 2 })),
    x.apply(
      ...conv(`${name}.branch7x7x3_1`, 192, 1),
      ...conv(`${name}.branch7x7x3_2`, 192, ...row(7)),
      ...conv(`${name}.branch7x7x3_3`, 192, ...column(7)),
      ...conv(`${name}.branch7x7x3_4`, 192, 3, { stride: 2 }),
    ),
    x.apply(reducingPool()),
  );
}

/** 8×8 images: 3×3 convolutions as a row beside a column. */
function blockE(x: SymbolicTensor, conv: Conv, name: string): SymbolicTensor {
  const split = (from: SymbolicTensor, branch: string) =>
    layers.concat(from.apply(...conv(`${name}.${branch}a`, 384, ...row(3))), from.apply(...conv(`${name}.${branch}b`, 384, ...column(3))));
  return layers.concat(
    x.apply(...conv(`${name}.branch1x1`, 320, 1)),
    split(x.apply(...conv(`${name}.branch3x3_1`, 384, 1)), 'branch3x3_2'),
    split(x.apply(...conv(`${name}.branch3x3dbl_1`, 448, 1), ...conv(`${name}.branch3x3dbl_2`, 384, 3, { padding: 1 })), 'branch3x3dbl_3'),
    x.apply(samePool(), ...conv(`${name}.branch_pool`, 192, 1)),
  );
}
