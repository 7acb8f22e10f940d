// The command line.
import { parseArgs } from 'node:util';

export const help = `Usage: node server.mjs --model FILE [OPTIONS]

  --model FILE         a calibrated model, as onelogit train and calibrate write it
  --port N             0 takes a free one (default: 8080)
  --host HOST          the address to listen at (default: 127.0.0.1)
  --memory-map         leave the class matrix in the file: processes that serve the same file share its memory
  --max-inputs N       examples in one request (default: 256)
  --body-limit BYTES   of a request (default: what --max-inputs examples take as JSON, at most 64 MiB)
  --max-delay MS       answers 503 while the event loop is later than this (default: 1000; 0: never)
  --drain MS           on SIGTERM and SIGINT: how long to go on answering, for load balancers to notice (default: 1000)
  --deadline MS        … and how long to wait for requests in flight after that (default: 10000)
  --log-level LEVEL    fatal, error, warn, info, debug, trace or silent (default: info)
  --help               this text

Signals: SIGHUP reloads the model file; SIGTERM and SIGINT finish what is in flight and exit with 0.`;

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

function usageError(message) {
  return Object.assign(new Error(`${message}; see --help`), { code: 'ERR_USAGE' });
}

/** @param {string[]} args */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string' },
      port: { type: 'string', default: '8080' },
      host: { type: 'string', default: '127.0.0.1' },
      'memory-map': { type: 'boolean', default: false },
      'max-inputs': { type: 'string', default: '256' },
      'body-limit': { type: 'string' },
      'max-delay': { type: 'string', default: '1000' },
      drain: { type: 'string', default: '1000' },
      deadline: { type: 'string', default: '10000' },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.model === undefined && !values.help) throw usageError('Expected --model FILE but received none');
  const integer = (name, least, most) => {
    const text = /** @type {string} */ (values[name]);
    if (/^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    throw usageError(`Expected an integer from ${least} to ${most} for --${name} but received '${text}'`);
  };
  const level = values['log-level'];
  if (!levels.includes(level)) throw usageError(`Expected one of ${levels.join(', ')} for --log-level but received '${level}'`);
  return {
    help: values.help,
    model: values.model ?? '',
    port: integer('port', 0, 65_535),
    host: values.host,
    memoryMap: values['memory-map'],
    maxInputs: integer('max-inputs', 1, 65_536),
    bodyLimit: values['body-limit'] === undefined ? undefined : integer('body-limit', 1, 2 ** 30),
    maxDelay: integer('max-delay', 0, 600_000),
    drain: integer('drain', 0, 600_000),
    deadline: integer('deadline', 1, 600_000),
    logLevel: level,
  };
}

/** @typedef {ReturnType<typeof readOptions>} Options */
