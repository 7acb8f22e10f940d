/**
 * Loads the addon. When it cannot be loaded, says what was tried and what to do.
 *
 * Each area declares the functions it uses where it uses them, by merging into {@link NativeBinding}:
 *
 *     declare module './native.js' { interface NativeBinding { averagePrecision(…): number } }
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { OneLogitError } from './errors.js';
import { packageRoot } from './package-root.js';

export interface NativeBinding {
  /** Registers the class that native code throws for everything but wrong types and ranges. */
  setErrorClass(errorClass: typeof OneLogitError): void;
  /** What the addon was built from: scripts/build-stamp.mjs. */
  readonly buildStamp: string;
}

function load(): NativeBinding {
  const require = createRequire(import.meta.url);
  let path: string | undefined;
  try {
    path = (require('node-gyp-build') as { path(directory: string): string }).path(packageRoot);
    checkWhole(path);
    const binding = require(path) as NativeBinding;
    binding.setErrorClass(OneLogitError);
    return binding;
  } catch (cause) {
    throw new OneLogitError('ERR_ONELOGIT_ADDON', explain(path, cause as Error), { cause });
  }
}

/**
 * The system maps what a file says that it holds, so one that broke off while it was copied would end the process by a signal. The table of
 * sections is the end of a library of Linux (ELF, 64 bits, little-endian); others are left to the system.
 */
function checkWhole(path: string): void {
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    if (readSync(file, header) < header.length || !header.subarray(0, 6).equals(Buffer.from('\x7fELF\x02\x01', 'latin1'))) return;
    const { size } = fstatSync(file);
    const whole = Number(header.readBigUInt64LE(0x28)) + header.readUInt16LE(0x3a) * header.readUInt16LE(0x3c);
    if (size < whole) throw new Error(`${path}: file too short, ${size} of ${whole} bytes`);
  } finally {
    closeSync(file);
  }
}

/** At most eight lines: the platform, what was tried, what to do. */
function explain(path: string | undefined, cause: Error): string {
  return [
    `The native part of onelogit could not be loaded on ${platform()}, Node ${process.versions.node}.`,
    `Tried: ${path ?? searched()}`,
    `Reason: ${cause.message.split('\n')[0]}`,
    `Prebuilt in this installation: ${prebuilt().join(', ') || 'nothing'}`,
    ...(process.platform === 'win32'
      ? ['Windows is not supported: install and run it in WSL 2, which is Linux']
      : [
          'If node_modules came from another machine or is damaged, install here anew: npm install onelogit',
          'To build it, install a C++20 compiler, make and cmake 3.18 or newer, then run:',
          `  node ${JSON.stringify(join(packageRoot, 'scripts', 'build-native.mjs'))}`,
        ]),
  ].join('\n');
}

/** Where node-gyp-build looks. */
function searched(): string {
  const directory = process.env.ONELOGIT_PREBUILD || packageRoot;
  const places = [join(directory, 'build', 'Release'), join(directory, 'prebuilds', `${process.platform}-${process.arch}`)];
  return `${places.join(', ')}${directory === packageRoot ? '' : ' ($ONELOGIT_PREBUILD)'}`;
}

/** `'linux-x64'`, with the C library where there are several. */
function platform(): string {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return name;
  const { report } = process;
  if (report === undefined) return name;
  Object.assign(report, { excludeNetwork: true }); // it would look up the names of all peers
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return `${name} (${header.glibcVersionRuntime === undefined ? 'not glibc' : `glibc ${header.glibcVersionRuntime}`})`;
}

/** `['linux-x64 (glibc)']`: the platforms of prebuilds/. */
function prebuilt(): string[] {
  const list = (directory: string) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  };
  return list(join(packageRoot, 'prebuilds')).flatMap((name) =>
    list(join(packageRoot, 'prebuilds', name))
      .filter((file) => file.endsWith('.node'))
      .map((file) => name + (file.includes('.glibc.') ? ' (glibc)' : '')),
  );
}

export const native: NativeBinding = load();
