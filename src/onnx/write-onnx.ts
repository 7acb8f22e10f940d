/** Writes what {@link exportOnnx} was asked for. */
import { basename } from 'node:path';
import type { NativeComposedFile } from '../native-model.js';
import { type WriteProgress, watchWriting } from '../write-progress.js';
import type { OnnxExport, OnnxTensorInfo } from './export-onnx.js';
import { largestMessage, placeExternally } from './external-data.js';
import { modelMessage, type OnnxModel, type OnnxValue, operatorSetVersion } from './messages.js';
import { type GraphOptions, type ModelParts, modelGraph } from './model-graph.js';

/** What describes a model now, and what writes files with its tensors as they are now. */
export interface WritableParts extends ModelParts {
  writeFiles(files: readonly NativeComposedFile[]): Promise<void>;
}

/** How files are written, whatever is in them. */
export interface Writing {
  externalData: boolean;
  onProgress: ((progress: WriteProgress) => void) | undefined;
}

/** Writes the graph of a model. */
export async function writeOnnx(
  source: WritableParts,
  path: string,
  options: GraphOptions,
  { externalData, onProgress }: Writing,
): Promise<OnnxExport> {
  const model = modelGraph(source, options);
  const files = filesOf(model, path, externalData);
  const info = ({ name, type, shape }: OnnxValue) => Object.freeze({ name, type, shape: Object.freeze([...shape]) }) as OnnxTensorInfo;
  const bytes = files.flatMap(({ segments }) => segments).reduce((sum, { byteLength }) => sum + byteLength, 0);
  await watchWriting(
    files.map((file) => file.path),
    onProgress,
    () => source.writeFiles(files),
    bytes,
  );
  return {
    // The graph first; it is written last.
    files: files.map((file) => file.path).reverse(),
    bytes,
    opset: operatorSetVersion,
    inputs: model.inputs.map(info),
    outputs: model.outputs.map(info),
  };
}

/** What to write, in the order in which files take their places: tensors before the graph that refers to them. */
export function filesOf(model: OnnxModel, path: string, externalData: boolean): NativeComposedFile[] {
  const whole = modelMessage(model, new Map());
  if (!externalData && whole.byteLength <= largestMessage) return [{ path, segments: whole.pieces() }];
  const dataPath = `${path}.data`;
  const { places, segments } = placeExternally(model.initializers, basename(dataPath));
  const graph: NativeComposedFile = { path, segments: modelMessage(model, places).pieces() };
  return segments.length === 0 ? [graph] : [{ path: dataPath, segments }, graph];
}
