/**
 * Errors of the API about what an option said, in the words of the command line. Ranges that do not depend on data or on other options are those of the
 * options themselves (options.ts): these are the others, padding as wide as the images, say.
 */
import type { OptionSpec } from './options.js';
import { UsageError } from './usage.js';

/** What an option is called in the API where that is not its own name in camel case. */
const otherNames: Readonly<Record<string, string>> = {
  'padding of augment of model.fit': 'augment',
  'steps of these epochs of model.fit': 'epochs',
};

/** Errors of data and of training that name options. */
const advising: readonly unknown[] = ['ERR_ONELOGIT_UNKNOWN_OPTION', 'ERR_ONELOGIT_LOSS_NOT_FINITE'];
/** Advice about the API, and what it is here. */
const validationHint = ['let fit set one aside (validation: { fraction, seed })', 'train --validation sets one aside'] as const;

const camelCase = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const codes: readonly unknown[] = ['ERR_ONELOGIT_RANGE', 'ERR_ONELOGIT_ARGUMENT', 'ERR_ONELOGIT_SHAPE'];

/** The error as it should be told: another one if it is about a value that one of these options has been given. */
export function inOptionsWords(
  error: unknown,
  options: Readonly<Record<string, OptionSpec<unknown>>>,
  values: Record<string, unknown>,
): unknown {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof message !== 'string') return error;
  const given = Object.keys(options).filter((name) => values[name] !== options[name]!.otherwise);
  // Other options that the message names: those of two words, which mean nothing else.
  const words = (text: string) =>
    Object.keys(options)
      .filter((name) => name.includes('-'))
      .reduce((said, name) => said.replaceAll(new RegExp(`\\b${camelCase(name)}\\b`, 'g'), `--${name}`), text);
  if (code === 'ERR_ONELOGIT_CHECKPOINT') (error as Error).message = message.replaceAll(/\bresumeFrom\b/g, '--resume');
  if (advising.includes(code)) (error as Error).message = words(message);
  if (!codes.includes(code)) return error;
  const [, wanted, name, of = '', rest = ''] =
    /^(Expected .* for )(?:the )?([A-Za-z]\w*)(?:\[\d+\])?((?: of (?:these )?[A-Za-z][\w.]*)*)((?: .*)? but received .*)$/s.exec(message) ??
    [];
  if (name === undefined) return error;
  const option = otherNames[name + of] ?? given.find((known) => camelCase(known) === name);
  if (option === undefined || !given.includes(option)) return error;
  // 'idx data' of 'split of idx data' is no part of the API.
  const said = /^ (?:with|but) /.test(rest) ? rest : of + rest;
  return new UsageError(`${wanted}--${option}${words(said.replace(...validationHint))}`, { cause: error });
}
