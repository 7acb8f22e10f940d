/** Array buffers that grow and shrink, which the TypeScript library of our target does not know. */
const Resizable = ArrayBuffer as unknown as new (
  length: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(length: number): void };

/** Thrown by the traps below: the caller's own error, which may come out again as it is. */
export class TrapError extends Error {}

const trap = (): never => {
  throw new TrapError('sprung');
};

/** An object whose every use calls into code of the caller's that throws. */
const trapProxy = () =>
  new Proxy(Object.create(null), {
    get: trap,
    has: trap,
    ownKeys: trap,
    getPrototypeOf: trap,
    getOwnPropertyDescriptor: trap,
  });

export function detached<T extends Float32Array | Int32Array | Uint8Array>(array: T): T {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
}

/** `length` says more than there is: only native code can see through it. */
export function lyingLength<T extends Float32Array | Int32Array | Uint8Array | Uint16Array>(array: T, length: number): T {
  return Object.defineProperty(array, 'length', { value: length });
}

/** Passes `instanceof` of one kind, is another. */
export function disguised(array: Float32Array | Int32Array | Uint8Array, as: { prototype: object }): unknown {
  return Object.setPrototypeOf(array, as.prototype);
}

/** Values that are wrong nearly everywhere, made afresh for every use, by name. */
export const hostileValues: readonly (readonly [string, () => unknown])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['true', () => true],
  ['NaN', () => Number.NaN],
  ['Infinity', () => Infinity],
  ['-Infinity', () => -Infinity],
  ['-0', () => -0],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['2^31', () => 2 ** 31],
  ['2^32 + 1', () => 2 ** 32 + 1],
  ['2^53', () => 2 ** 53],
  ['1e308', () => 1e308],
  ['5e-324', () => 5e-324],
  ['a bigint', () => 10n],
  ['an empty string', () => ''],
  ['a string', () => 'x'],
  ['a string with a nul', () => 'cross-entropy\0'],
  ['a lone surrogate', () => '\ud800'],
  ['a long string', () => 'x'.repeat(1 << 20)],
  ['__proto__', () => '__proto__'],
  ['a symbol', () => Symbol('s')],
  ['a function', () => () => 0],
  ['a class', () => class {}],
  ['an empty array', () => []],
  ['an array', () => [1, 2, 3]],
  ['an array with a hole', () => new Array(3)],
  ['an object', () => ({})],
  ['an object without a prototype', () => Object.create(null)],
  ['an object with an own __proto__', () => JSON.parse('{"__proto__": {"name": "cross-entropy"}}')],
  ['a number object', () => new Number(3)],
  ['an object that throws when converted', () => ({ [Symbol.toPrimitive]: trap, toString: trap, valueOf: trap })],
  [
    'an object whose getters throw',
    () => ({
      get name() {
        return trap();
      },
      get length() {
        return trap();
      },
      get classes() {
        return trap();
      },
    }),
  ],
  ['a proxy that throws', trapProxy],
  [
    'a revoked proxy',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
  ],
  ['a promise', () => Promise.resolve(1)],
  ['an ArrayBuffer', () => new ArrayBuffer(16)],
  ['a SharedArrayBuffer', () => new SharedArrayBuffer(16)],
  ['a DataView', () => new DataView(new ArrayBuffer(16))],
  ['a Float64Array', () => new Float64Array(6)],
  ['a BigInt64Array', () => new BigInt64Array(6)],
  ['an empty Float32Array', () => new Float32Array(0)],
  ['a short Float32Array', () => new Float32Array(5)],
  ['a Float32Array of NaN', () => new Float32Array(6).fill(Number.NaN)],
  ['a detached Float32Array', () => detached(new Float32Array(6))],
  ['a detached Int32Array', () => detached(new Int32Array(2))],
  ['a detached Uint8Array', () => detached(new Uint8Array(6))],
  ['a Float32Array with a lying length', () => lyingLength(new Float32Array(2), 6)],
  ['an Int32Array with a lying length', () => lyingLength(new Int32Array(0), 2)],
  ['a Uint8Array with a lying length', () => lyingLength(new Uint8Array(1), 6)],
  ['a Uint8Array dressed up as a Float32Array', () => disguised(new Uint8Array(6), Float32Array)],
  ['an object dressed up as a Float32Array', () => Object.create(Float32Array.prototype)],
  ['a proxy of a Float32Array', () => new Proxy(new Float32Array(6), {})],
  ['a shared Float32Array', () => new Float32Array(new SharedArrayBuffer(24))],
  [
    'an out-of-bounds view of a buffer that shrank',
    () => {
      const buffer = new Resizable(24, { maxByteLength: 64 });
      const view = new Float32Array(buffer, 0, 6);
      buffer.resize(8);
      return view;
    },
  ],
  [
    'a length-tracking view of a buffer that grew',
    () => {
      const buffer = new Resizable(8, { maxByteLength: 64 });
      const view = new Float32Array(buffer);
      buffer.resize(64);
      return view;
    },
  ],
  ['a Uint16Array with a lying length', () => lyingLength(new Uint16Array(1), 6)],
  ['labels out of range', () => Int32Array.of(0, 1_000_000)],
  ['negative labels', () => Int32Array.of(-1, -2_147_483_648)],
];

/**
 * Runs one call that may be refused: resolves to what it returned, or to the error if that is the package's, with a code, or a
 * trap's own. Any other error is the test's failure.
 */
export async function refusedOrDone(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (
      error instanceof TrapError ||
      (error instanceof TypeError && /proxy that has been revoked|Class constructors? .*cannot be invoked without/.test(error.message))
    )
      return error;
    if (error instanceof Error && /^ERR_ONELOGIT_[A-Z_]+$/.test(String((error as { code?: unknown }).code))) return error;
    throw error;
  }
}
