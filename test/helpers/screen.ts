/** What a terminal of so many columns shows after what was written to it: as much of one as progress needs. */
export function screenOf(written: string, columns: number): string[] {
  const rows: string[][] = [[]];
  let [row, column] = [0, 0];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control sequences are what this is about
  for (const [token, count, command] of written.matchAll(/\x1b\[(\d*)([A-Za-z])|./gsu)) {
    const line = () => (rows[row] ??= []);
    if (command === 'A') row = Math.max(0, row - Number(count || 1));
    else if (command === 'J') {
      rows.length = row + 1;
      line().length = Math.min(line().length, column);
    } else if (command === 'm') continue;
    else if (command !== undefined) throw new Error(`a control sequence that is not known: ${JSON.stringify(token)}`);
    else if (token === '\r') column = 0;
    else if (token === '\n') row++;
    else {
      if (column === columns) [row, column] = [row + 1, 0];
      line()[column++] = token;
    }
    // A line feed keeps the column, but what a terminal gets ends lines with both.
    if (token === '\n') column = 0;
    line();
  }
  return rows.map((cells) =>
    Array.from(cells, (cell) => cell ?? ' ')
      .join('')
      .trimEnd(),
  );
}
