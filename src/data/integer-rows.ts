/**
 * Text files of integers: one row per line, the columns separated by spaces or tabs, lines ended by LF or CRLF. Read piece by piece, so
 * that neither a large file nor a hostile one blocks the event loop, and without a string per line.
 */
import { textPieces, withByteStream } from './byte-stream.js';
import { formatError } from './format.js';
import { GrowingIntegers } from './growing-integers.js';
import type { Meter } from './meter.js';

const largest = 2 ** 31 - 1;
const [tab, lineFeed, carriageReturn, space, zero] = [0x09, 0x0a, 0x0d, 0x20, 0x30] as const;

export interface IntegerRows {
  /** What the first line says, if the file has such a line: how many rows follow. */
  announced?: number;
  /** Row after row; `values.length / columns` of them. */
  values: Int32Array<ArrayBuffer>;
}

/**
 * Reads all rows. Empty lines at the end are nothing; anywhere else they are rows of no integers, and refused.
 *
 * @param path plain or gzip.
 * @param columns integers per row, from 0 to 2³¹ − 1.
 * @param counted whether a line with the number of rows comes first; it is compared with the rows that follow.
 * @throws OneLogitError `ERR_ONELOGIT_FORMAT` naming file and line; `ERR_ONELOGIT_FILE`, `ERR_ONELOGIT_OUT_OF_MEMORY`.
 */
export function readIntegerRows(path: string, columns: number, counted: boolean, meter?: Meter): Promise<IntegerRows> {
  return withByteStream(
    path,
    async (stream) => {
      const values = new GrowingIntegers();
      let announced: number | undefined;
      let line = 1;
      let emptyLine = 0; // the first of the empty lines just seen
      let column = 0;
      let number = -1; // −1: not in a number
      const rowEnds = () => {
        const expected = counted && line === 1 ? 1 : columns;
        if (column === 0 && expected === columns) emptyLine ||= line;
        else if (column !== expected) throw badLine(expected, line, path, `${column} integers`);
        else if (announced !== undefined && values.length > announced * columns) throw tooMany(announced, path);
        line++;
        column = 0;
      };
      const numberEnds = () => {
        if (number < 0) return;
        const isCount = counted && line === 1;
        if (column === (isCount ? 1 : columns)) throw badLine(isCount ? 1 : columns, line, path, 'more');
        if (emptyLine > 0) throw badLine(columns, emptyLine, path, 'an empty line');
        if (isCount) announced = number;
        else values.push(number);
        column++;
        number = -1;
      };
      for await (const piece of textPieces(stream, path)) {
        for (const byte of piece) {
          const digit = byte - zero;
          if (digit >= 0 && digit <= 9) {
            number = (number < 0 ? 0 : number * 10) + digit;
            if (number > largest) throw badLine(counted && line === 1 ? 1 : columns, line, path, `${number}…, above ${largest}`);
          } else if (byte === lineFeed) {
            numberEnds();
            rowEnds();
          } else if (byte === space || byte === tab || byte === carriageReturn) numberEnds();
          else
            throw badLine(
              counted && line === 1 ? 1 : columns,
              line,
              path,
              `the byte ${byte}${byte > 32 && byte < 127 ? ` ('${String.fromCharCode(byte)}')` : ''}`,
            );
        }
      }
      numberEnds();
      if (column > 0) rowEnds();
      if (counted && announced === undefined) throw badLine(1, 1, path, 'an empty file');
      const rows = values.length / columns;
      if (announced !== undefined && rows !== announced)
        throw formatError(`${announced} lines after the first, as that says,`, path, String(rows));
      return { ...(announced === undefined ? {} : { announced }), values: values.view() };
    },
    meter,
  );
}

function badLine(columns: number, line: number, path: string, received: string) {
  return formatError(`${columns} ${columns === 1 ? 'integer' : 'integers'} in line ${line}`, path, received);
}

function tooMany(announced: number, path: string) {
  return formatError(`${announced} lines after the first, as that says,`, path, 'more');
}
