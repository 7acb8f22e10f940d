/** Whether an event is in the files of a directory already. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ByteReader } from '../data/byte-reader.js';

/** TFRecord: length (uint64) and its checksum before the data, the checksum of the data after it. */
const [headBytes, tailBytes] = [12, 4];
/** An event begins with its time: a tag of one byte and a double. */
const timeBytes = 1 + 8;
/** Nothing that is looked for here is longer: what is, is passed over. */
const longest = 4096;

/** What event files of this package are called. */
export const ownEventFile = (name: string) => /^events\.out\.tfevents\.\d{10}\..*\.onelogit$/.test(name);

/**
 * Whether one of our files in `directory`, other than `except`, has this event, at whatever time, and no later start takes it away, as
 * readers have it: what came before and is of its step or later is no longer true. A file that cannot be read, or the rest of one that is damaged,
 * has nothing.
 */
export async function hasEvent(directory: string, framed: Uint8Array, except: string): Promise<boolean> {
  const wanted = framed.subarray(headBytes + timeBytes, framed.length - tailBytes);
  const { step } = stepOf(wanted)!;
  let found = false;
  for (const name of (await readdir(directory).catch(() => [])).filter(ownEventFile).sort()) {
    const path = join(directory, name);
    if (path === except) continue;
    const stream = createReadStream(path);
    try {
      for await (const event of untimedEvents(new ByteReader(stream))) {
        if (event.equals(wanted)) found = true;
        else if (found && (startOf(event) ?? Number.POSITIVE_INFINITY) <= step) found = false;
      }
    } catch {
      // Another file may have it.
    } finally {
      stream.destroy();
    }
  }
  return found;
}

/** The events of a file without their times. */
async function* untimedEvents(reader: ByteReader): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(headBytes);
  while (await reader.fill(head)) {
    const length = Number(head.readBigUInt64LE(0));
    if (length > longest) {
      if (!(await reader.pass(length + tailBytes))) return;
      continue;
    }
    const data = Buffer.alloc(length);
    if (!(await reader.fill(data)) || !(await reader.pass(tailBytes))) return;
    yield data.subarray(timeBytes);
  }
}

/** Field 2, a varint: the step of an event, and where the field after it begins. */
function stepOf(event: Uint8Array): { step: number; end: number } | undefined {
  if (event[0] !== 0x10) return undefined;
  let step = 0;
  for (let at = 1, unit = 1; at < event.length; at++, unit *= 128) {
    step += (event[at]! & 0x7f) * unit;
    if (event[at]! < 0x80) return { step, end: at + 1 };
  }
  return undefined;
}

/** The step of a start, a session log (field 7); undefined of other events. */
function startOf(event: Uint8Array): number | undefined {
  const found = stepOf(event);
  return found && event[found.end] === 0x3a ? found.step : undefined;
}
