#!/usr/bin/env node
/**
 * The program `onelogit`: finds the command, loads its file and nothing else, and turns what happens into an exit code.
 */
import { version } from '../version.js';
import { commands } from './commands.js';
import { commandHelp, programHelp } from './help.js';
import { parseCommandLine } from './options.js';
import { drawsBelowErrors, Output, prepareStreams, writeError, writeOut } from './output.js';
import { ExitCode, InterruptedError, suggestion, UsageError } from './usage.js';

/** Help is laid out for the terminal, but never wider than is good to read. */
function helpWidth(): number {
  return Math.max(40, Math.min(110, process.stdout.columns || Number(process.env.COLUMNS) || 100));
}

/** Stops the command on the first SIGINT or SIGTERM, the process on the second. */
function watchSignals(interruptible: boolean, json: boolean): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    const error = new InterruptedError(`Interrupted by ${name}`);
    if (!interruptible) {
      report(error, json);
      process.exit(ExitCode.interrupted);
    }
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    // A terminal has written ^C at the cursor; a bar goes back to the start of its line.
    writeError(`${process.stderr.isTTY && !drawsBelowErrors() ? '\n' : ''}Stopping; press Ctrl-C again to quit at once.`);
    controller.abort(error);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}

/**
 * Says what went wrong: on standard error, and with --json also as the one object on standard output,
 * `{ "error": { "code", "message", … } }`. Returns the exit code.
 */
function report(error: unknown, json: boolean): number {
  const { code = 'ERR_ONELOGIT_INTERNAL', message, stack } = error as Error & { code?: string };
  const details = error instanceof InterruptedError ? error.details : {};
  if (json) writeOut(JSON.stringify({ error: { code, message, ...details } }));
  // An error without a code is our own mistake: show where.
  writeError(code === 'ERR_ONELOGIT_INTERNAL' ? (stack ?? String(error)) : `onelogit: ${message}`);
  if (error instanceof UsageError) return ExitCode.usage;
  return error instanceof InterruptedError ? ExitCode.interrupted : ExitCode.failed;
}

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  const wantsHelp = first === '--help' || first === '-h' || first === 'help';
  if (first === undefined || (wantsHelp && rest.length === 0)) {
    (first === undefined ? writeError : writeOut)(programHelp(commands, helpWidth()));
    return first === undefined ? ExitCode.usage : ExitCode.done;
  }
  if (first === '--version' || first === '-V') {
    writeOut(version);
    return ExitCode.done;
  }
  const json = args.includes('--json');
  const name = wantsHelp ? rest[0]! : first;
  try {
    const known = commands.map((entry) => entry.name);
    const entry = commands.find((candidate) => candidate.name === name);
    if (!entry)
      throw new UsageError(
        `Expected a command (${known.join(', ')}) but received '${name}'${suggestion(name, known)}\nHelp: onelogit --help`,
      );
    const { command } = await entry.load();
    const { values, positionals } = parseCommandLine(command.spec, wantsHelp ? ['--help'] : rest);
    if (values.help) {
      writeOut(commandHelp(command.spec, helpWidth()));
      return ExitCode.done;
    }
    const signal = watchSignals(command.interruptible, json);
    await command.run({ values, positionals, output: new Output(json), signal });
    return ExitCode.done;
  } catch (error) {
    const code = report(error, json);
    if (error instanceof UsageError && commands.some((entry) => entry.name === name)) writeError(`Help: onelogit ${name} --help`);
    return code;
  }
}

prepareStreams();
// No process.exit: what was written is flushed, and native threads end their step.
process.exitCode = await main(process.argv.slice(2));
