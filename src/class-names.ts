/**
 * Names of classes as a model file keeps them: the UTF-8 of all of them in one run of bytes, and where each begins. A million names
 * cost what their bytes cost, and are decoded when asked for.
 */
import { OneLogitError } from './errors.js';

/** `offsets` has one element more than there are names: name i is `bytes[offsets[i] … offsets[i + 1])`. */
export interface EncodedNames {
  readonly bytes: Uint8Array;
  readonly offsets: BigInt64Array;
}

/** Encodes names; a lone surrogate becomes U+FFFD, as everywhere in UTF-8. */
export function encodeNames(names: readonly string[]): EncodedNames {
  const encoder = new TextEncoder();
  const offsets = new BigInt64Array(names.length + 1);
  let bytes = new Uint8Array(Math.max(64, names.length * 16));
  let used = 0;
  for (const [index, name] of names.entries()) {
    // A UTF-16 unit takes at most three bytes.
    if (used + name.length * 3 > bytes.length) {
      const larger = new Uint8Array(Math.max(bytes.length * 2, used + name.length * 3));
      larger.set(bytes.subarray(0, used));
      bytes = larger;
    }
    used += encoder.encodeInto(name, bytes.subarray(used)).written;
    offsets[index + 1] = BigInt(used);
  }
  return { bytes: bytes.slice(0, used), offsets };
}

/** As native code takes them. */
export function nativeNames({ bytes, offsets }: EncodedNames): { bytes: Uint8Array; offsets: Uint8Array } {
  return { bytes, offsets: new Uint8Array(offsets.buffer, offsets.byteOffset, offsets.byteLength) };
}

/** As native code gives them. */
export function fromNativeNames({ bytes, offsets }: { bytes: Uint8Array; offsets: Uint8Array }): EncodedNames {
  return { bytes, offsets: new BigInt64Array(offsets.buffer, offsets.byteOffset, offsets.byteLength / 8) };
}

/** All names. */
export function decodeNames({ bytes, offsets }: EncodedNames): string[] {
  // A name may begin with U+FEFF, which would otherwise be taken for a byte order mark and dropped.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return Array.from({ length: offsets.length - 1 }, (_, index) =>
    decoder.decode(bytes.subarray(Number(offsets[index]), Number(offsets[index + 1]))),
  );
}

/** Checks names read from a file: one for each class, offsets that ascend from 0 to the number of bytes. */
export function checkEncodedNames(names: EncodedNames, classes: number, file: string): EncodedNames {
  const { bytes, offsets } = names;
  const reject = (expected: string, received: string): never => {
    throw new OneLogitError('ERR_ONELOGIT_FORMAT', `Expected ${expected} for class_names.offsets of ${file} but received ${received}`);
  };
  if (offsets.length !== classes + 1) reject(`${classes + 1} offsets`, String(offsets.length));
  if (offsets[0] !== 0n || offsets[classes] !== BigInt(bytes.length))
    reject(`offsets from 0 to ${bytes.length}`, `${offsets[0]} to ${offsets[classes]}`);
  for (let index = 0; index < classes; index++)
    if ((offsets[index] as bigint) > (offsets[index + 1] as bigint))
      reject('ascending offsets', `${offsets[index]} before ${offsets[index + 1]}`);
  return names;
}
