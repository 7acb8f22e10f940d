/** Tar archives for tests: headers as GNU tar and Python's tarfile write them. */

function header(name: string, size: number, type: string, prefix = ''): Uint8Array {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\0', 257);
  block.write('00', 263);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const padded = (content: Uint8Array) => Buffer.concat([content, Buffer.alloc(-content.length & 511)]);

/** One entry; of a name that does not fit with a pax header before it. */
export function tarEntry(path: string, content: string | Uint8Array, { type = '0', prefix = '' } = {}): Uint8Array {
  const bytes = Buffer.from(content);
  const entry = Buffer.concat([header(path, bytes.length, type, prefix), padded(bytes)]);
  if (Buffer.byteLength(path) <= 100 && /^[\x20-\x7e]*$/.test(path)) return entry;
  const record = ` path=${path}\n`;
  let length = Buffer.byteLength(record) + 1;
  while (String(length).length + Buffer.byteLength(record) > length) length++;
  const pax = Buffer.from(`${length}${record}`);
  return Buffer.concat([header('././@PaxHeader', pax.length, 'x'), padded(pax), entry]);
}

export function tarOf(files: Record<string, string | Uint8Array>): Uint8Array {
  return Buffer.concat([...Object.entries(files).map(([path, content]) => tarEntry(path, content)), Buffer.alloc(1024)]);
}
