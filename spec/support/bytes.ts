import { crc32 } from 'node:zlib';

/**
 * The segment format written down a second time, from `src/format/README.md` and without a line of `src/`: what specs hold the
 * real encoders and readers against, and what they build odd files with.
 */

export const KIND = { record: 0, mark: 1, checkpoint: 2, group: 3 } as const;
export type Kind = keyof typeof KIND;

/** A little-endian unsigned integer of `size` bytes, by division: right up to 2^53. */
export function le(value: number, size: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; bytes.length < size; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  return bytes;
}

/** Reads a little-endian unsigned integer. */
export function fromLe(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let index = size - 1; index >= 0; index -= 1) value = value * 256 + (bytes[at + index] ?? 0);
  return value;
}

export function hex(bytes: Uint8Array | readonly number[]): string {
  return Buffer.from(bytes).toString('hex');
}

/** Bytes of hex digits, among which white space may stand. */
export function unhex(digits: string): Uint8Array {
  return Uint8Array.from(Buffer.from(digits.replaceAll(/\s/g, ''), 'hex'));
}

export function ascii(text: string): number[] {
  return [...Buffer.from(text, 'latin1')];
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts.map((part) => Buffer.from(part))));
}

export interface HeaderFields {
  readonly firstLsn: number;
  readonly logId: Uint8Array;
  readonly magic?: string;
  readonly version?: number;
  readonly flags?: number;
  readonly reserved?: number;
}

/** The 32 bytes of a header, by default of a segment as it is made now; any field may be wrong, the checksum is right. */
export function headerBytes(fields: HeaderFields): Uint8Array {
  const { firstLsn, logId, magic = 'RXWL', version = 1, flags = 1, reserved = 0 } = fields;
  const covered = join(ascii(magic), le(version, 2), le(flags, 2), le(firstLsn, 8), logId, le(reserved, 4));
  return join(covered, le(crc32(covered), 4));
}

/** A frame of any kind, sealed for the log `logId`. */
export function frameBytes(kind: Kind, lsn: number, payload: Uint8Array | string, logId: Uint8Array): Uint8Array {
  const body = typeof payload === 'string' ? ascii(payload) : payload;
  const covered = join(le(body.length + KIND[kind] * 2 ** 30, 4), le(lsn, 8), body);
  return join(covered, le(crc32(covered, crc32(logId)), 4));
}

/** The payload of a group: the number of its records, and each behind its length. */
export function groupPayload(...records: readonly (Uint8Array | string)[]): Uint8Array {
  const bodies = records.map((record) => (typeof record === 'string' ? ascii(record) : record));
  return join(le(bodies.length, 4), ...bodies.flatMap((body) => [le(body.length, 4), body]));
}

/** The CBOR of a checkpoint, as RFC 8949 has it: a map of two or three entries whose count takes two bytes. */
export function checkpointCbor(checkpoint: { lsn: number; epoch: number; transactionId?: number }): Uint8Array {
  const entries = Object.entries(checkpoint);
  return join([0xb9, 0, entries.length], ...entries.map(([key, value]) => join(cborText(key), cborUnsigned(value))));
}

function cborText(text: string): number[] {
  return [0x60 + text.length, ...ascii(text)];
}

function cborUnsigned(value: number): number[] {
  if (value < 24) return [value];
  if (value < 2 ** 8) return [0x18, value];
  if (value < 2 ** 16) return [0x19, ...le(value, 2).reverse()];
  if (value < 2 ** 32) return [0x1a, ...le(value, 4).reverse()];
  const double = Buffer.alloc(8);
  double.writeDoubleBE(value);
  return [0xfb, ...double];
}
