import { OneLogitError } from '../errors.js';

const reasons: Record<string, string> = {
  ENOENT: 'its directory does not exist',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is a file',
  EEXIST: 'it is a file',
  ENXIO: 'it is a pipe that nobody reads',
  ENAMETOOLONG: 'its name is too long',
};

/** The error for a path that cannot be written: why, by what the system said (`cause`) or in words. */
export function refusal(kind: 'file' | 'directory', path: string, what: string, cause: unknown): OneLogitError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const shown = path.length > 200 ? `${path.slice(0, 199)}…` : path;
  return new OneLogitError(
    'ERR_ONELOGIT_FILE',
    `Expected a ${kind} that can be written for ${what} but received ${shown}: ${typeof cause === 'string' ? cause : (reasons[code] ?? message)}`,
    typeof cause === 'string' ? undefined : { cause },
  );
}
