/**
 * Where text goes: results to standard output, everything else to standard error. A reader that went away (`| head`) is not
 * a failure: what is left to say is dropped and the work goes on, so that a model that took hours is still saved.
 */
import { ExitCode } from './usage.js';

const readerIsGone = ({ code }: NodeJS.ErrnoException) => code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';

/** Neither stream ends the work: not a full disk, not a terminal that was closed. A result that could not be written is told, and exit code 1. */
function surviveFailures(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (readerIsGone(error)) return;
    writeError(`onelogit: Expected standard output that can be written but received: ${error.message}`);
    process.once('exit', () => {
      process.exitCode ||= ExitCode.failed;
    });
  });
}

/** The package's own warnings in the words of the command line, and not in the middle of what is drawn; others as Node shows them. */
function showWarnings(): void {
  const others = process.listeners('warning'); // none where warnings are switched off
  if (others.length === 0) return;
  process.removeAllListeners('warning').on('warning', (warning) => {
    if (warning.name === 'OneLogitWarning') writeError(`onelogit: ${warning.message}`);
    else for (const show of others) show(warning);
  });
}

export function prepareStreams(): void {
  surviveFailures();
  showWarnings();
}

export function writeOut(text: string): void {
  if (process.stdout.writable) process.stdout.write(`${text}\n`);
}

let writeAbove: ((text: string) => void) | undefined;

/** While something is drawn at the end of standard error, `write` puts other text above it. */
export function drawBelowErrors(write: ((text: string) => void) | undefined): void {
  writeAbove = write;
}

export const drawsBelowErrors = (): boolean => writeAbove !== undefined;

/** Names and messages come from files of whoever: no terminal shall act on what is in them, nor turn the text around them. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for
const printable = (text: string) => text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');

export function writeError(text: string): void {
  if (!process.stderr.writable) return;
  if (writeAbove) writeAbove(printable(text));
  else process.stderr.write(`${printable(text)}\n`);
}

const elementsOfPart = 10_000;
const leastCharactersOfPiece = 1 << 20;

/**
 * The line of JSON.stringify(object), in pieces: with the measures of some millions of classes it is longer than a string can be (2²⁹ characters).
 * Lists that are properties of the object itself are cut, nothing else; a short result is one piece.
 */
export function* jsonPieces(object: Record<string, unknown>): Generator<string> {
  let piece = '';
  for (const part of jsonParts(object)) {
    piece += part;
    if (piece.length < leastCharactersOfPiece) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

function* jsonParts(object: Record<string, unknown>): Generator<string> {
  let before = '{';
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    yield `${before}${JSON.stringify(name)}:`;
    before = ',';
    if (!Array.isArray(value)) yield JSON.stringify(value);
    else {
      yield '[';
      for (let at = 0; at < value.length; at += elementsOfPart)
        yield `${at > 0 ? ',' : ''}${JSON.stringify(value.slice(at, at + elementsOfPart)).slice(1, -1)}`;
      yield ']';
    }
  }
  yield `${before === '{' ? '{' : ''}}\n`;
}

/** What a command says, and how: passed to every command. */
export class Output {
  constructor(readonly json: boolean) {}

  /** The command's result: the object with --json, else the text. Called once. */
  result(object: Record<string, unknown>, human: () => string): void {
    if (!this.json) writeOut(printable(human()));
    else if (process.stdout.writable) for (const piece of jsonPieces(object)) process.stdout.write(piece);
  }

  /** A line of a result that is shown as it comes; nothing with --json. */
  line(text: string): void {
    if (!this.json) writeOut(printable(text));
  }

  /** Something beside the result: standard error. */
  note(text: string): void {
    writeError(text);
  }
}

export type Cell = string | number | undefined;

/** A table with a header, two spaces between columns, numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const text = rows.map((row) => row.map((cell) => (cell === undefined ? '' : String(cell))));
  const numeric = (cell: Cell, shown: string) => typeof cell === 'number' || /^-?[\d.,]+ ?%?$/.test(shown);
  const right = header.map((_, column) => rows.some((row, i) => numeric(row[column], text[i]![column]!)));
  const widths = header.map((name, column) => text.reduce((width, row) => Math.max(width, row[column]!.length), name.length));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(header), ...text.map(line)].join('\n');
}

/** 12345.6 → '12,346'. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Seconds as a person says them: '0:07', '12:30', '3:05:00'. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–:––';
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A share as a percentage with two decimals. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
