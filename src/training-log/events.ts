/**
 * The records of TensorBoard's event files: messages of type Event in the framing of TFRecord. Numbers of fields are those of TensorFlow's
 * event.proto, summary.proto, tensor.proto and tensor_shape.proto.
 */
import { ProtobufMessage } from '../protobuf.js';
import { crc32c } from './crc32c.js';

/** Seconds since 1970, and how many steps were done. */
export interface EventTime {
  seconds: number;
  step: number;
}

const textType = 7; // DataType.DT_STRING
const tensorData = 2; // DataClass.DATA_CLASS_TENSOR
const sessionStart = 1; // SessionLog.SessionStatus.START

const message = () => new ProtobufMessage();
const event = ({ seconds, step }: EventTime) => message().double(1, seconds).integer(2, step);

/** The first event of a file: what the others are. */
export const versionEvent = (time: EventTime): Uint8Array => framed(event(time).string(3, 'brain.Event:2'));

/** Tells readers that whatever other files of the directory have at this step or later is no longer true. */
export const startEvent = (time: EventTime): Uint8Array => framed(event(time).message(7, message().integer(1, sessionStart)));

/** Numbers under their tags. They are stored as float32. */
export function scalarsEvent(time: EventTime, scalars: readonly (readonly [tag: string, value: number])[]): Uint8Array {
  const summary = message();
  for (const [tag, value] of scalars) summary.message(1, message().string(1, tag).float(2, value));
  return framed(event(time).message(5, summary));
}

/** Text, read as Markdown: a tensor of one string that the plugin `text` shows. */
export function textEvent(time: EventTime, tag: string, text: string): Uint8Array {
  const shape = message().message(2, message().integer(1, 1));
  const tensor = message().integer(1, textType).message(2, shape).string(8, text);
  const metadata = message().message(1, message().string(1, 'text')).integer(4, tensorData);
  const value = message().string(1, tag).message(8, tensor).message(9, metadata);
  return framed(event(time).message(5, message().message(1, value)));
}

/** TFRecord: length (uint64), its checksum, data, its checksum; all little-endian. */
function framed(content: ProtobufMessage): Uint8Array {
  const data = content.toBytes();
  const record = Buffer.alloc(8 + 4 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return record;
}

/** Rotated and shifted, so that the checksum of data that hold checksums is not one of them. */
const masked = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
