// Markdown of results.

/** A table; the columns after the first `leftColumns` are numbers. */
export function table(header, rows, leftColumns = 1) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map((_, column) => (column < leftColumns ? '---' : '---:'))), ...rows.map(line)];
}

/** Where, when and with what a result was measured. */
export function provenance({ date, commit, machine, versions, command }) {
  return [
    `Measured ${date.slice(0, 10)} at commit ${commit} on ${machine.cpu} (${machine.instructionSets.join(', ')}), ${machine.threads} processors,`,
    `${machine.memoryGiB} GiB, ${machine.system}, Node ${versions.node}, matrix products by ${versions.cpu.blas}${versions.pytorch ? `, PyTorch ${versions.pytorch}` : ''};`,
    `load average before: ${machine.loadAverageBefore.toFixed(2)}.`,
    '',
    `    ${command}`,
  ];
}

/** Three significant digits, without an exponent. */
export function digits(value) {
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(decimals, 4));
}

/** 10⁵ for powers of ten. */
export function power(value) {
  const exponent = Math.log10(value);
  if (!Number.isInteger(exponent) || exponent < 3) return String(value);
  return `10${[...String(exponent)].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('')}`;
}
