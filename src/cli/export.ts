/** `onelogit export`: a model as a graph that other runtimes compute. */
import { resolve } from 'node:path';
import type { OnnxTensorInfo } from '../index.js';
import { checkWritable } from '../writable.js';
import { defineCommand } from './command.js';
import { choice, flag, text } from './options.js';
import { table } from './output.js';
import { watchedWriting } from './steady.js';
import { UsageError } from './usage.js';

const options = {
  out: text('where the graph goes; an existing file is replaced', 'FILE'),
  format: choice('of the file', ['onnx'], 'onnx'),
  part: choice(
    'the whole model; the trunk, all layers before the last, which makes embeddings; or the head, the last layer, which takes them',
    ['model', 'trunk', 'head'],
    'model',
  ),
  'single-logit': flag('ask about one class of each example: a second input class_ids, and only the rows of those classes are read'),
  embedding: flag('the embedding as another output of the whole model'),
  'external-data': flag('put large tensors into FILE.data beside the graph (always done above 2 GiB)'),
};

export const command = defineCommand(
  {
    name: 'export',
    summary: 'write a model as an ONNX graph for other runtimes',
    description:
      'Writes an ONNX graph that computes what the model computes: input in the raw units of the training data (preprocessing is part of the ' +
      'graph), logits, and, of a calibrated model, whether they match. A class matrix in bfloat16 or int8 stays so.',
    positionals: [{ name: 'MODEL', help: 'a model file' }],
    options,
    examples: [
      ['onelogit export model.safetensors --out model.onnx', 'all logits'],
      ['onelogit export model.safetensors --single-logit --out one.onnx', 'one logit for each pair of an example and a class'],
      ['onelogit export model.safetensors --part trunk --out trunk.onnx', 'embeddings, for a head of another size'],
    ],
  },
  async ({ values, positionals, output }) => {
    const [path] = positionals as [string];
    const { out, format, part, embedding, 'single-logit': singleLogit, 'external-data': externalData } = values;
    if (out === undefined) throw new UsageError('Expected --out FILE but received nothing');
    if (singleLogit && part === 'trunk')
      throw new UsageError('Expected --single-logit with --part model or head but received trunk, which has no logits');
    if (embedding && part !== 'model') throw new UsageError(`Expected --embedding with --part model but received ${part}`);
    if (resolve(out) === resolve(path)) throw new UsageError(`Expected another file than MODEL for --out but received ${out} for both`);
    checkWritable(out, '--out');
    const { exportOnnx } = await import('../index.js');
    const result = await watchedWriting(out, (onProgress) =>
      exportOnnx(path, out, { part, singleLogit, embedding, externalData, onProgress }),
    );
    output.result({ format, part, singleLogit, ...result }, () =>
      [
        `${result.files.join(' and ')}: ${(result.bytes / 1e6).toFixed(2)} MB, ONNX operators of version ${result.opset}`,
        '',
        table(['', 'name', 'type', 'shape'], [...rows('input', result.inputs), ...rows('output', result.outputs)]),
      ].join('\n'),
    );
  },
);

const rows = (kind: string, list: readonly OnnxTensorInfo[]) => list.map(({ name, type, shape }) => [kind, name, type, shape.join(' × ')]);
