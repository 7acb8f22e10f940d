/** The table that {@link Model.summary} returns. */
import { hasTensors, inputsOf, type Layer, tensorPrefix } from './layers/index.js';
import type { NativeTensor } from './native-model.js';
import { shapeSize } from './shape.js';

interface Column {
  title: string;
  cells: string[];
  align: 'left' | 'right';
}

/** What a model is made of, or a file says that it is. */
export interface SummarySource {
  readonly tensors: readonly NativeTensor[];
  /** Shape of one example after each layer. */
  readonly outputShapes: readonly (readonly number[])[];
  /** Where a model computes; absent for a file. */
  readonly device?: string;
}

export function summaryOf(layers: readonly Layer[], source: SummarySource): string {
  const parameters = parametersByPrefix(source.tensors);
  const counts = layers.map((layer, index) => parameters.get(tensorPrefix(layer, index)) ?? 0);
  const isFrozen = (layer: Layer) => hasTensors(layer) && layer.frozen === true;
  const column = (title: string, align: Column['align'], cell: (layer: Layer, index: number) => string): Column => ({
    title,
    cells: layers.map(cell),
    align,
  });
  const columns = [
    column('', 'right', (_, index) => `${index}`),
    column('layer', 'left', described),
    ...ifAny(column('name', 'left', (layer) => (hasTensors(layer) && layer.name) || '')),
    ...ifAny(column('inputs', 'left', (layer, index) => (layer.inputs ? inputsOf(layer, index).map(inputName).join(', ') : ''))),
    column('output', 'left', (_, index) => (source.outputShapes[index] as number[]).join(' × ')),
    column('parameters', 'right', (_, index) => (counts[index] as number).toLocaleString('en')),
    ...ifAny(column('', 'left', (layer) => (isFrozen(layer) ? 'frozen' : ''))),
  ];
  const total = counts.reduce((sum, count) => sum + count, 0);
  const frozen = counts.reduce((sum, count, index) => (isFrozen(layers[index] as Layer) ? sum + count : sum), 0);
  const trainable = `${(total - frozen).toLocaleString('en')} trainable parameters${frozen > 0 ? ` of ${total.toLocaleString('en')}` : ''}`;
  return [...lines(columns), source.device === undefined ? trainable : `${trainable} on ${source.device}`].join('\n');
}

/** 'conv2d 7×7/2': the type, and where there are windows their pixels and what they move by, if it is not one pixel. */
function described(layer: Layer): string {
  if (!('kernel' in layer)) return layer.type;
  const stride = layer.stride.every((pixels) => pixels === layer.stride[0]) ? `${layer.stride[0]}` : layer.stride.join('×');
  return `${layer.type} ${layer.kernel.join('×')}${stride === '1' ? '' : `/${stride}`}`;
}

const inputName = (input: number) => (input < 0 ? 'input' : `${input}`);

/** Of every layer, frozen or not; the key is what its tensors' names begin with. Running statistics are no parameters. */
function parametersByPrefix(tensors: readonly NativeTensor[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { name, shape } of tensors) {
    const prefix = name.slice(0, name.lastIndexOf('.') + 1);
    if (!/\.running_(mean|var)$/.test(name)) sums.set(prefix, (sums.get(prefix) ?? 0) + shapeSize(shape));
  }
  return sums;
}

const ifAny = (column: Column): Column[] => (column.cells.some((cell) => cell !== '') ? [column] : []);

function lines(columns: readonly Column[]): string[] {
  const padded = columns.map(({ title, cells, align }) => {
    const width = Math.max(title.length, ...cells.map((cell) => cell.length));
    return [title, ...cells].map((cell) => (align === 'left' ? cell.padEnd(width) : cell.padStart(width)));
  });
  return (padded[0] as string[]).map((_, row) =>
    padded
      .map((cells) => cells[row])
      .join('  ')
      .trimEnd(),
  );
}
