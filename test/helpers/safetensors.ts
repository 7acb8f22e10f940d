import { readFileSync, writeFileSync } from 'node:fs';

/** A safetensors file taken apart, to be changed and put together again: written from the format's description alone. */
export interface Parts {
  metadata: Record<string, string>;
  tensors: Map<string, { dtype: string; shape: number[]; bytes: Uint8Array }>;
}

export function readParts(path: string): Parts {
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE(0));
  const { __metadata__: metadata = {}, ...entries } = JSON.parse(file.subarray(8, end).toString());
  const tensors: Parts['tensors'] = new Map();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(
    entries,
  ))
    tensors.set(name, { dtype, shape, bytes: file.subarray(end + offsets[0], end + offsets[1]) });
  return { metadata, tensors };
}

export function writeParts(path: string, { metadata, tensors }: Parts): void {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([length, json, ...Array.from(tensors.values(), ({ bytes }) => bytes)]));
}
