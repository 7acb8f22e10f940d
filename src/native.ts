/**
 * Loads the addon. When it cannot be loaded, says what was tried and what to do.
 *
 * Each area declares the functions it uses where it uses them, by merging into {@link NativeBinding}:
 *
 *     declare module './native.js' { interface NativeBinding { averagePrecision(…): number } }
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OneLogitError } from './errors.js';

export interface NativeBinding {
  /** Registers the class that native code throws for everything but wrong types and ranges. */
  setErrorClass(errorClass: typeof OneLogitError): void;
}

function load(): NativeBinding {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const require = createRequire(import.meta.url);
  try {
    const binding = (require('node-gyp-build') as (directory: string) => NativeBinding)(root);
    binding.setErrorClass(OneLogitError);
    return binding;
  } catch (cause) {
    throw new OneLogitError(
      'ERR_ONELOGIT_ADDON',
      [
        `The native part of onelogit could not be loaded on ${process.platform}-${process.arch}, Node ${process.versions.node}.`,
        `Looked in: ${root}/prebuilds, ${root}/build/Release`,
        `Reason: ${(cause as Error).message.split('\n')[0]}`,
        'To build it, install a C++20 compiler, make and cmake, then run: npm rebuild onelogit (in a checkout: npm run build)',
      ].join('\n'),
      { cause },
    );
  }
}

export const native: NativeBinding = load();
