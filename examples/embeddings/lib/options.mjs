// What the three command lines have in common.

/** A mistake of the caller's: its message is all that needs to be shown. */
export const usageError = (message) => Object.assign(new Error(`${message}; see --help`), { code: 'ERR_USAGE' });

/** The value of an option that has to be there. */
export function required(values, name, placeholder) {
  if (values[name] === undefined) throw usageError(`Expected --${name} ${placeholder} but received none`);
  return values[name];
}

/** The number that an option's text spells. */
export function number(text, name, least, most, integer = true) {
  const value = /^\d+(\.\d+)?(e-?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most && (!integer || Number.isInteger(value))) return value;
  throw usageError(`Expected ${integer ? 'an integer' : 'a number'} from ${least} to ${most} for --${name} but received '${text}'`);
}

/** Runs a program: what goes wrong is one line, unless it is a mistake of ours. */
export function run(name, main) {
  main(process.argv.slice(2)).catch((/** @type {Error & { code?: string }} */ error) => {
    console.error(error.code ? `${name}: ${error.message}` : error);
    process.exitCode = error.code === 'ERR_USAGE' || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
  });
}
