/** Pictures in a terminal. */

/**
 * A grey image as text: two rows of pixels in one row of block characters.
 *
 * @param pixels - height × width bytes (or numbers of any range), bright is ink
 * @param shape - height, width, and perhaps 1 channel
 */
export function drawImage(pixels: ArrayLike<number>, [height = 0, width = 0]: readonly number[]): string {
  let brightest = 0;
  for (let i = 0; i < height * width; i++) brightest = Math.max(brightest, pixels[i]!);
  const ink = (row: number, column: number) => row < height && pixels[row * width + column]! > 0.4 * brightest;
  const lines: string[] = [];
  for (let row = 0; row < height; row += 2) {
    let line = '';
    for (let column = 0; column < width; column++) line += ' ▄▀█'[2 * Number(ink(row, column)) + Number(ink(row + 1, column))];
    lines.push(`  ${line}`.trimEnd());
  }
  return lines.join('\n');
}

/** Two texts of several lines, one beside the other. */
export function sideBySide(left: string, right: string): string {
  const [a, b] = [left.split('\n'), right.split('\n')];
  const width = Math.max(...a.map((line) => line.length));
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => `${(a[i] ?? '').padEnd(width)}    ${b[i] ?? ''}`.trimEnd()).join(
    '\n',
  );
}
