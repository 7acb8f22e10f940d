import { type Layer, layers, type SymbolicTensor } from '../layers/index.js';
import { Model } from '../model.js';
import { checkNetworkOptions, type NetworkOptions } from './network.js';

/**
 * ResNet-50 (He et al., "Deep residual learning for image recognition", 2016), with torchvision's names of tensors and, as there, the
 * stride of a block in its 3×3 convolution instead of the first 1×1 one (known as version 1.5).
 *
 * @param options - `inputShape`: default [224, 224, 3]
 */
export function resnet50(options: NetworkOptions): Model {
  return resnet(options, 'zoo.resnet50', [3, 4, 6, 3]);
}

/**
 * ResNet-101: {@link resnet50} with 23 blocks instead of 6 in its third stage.
 *
 * @param options - `inputShape`: default [224, 224, 3]
 */
export function resnet101(options: NetworkOptions): Model {
  return resnet(options, 'zoo.resnet101', [3, 4, 23, 3]);
}

type Body = (list: readonly Layer[]) => Layer[];

/** Filters at the end of a block, for each filter of its first two convolutions. */
const expansion = 4;

/** A convolution without bias and its batch normalisation. */
const conv = (convName: string, normName: string, filters: number, kernel: number, stride = 1): Layer[] => [
  layers.conv2d(filters, { kernel, stride, padding: (kernel - 1) / 2, bias: false, name: convName }),
  layers.batchNorm({ name: normName }),
];

function resnet(options: NetworkOptions, what: string, blocksOfStages: readonly number[]): Model {
  const { classes, inputShape, body, model } = checkNetworkOptions(options, what, [224, 224, 3]);
  const input = layers.input(inputShape);
  let x = input.apply(...body(conv('conv1', 'bn1', 64, 7, 2)), layers.relu(), layers.maxPool({ kernel: 3, stride: 2, padding: 1 }));
  for (const [stage, blocks] of blocksOfStages.entries())
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      x = bottleneck(x, `layer${stage + 1}.${block}`, 64 * 2 ** stage, stride, block === 0, body);
    }
  return Model.build({ input, output: x.apply(layers.globalAvgPool(), layers.dense(classes, { name: 'fc' })), ...model });
}

/** 1×1, 3×3 and 1×1 convolutions, added to their input; the first block of a stage brings that to the same shape. */
function bottleneck(x: SymbolicTensor, name: string, filters: number, stride: number, projects: boolean, body: Body): SymbolicTensor {
  const residual = x.apply(
    ...body(conv(`${name}.conv1`, `${name}.bn1`, filters, 1)),
    layers.relu(),
    ...body(conv(`${name}.conv2`, `${name}.bn2`, filters, 3, stride)),
    layers.relu(),
    ...body(conv(`${name}.conv3`, `${name}.bn3`, expansion * filters, 1)),
  );
  const shortcut = projects ? x.apply(...body(conv(`${name}.downsample.0`, `${name}.downsample.1`, expansion * filters, 1, stride))) : x;
  return layers.add(residual, shortcut).apply(layers.relu());
}
