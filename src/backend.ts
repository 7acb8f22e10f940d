/** `backendInfo`: what was compiled, what is available, what is in use, and why. */
import { native } from './native.js';
import { version } from './version.js';

/** A GPU. */
export interface CudaDevice {
  readonly name: string;
  /** In all. */
  readonly memoryGiB: number;
  /** `'9.0'` */
  readonly computeCapability: string;
}

/** What {@link backendInfo} returns. */
export interface BackendInfo {
  /** Of this package. */
  readonly version: string;
  /** What computes on the CPU. */
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
  /** What computes on a GPU, or why nothing does. */
  readonly cuda: {
    /** Whether this build holds CUDA kernels. */
    readonly compiled: boolean;
    /** Compute capabilities they were compiled for: `'90'`; `'75-virtual'` is compiled on by the driver. */
    readonly architectures: readonly string[];
    /** Whether a GPU can be used, and so is with `device: 'auto'`. */
    readonly available: boolean;
    /** If not, the one reason. */
    readonly reason: string | null;
    readonly devices: readonly CudaDevice[];
    /** Of CUDA, `'13.0'`: the runtime in this build, and the newest that the driver serves. Null: not known. */
    readonly runtime: string | null;
    readonly driver: string | null;
    /** The cuBLAS in use: `'libcublas.so.13'`. */
    readonly cublas: string | null;
  };
}

declare module './native.js' {
  interface NativeBinding {
    backendInfo(): {
      cpu: { blas: string; blasReason: string; simd: string; threads: number };
      cuda: {
        compiled: boolean;
        /** Separated by spaces. */
        architectures: string;
        available: boolean;
        /** Empty strings: nothing to say. */
        reason: string;
        runtime: string;
        driver: string;
        cublas: string;
        devices: { name: string; memoryBytes: number; computeCapability: string }[];
      };
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
    cuda: {
      compiled: cuda.compiled,
      architectures: cuda.architectures === '' ? [] : cuda.architectures.split(' '),
      available: cuda.available,
      reason: orNull(cuda.reason),
      devices: cuda.devices.map(({ name, memoryBytes, computeCapability }) => ({
        name,
        memoryGiB: Math.round(memoryBytes / 2 ** 26) / 16,
        computeCapability,
      })),
      runtime: orNull(cuda.runtime),
      driver: orNull(cuda.driver),
      cublas: orNull(cuda.cublas),
    },
  };
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}
