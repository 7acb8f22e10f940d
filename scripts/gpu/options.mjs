/** The options that both programs have. */
import { parseArgs } from 'node:util';

function refuse(message) {
  console.error(message);
  process.exit(2);
}

/**
 * `phases`: [{ name, about }]. Prints help and ends the process, or a sentence and ends it with status 2 when an option is not one.
 * @returns {{ only: Set<string>, minutes: number, out: string | undefined }}
 */
export function readOptions({ command, about, phases, argv = process.argv.slice(2) }) {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        only: { type: 'string' },
        minutes: { type: 'string', default: '9.5' },
        out: { type: 'string' },
      },
    }));
  } catch (error) {
    refuse(`${error.message.split('\n')[0]} (${command} --help)`);
  }
  if (values.help) {
    console.log(
      [
        `usage: ${command} [--only PHASE,…] [--minutes M] [--out DIRECTORY]`,
        '',
        about,
        '',
        'Phases, in order:',
        ...phases.map(({ name, about: what }) => `  ${name.padEnd(14)}${what}`),
        '',
        '--only PHASE,…   these alone; results of the others are kept in the file',
        '--minutes M      begin no phase after so many, and end one that runs on (default: 9.5)',
        '--out DIRECTORY  where results go (default: bench/results)',
      ].join('\n'),
    );
    process.exit(0);
  }
  const names = phases.map(({ name }) => name);
  const only = values.only === undefined ? names : values.only.split(',');
  for (const name of only) if (!names.includes(name)) refuse(`Expected phases among ${names.join(', ')} for --only but received '${name}'`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) refuse(`Expected a positive number for --minutes but received '${values.minutes}'`);
  return { only: new Set(only), minutes, out: values.out };
}
