/**
 * Reads TensorBoard's event files with means of its own: a library for Protocol Buffers that is given the messages' definitions, and a
 * checksum computed bit by bit.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs';
import { readFields } from './protobuf.js';

// The fields of TensorFlow's event.proto, summary.proto and tensor.proto that matter here.
const { root } = protobuf.parse(
  `
  syntax = "proto3";
  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what {
      string file_version = 3;
      Summary summary = 5;
      SessionLog session_log = 7;
    }
  }
  message SessionLog {
    enum SessionStatus { STATUS_UNSPECIFIED = 0; START = 1; STOP = 2; CHECKPOINT = 3; }
    SessionStatus status = 1;
    string checkpoint_path = 2;
    string msg = 3;
  }
  message SummaryMetadata {
    message PluginData { string plugin_name = 1; bytes content = 2; }
    PluginData plugin_data = 1;
    string display_name = 2;
    string summary_description = 3;
    enum DataClass { DATA_CLASS_UNKNOWN = 0; DATA_CLASS_SCALAR = 1; DATA_CLASS_TENSOR = 2; DATA_CLASS_BLOB_SEQUENCE = 3; }
    DataClass data_class = 4;
  }
  message TensorShapeProto {
    message Dim { int64 size = 1; string name = 2; }
    repeated Dim dim = 2;
    bool unknown_rank = 3;
  }
  message TensorProto {
    enum DataType { DT_INVALID = 0; DT_FLOAT = 1; DT_STRING = 7; }
    DataType dtype = 1;
    TensorShapeProto tensor_shape = 2;
    repeated bytes string_val = 8;
  }
  message Summary {
    message Value {
      string node_name = 7;
      string tag = 1;
      SummaryMetadata metadata = 9;
      oneof value {
        float simple_value = 2;
        TensorProto tensor = 8;
      }
    }
    repeated Value value = 1;
  }
`,
  { keepCase: true },
);
const Event = root.lookupType('Event');

export interface SummaryValue {
  tag: string;
  simple_value?: number;
  tensor?: { dtype: string; tensor_shape: { dim: { size: number }[] }; string_val: Uint8Array[] };
  metadata?: { plugin_data: { plugin_name: string }; data_class: string };
}

export interface TensorBoardEvent {
  wall_time: number;
  step: number;
  what: 'file_version' | 'summary' | 'session_log';
  file_version?: string;
  session_log?: { status: string };
  summary?: { value: SummaryValue[] };
}

/** CRC-32C from its definition: division by 0x1EDC6F41, bits of each byte lowest first, as polynomials over GF(2). */
export function bitwiseCrc32c(data: Uint8Array): number {
  const polynomial = 0x1edc6f41n;
  let remainder = 0xffffffffn;
  for (const byte of data)
    for (let bit = 0; bit < 8; bit++) {
      const high = (remainder >> 31n) ^ BigInt((byte >> bit) & 1);
      remainder = ((remainder << 1n) & 0xffffffffn) ^ (high === 1n ? polynomial : 0n);
    }
  const bits = (remainder ^ 0xffffffffn).toString(2).padStart(32, '0');
  return Number.parseInt([...bits].reverse().join(''), 2);
}

/** The stored form: rotated right by 15 bits, plus a constant, modulo 2³². */
function maskedCrc(data: Uint8Array): number {
  const crc = BigInt(bitwiseCrc32c(data));
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a file, checksums checked. */
export function readRecords(path: string): Uint8Array[] {
  const bytes = readFileSync(path);
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (data.length !== length || bytes.length < at + 16 + length) throw new Error(`record ${records.length} is cut off`);
    if (bytes.readUInt32LE(at + 8) !== maskedCrc(bytes.subarray(at, at + 8))) throw new Error(`the length of record ${records.length}`);
    if (bytes.readUInt32LE(at + 12 + length) !== maskedCrc(data)) throw new Error(`the data of record ${records.length}`);
    records.push(data);
    at += 16 + length;
  }
  return records;
}

export function decodeEvent(data: Uint8Array): TensorBoardEvent {
  checkDefined(Event, data);
  return Event.toObject(Event.decode(data), { longs: Number, enums: String, oneofs: true, defaults: true }) as TensorBoardEvent;
}

/** The library passes over what the definitions do not have: nothing may be lost that way. */
function checkDefined(type: protobuf.Type, message: Uint8Array): void {
  for (const [number, values] of readFields(message)) {
    const field = type.fieldsById[number];
    if (!field) throw new Error(`field ${number} of ${type.name} is not defined`);
    if (field.resolve().resolvedType instanceof protobuf.Type)
      for (const value of values) checkDefined(field.resolvedType as protobuf.Type, value as Uint8Array);
  }
}

/** The event files of a directory in the order in which TensorBoard reads them: that of their names. */
export const eventFilesOf = (directory: string) =>
  readdirSync(directory)
    .filter((name) => name.includes('tfevents'))
    .sort()
    .map((name) => join(directory, name));

export const readEvents = (path: string) => readRecords(path).map(decodeEvent);

/** What TensorBoard shows: [step, value] by tag. A start takes away what came at its step or later. */
export function scalarsOf(directory: string): Map<string, [step: number, value: number][]> {
  const scalars = new Map<string, [number, number][]>();
  for (const event of eventFilesOf(directory).flatMap(readEvents)) {
    if (event.session_log?.status === 'START')
      for (const [tag, points] of scalars)
        scalars.set(
          tag,
          points.filter(([step]) => step < event.step),
        );
    for (const { tag, simple_value } of event.summary?.value ?? [])
      if (simple_value !== undefined) scalars.set(tag, [...(scalars.get(tag) ?? []), [event.step, simple_value]]);
  }
  return scalars;
}
