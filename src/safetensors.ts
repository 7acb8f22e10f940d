/**
 * Reads safetensors files: what is in them, and single tensors. Off the event loop; every size and range is checked before use.
 */
import { checkString } from './check.js';
import { native } from './native.js';

/** One tensor of a file. */
export interface SafetensorsEntry {
  name: string;
  /** `'F32'`, `'BF16'`, `'I64'` … */
  dtype: string;
  shape: number[];
}

/** What the header of a file says. */
export interface SafetensorsHeader {
  metadata: Record<string, string>;
  /** In the order of their bytes. */
  tensors: SafetensorsEntry[];
}

declare module './native.js' {
  interface NativeBinding {
    readSafetensorsHeader(path: string): Promise<{ metadata: [string, string][]; tensors: SafetensorsEntry[] }>;
    readSafetensorsTensor(path: string, name: string): Promise<Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array>;
  }
}

/**
 * Reads the header of a safetensors file.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE` if the file cannot be read, `ERR_ONELOGIT_FORMAT` if it is not a valid safetensors file
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const { metadata, tensors } = await native.readSafetensorsHeader(checkString(path, 'path'));
  // Defines '__proto__' as a property like any other.
  return { metadata: Object.fromEntries(metadata), tensors };
}

/**
 * Reads one tensor, row-major: F32, F16, BF16 and F64 as a Float32Array, U8 and BOOL as a Uint8Array, I8 as an Int8Array, I32 as an Int32Array, I64 as a
 * BigInt64Array.
 *
 * @throws OneLogitError `ERR_ONELOGIT_FILE`, `ERR_ONELOGIT_FORMAT` as {@link readSafetensorsHeader}; also if there is no such tensor, or
 * its type is another
 */
export async function readSafetensorsTensor(
  path: string,
  name: string,
): Promise<Float32Array | Uint8Array | Int8Array | Int32Array | BigInt64Array> {
  return native.readSafetensorsTensor(checkString(path, 'path'), checkString(name, 'name'));
}
