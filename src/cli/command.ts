/**
 * What a command is: one file each, loaded only when it is asked for.
 */
import { inOptionsWords } from './api-errors.js';
import type { CommandSpec, commonOptions, OptionSpec, OptionValues } from './options.js';
import type { Output } from './output.js';
import { InterruptedError } from './usage.js';

export interface Run<Options extends Record<string, OptionSpec<unknown>> = Record<string, OptionSpec<unknown>>> {
  values: OptionValues<Options & typeof commonOptions>;
  positionals: string[];
  output: Output;
  /** Aborted by SIGINT or SIGTERM, for commands that are `interruptible`. */
  signal: AbortSignal;
}

export interface Command {
  spec: CommandSpec;
  /** Heeds `signal` and cleans up by itself. The process of any other command just ends when interrupted. */
  interruptible: boolean;
  run(run: Run): Promise<void>;
}

/** Binds a command's options to the types that its `run` sees. */
export function defineCommand<Options extends Record<string, OptionSpec<unknown>>>(
  spec: CommandSpec<Options>,
  run: (run: Run<Options>) => Promise<void>,
  { interruptible = false }: { interruptible?: boolean } = {},
): Command {
  const interruptibleRun = async (given: Run<Options>) => {
    try {
      await run(given);
    } catch (error) {
      // What stopped because it was told to, and the command had no more to say about.
      if (given.signal.aborted && (error as { code?: string }).code === 'ERR_ONELOGIT_ABORTED') throw new InterruptedError('Interrupted');
      throw inOptionsWords(error, spec.options, given.values);
    }
  };
  return { spec, interruptible, run: interruptibleRun as unknown as Command['run'] };
}
