/**
 * `datasets.download`: public data sets, from their usual places, checked.
 */
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkCallback, checkNumber, checkOneOf, checkOptions, checkString, describe } from '../check.js';
import { OneLogitError, typeError } from '../errors.js';
import { type CatalogueEntry, catalogue, type DownloadName } from './catalogue.js';
import { fetchFile, isIntact } from './fetch-file.js';
import { cacheDirectory } from './find.js';
import { explained } from './system-error.js';
import { extractMembers } from './tar.js';

/** How far a download is. */
export interface DownloadProgress {
  /** The file that is arriving. */
  file: string;
  /** Bytes of all files that are there. */
  bytes: number;
  /** Bytes of all files. */
  totalBytes: number;
}

/** Options of {@link download}. */
export interface DownloadOptions {
  /** Directory that the files go to, made if it is not there. Default: `name` in `$ONELOGIT_CACHE`, else in `onelogit` in `$XDG_CACHE_HOME` or `~/.cache`. */
  to?: string | undefined;
  /** Addresses of directories that hold the files, asked in this order instead of the usual ones. */
  mirrors?: string[] | undefined;
  /** Seconds without a byte after which a mirror is given up. Default: 30. */
  timeout?: number | undefined;
  /** Called at most about ten times a second, and at the end of each file. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Stops the download; what has arrived is continued the next time. */
  signal?: AbortSignal | undefined;
}

/** What {@link download} resolves to. */
export interface DownloadResult {
  /** Where the files are. */
  directory: string;
  /** Names of the files of the data set in it, those that were there already included. */
  files: string[];
}

function checkMirrors(value: unknown): string[] {
  if (!Array.isArray(value) || value.length === 0)
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected at least one address in an array for mirrors but received ${describe(value)}`);
  return value.map((mirror, i) => {
    if (!URL.canParse(checkString(mirror, `mirrors[${i}]`)) || !/^https?:$/.test(new URL(mirror).protocol))
      throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an http or https address for mirrors[${i}] but received ${describe(mirror)}`);
    return mirror as string;
  });
}

/**
 * Downloads a public data set. Files that are already there, whole and unchanged, are not fetched again; a file that was broken off is
 * continued; a mirror that does not answer, or answers with something else, makes way for the next. A file appears under its name only
 * when its SHA-256 is the expected one. Archives (cifar10, cifar100) are unpacked and removed.
 *
 * The data have terms of their own: see their authors' pages.
 *
 * @param name `'mnist'` (11.6 MB), `'cifar10'` (170 MB), `'cifar100'` (169 MB), `'svhn'` (246 MB, cropped digits without the extra part).
 * @throws OneLogitError `ERR_ONELOGIT_DOWNLOAD` (what each mirror answered), `ERR_ONELOGIT_FILE`; the signal's reason when that is aborted;
 *   TypeError `ERR_ONELOGIT_ARGUMENT`, `ERR_ONELOGIT_UNKNOWN_OPTION`; RangeError `ERR_ONELOGIT_RANGE`.
 */
export async function download(name: DownloadName, options?: DownloadOptions): Promise<DownloadResult> {
  const known = Object.keys(catalogue) as DownloadName[];
  checkOneOf(name, known, 'the name of a data set');
  const given = checkOptions(options, ['to', 'mirrors', 'timeout', 'onProgress', 'signal'], 'options of datasets.download');
  const to = given.to === undefined ? join(cacheDirectory(), name) : checkString(given.to, 'to');
  const mirrors = given.mirrors === undefined ? undefined : checkMirrors(given.mirrors);
  const timeout = checkNumber(given.timeout ?? 30, 'timeout', { least: 0, most: 86_400, exclusive: true });
  const onProgress = checkCallback<NonNullable<DownloadOptions['onProgress']>>(given.onProgress, 'onProgress');
  const { signal } = given;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw typeError('ERR_ONELOGIT_ARGUMENT', `Expected an AbortSignal for signal but received ${describe(signal)}`);
  const entry = catalogue[name];
  return downloadEntry(mirrors ? { ...entry, mirrors } : entry, to, timeout, onProgress, signal);
}

/** The members of an archive that are there in their right sizes: they are moved into place only when they are whole. */
async function areUnpacked(entry: CatalogueEntry, directory: string): Promise<boolean> {
  for (const { name, bytes } of entry.members ?? []) {
    const status = await stat(join(directory, name)).catch(() => undefined);
    if (!status?.isFile() || (bytes !== undefined && status.size !== bytes)) return false;
  }
  return entry.members !== undefined;
}

/** As {@link download}, of what need not be in the catalogue. */
export async function downloadEntry(
  entry: CatalogueEntry,
  directory: string,
  timeout: number,
  onProgress: DownloadOptions['onProgress'],
  signal: AbortSignal | undefined,
): Promise<DownloadResult> {
  signal?.throwIfAborted();
  await mkdir(directory, { recursive: true }).catch((cause: Error) => {
    throw new OneLogitError('ERR_ONELOGIT_FILE', `Expected a directory that can be made at ${directory} but received: ${cause.message}`, {
      cause,
    });
  });
  const files = (entry.members ?? entry.files).map((file) => file.name);
  if (await areUnpacked(entry, directory)) return { directory, files };

  const totalBytes = entry.files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  let reported = 0;
  for (const file of entry.files) {
    const report = (bytes: number) => {
      if (!onProgress || (bytes < file.bytes && performance.now() - reported < 100)) return;
      reported = performance.now();
      onProgress({ file: file.name, bytes: before + bytes, totalBytes });
    };
    const path = join(directory, file.name);
    if (await isIntact(path, file)) report(file.bytes);
    else await fetchFile(file, directory, { mirrors: entry.mirrors, timeout, onBytes: report, signal });
    if (entry.members) {
      try {
        await extractMembers(path, directory, entry.members);
        await rm(path, { force: true }); // another process may have been first
      } catch (error) {
        throw explained(error, `files that can be written in ${directory}`);
      }
    }
    before += file.bytes;
  }
  return { directory, files };
}
