/** `backendInfo`: what was compiled, what is available, what is in use, and why. */
import { native } from './native.js';
import { version } from './version.js';

/** What {@link backendInfo} returns. */
export interface BackendInfo {
  /** Of this package. */
  readonly version: string;
  readonly cpu: {
    /** Which matrix product is in use: `'openblas 0.3.21 (Zen)'`, or `'portable'`. */
    readonly blas: string;
    /** Why an OpenBLAS that was compiled in is not used. */
    readonly blasReason?: string;
    /** The instruction set whose kernels are in use, chosen when the addon was loaded: `'avx512'`, `'avx2'`, `'neon'`, `'portable'`. */
    readonly simd: string;
    /** Threads that work on one operation. `$ONELOGIT_THREADS` sets it. */
    readonly threads: number;
  };
  readonly cuda: {
    /** Whether this build holds CUDA kernels. */
    readonly compiled: boolean;
    /** Compute capabilities they were compiled for: `'90'`. */
    readonly architectures: readonly string[];
    /** Whether a GPU can be used, and so is with `device: 'auto'`. */
    readonly available: boolean;
    /** If not, the one reason. */
    readonly reason: string | null;
    readonly devices: readonly { readonly name: string; readonly memoryGiB: number }[];
  };
}

declare module './native.js' {
  interface NativeBinding {
    backendInfo(): {
      cpu: { blas: string; blasReason: string; simd: string; threads: number };
      cuda: { compiled: boolean; reason: string };
    };
  }
}

/** What was compiled, what is available, what is in use, and why. */
export function backendInfo(): BackendInfo {
  const { cpu, cuda } = native.backendInfo();
  const { blasReason, ...rest } = cpu;
  return {
    version,
    cpu: { ...rest, ...(blasReason === '' ? {} : { blasReason }) },
    cuda: { compiled: cuda.compiled, architectures: [], available: false, reason: cuda.reason, devices: [] },
  };
}
