/** `onelogit info`: what a model file holds, or what this machine offers. */
import type { BackendInfo } from '../backend.js';
import { lossText } from '../loss-text.js';
import type { ModelFileDescription } from '../model-file.js';
import { trainingFacts } from '../training-text.js';
import { defineCommand } from './command.js';
import { count } from './output.js';

export const command = defineCommand(
  {
    name: 'info',
    summary: 'what a model file holds, or what this machine offers',
    description:
      'Without MODEL: version, processor, matrix products, instruction set, threads, GPUs. With MODEL: also its layers, how it was trained and its thresholds.',
    positionals: [{ name: 'MODEL', help: 'a model file', optional: true }],
    options: {},
    examples: [
      ['onelogit info', 'the machine'],
      ['onelogit info model.safetensors', 'a model'],
      ['onelogit info --json', 'for a program, or for a bug report'],
    ],
  },
  async ({ positionals: [path], output }) => {
    const [{ backendInfo }, { describeMachine }, { describeModelFile }] = await Promise.all([
      import('../index.js'),
      import('../machine.js'),
      import('../model-file.js'),
    ]);
    const backend = backendInfo();
    const machine = describeMachine();
    const model = path === undefined ? undefined : { path, ...(await describeModelFile(path)) };
    output.result({ ...backend, machine, ...(model === undefined ? {} : { model: modelJson(model) }) }, () => {
      const { cpu, cuda } = backend;
      const lines: [string, string][] = [
        ['onelogit', `${backend.version}, Node ${machine.node}, ${machine.system}`],
        ['processor', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
        ['computes with', `${cpu.blas} matrix products, ${cpu.simd}, ${cpu.threads} threads`],
        ['GPU', gpuText(cuda)],
      ];
      return [...(model === undefined ? [] : [modelText(model), '']), columns(lines)].join('\n');
    });
  },
);

function gpuText(cuda: BackendInfo['cuda']): string {
  if (!cuda.available) return `not used: ${cuda.reason}`;
  const devices = cuda.devices.map(({ name, memoryGiB }) => `${name}, ${memoryGiB} GiB`).join('; ');
  return `${devices} (CUDA ${cuda.runtime}, driver for ${cuda.driver}, ${cuda.cublas})`;
}

function columns(lines: readonly (readonly [string, string])[]): string {
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

type DescribedModel = ModelFileDescription & { path: string };

function modelJson({ path, metadata, ...described }: DescribedModel) {
  const { inputShape, layers, seed, loss, biasInit, preprocessing, split, training } = metadata;
  return { path, inputShape, ...described, layers, seed, loss, aligned: loss?.aligned ?? null, biasInit, preprocessing, split, training };
}

function modelText(model: DescribedModel): string {
  const { loss, split, inputShape, training } = model.metadata;
  const trained =
    loss === null
      ? 'not trained here'
      : `${lossText(loss)}; ${loss.aligned ? 'aligned with logit separation' : 'not aligned with logit separation: one logit tells less'}`;
  const facts = columns([
    ['model', model.path],
    ['answers', `${count(model.classes)} classes${model.classNames ? ', with names' : ''}, from ${inputShape.join(' × ')} inputs`],
    ['parameters', count(model.parameters)],
    ['storage', `${model.storage}, of the class matrix of ${count(model.classes)} × ${count(model.features)}`],
    ['loss', trained],
    ...(training === null ? [] : trainingFacts(training).map(([name, value]) => [name.toLowerCase(), value] as const)),
    ['validation', split === null ? 'none set aside' : `${split.fraction} of ${count(split.length)} examples, seed ${split.seed}`],
    ['thresholds', model.calibrated ? `${count(model.classes)}` : 'none (onelogit calibrate finds them)'],
  ]);
  return `${facts}\n\n${model.summary}`;
}
