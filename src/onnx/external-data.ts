/**
 * Large tensors in a file beside the graph (https://github.com/onnx/onnx/blob/main/docs/ExternalData.md): a message of Protocol Buffers has at most
 * 2 GiB.
 */
import type { NativeSegment } from '../native-model.js';
import type { ExternalPlace, OnnxInitializer } from './messages.js';

/** Bytes of a message, at most: its length is an int32 to its readers. */
export const largestMessage = 2 ** 31 - 1;
/** Smaller tensors stay in the graph. */
const smallest = 1024;
/** Tensors begin at pages, so that runtimes can map them. */
const page = 4096;

export interface ExternalData {
  /** By the names of initializers. */
  readonly places: ReadonlyMap<string, ExternalPlace>;
  /** The file from its beginning to its end. */
  readonly segments: readonly NativeSegment[];
}

/** Puts what is large of these into a file `location`. */
export function placeExternally(initializers: readonly OnnxInitializer[], location: string): ExternalData {
  const places = new Map<string, ExternalPlace>();
  const segments: NativeSegment[] = [];
  let end = 0;
  for (const { name, data } of initializers) {
    if (data.byteLength < smallest) continue;
    const gap = (page - (end % page)) % page;
    if (gap > 0) segments.push(new Uint8Array(gap));
    places.set(name, { location, offset: end + gap, length: data.byteLength });
    segments.push(data);
    end += gap + data.byteLength;
  }
  return { places, segments };
}
