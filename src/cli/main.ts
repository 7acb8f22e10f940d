#!/usr/bin/env node
/**
 * The program `onelogit`: finds the command, loads its file and nothing else, and turns what happens into an exit code.
 */
import { readFileSync } from 'node:fs';
import type { Command } from './command.js';
import { commandHelp, programHelp } from './help.js';
import { parseCommandLine } from './options.js';
import { drawsBelowErrors, Output, prepareStreams, writeError, writeOut } from './output.js';
import { ExitCode, InterruptedError, suggestion, UsageError } from './usage.js';

const commands: readonly { name: string; summary: string; load: () => Promise<{ command: Command }> }[] = [
  { name: 'quickstart', summary: 'see it work, in about a minute', load: () => import('./quickstart.js') },
  { name: 'train', summary: 'train a network on a directory of data and save it', load: () => import('./train.js') },
  { name: 'evaluate', summary: 'measure how well single logits tell the classes', load: () => import('./evaluate.js') },
  { name: 'calibrate', summary: 'choose a threshold for every class and store it in the model', load: () => import('./calibrate.js') },
  { name: 'convert', summary: 'store the class matrix in fewer bytes', load: () => import('./convert.js') },
  { name: 'export', summary: 'write a model as an ONNX graph for other runtimes', load: () => import('./export.js') },
  { name: 'score', summary: 'ask whether an example belongs to a class', load: () => import('./score.js') },
  { name: 'info', summary: 'what a model file holds, or what this machine offers', load: () => import('./info.js') },
  { name: 'download', summary: 'fetch a data set, checked against its checksums', load: () => import('./download.js') },
  { name: 'reproduce', summary: 'train what the paper trained, and print its tables beside ours', load: () => import('./reproduce.js') },
];

/** Help is laid out for the terminal, but never wider than is good to read. */
function helpWidth(): number {
  return Math.max(40, Math.min(110, process.stdout.columns ?? 100));
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
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
    writeOut(version());
    return ExitCode.done;
  }
  const json = args.includes('--json');
  try {
    const name = wantsHelp ? rest[0]! : first;
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
    return report(error, json);
  }
}

prepareStreams();
// No process.exit: what was written is flushed, and native threads end their step.
process.exitCode = await main(process.argv.slice(2));
