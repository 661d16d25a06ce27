import { crc32 } from 'node:zlib';

/** Who wrote a record. */
export interface Identity {
  readonly log: number;
  /** The process: the first that opened the log is 1. */
  readonly life: number;
  /** The how-manieth record of that process, from 1. The records that one life appends have LSNs without a gap. */
  readonly number: number;
  readonly role: Role;
}

/** `commit` ends a transaction, `part` does not, and `refused` is one that the log must never take. */
export type Role = 'part' | 'commit' | 'refused';

const ROLES: readonly Role[] = ['part', 'commit', 'refused'];
const HEAD_BYTES = 16;
/** The smallest record: the identity, and the checksum over all of it. */
export const MIN_RECORD_BYTES = HEAD_BYTES + 4;

/** A record of `size` bytes that says who it is, filled with bytes that no other record has, and checked as a whole. */
export function makeRecord({ log, life, number, role }: Identity, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeUInt16LE(log, 0);
  bytes.writeUInt16LE(ROLES.indexOf(role), 2);
  bytes.writeUInt32LE(life, 4);
  bytes.writeUInt32LE(number, 8);
  bytes.writeUInt32LE(size, 12);
  const end = size - 4;
  let state = (Math.imul(life, 0x9e3779b1) ^ Math.imul(number, 0x85ebca6b) ^ log) | 1;
  for (let at = HEAD_BYTES; at < end; at += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[at] = state;
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, end)), end);
  return bytes;
}

/** Who wrote it; `undefined` where these are not the bytes that {@link makeRecord} made. */
export function identify(value: Uint8Array): Identity | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < MIN_RECORD_BYTES || bytes.readUInt32LE(12) !== bytes.length) return undefined;
  const end = bytes.length - 4;
  const role = ROLES[bytes.readUInt16LE(2)];
  if (role === undefined || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return undefined;
  return { log: bytes.readUInt16LE(0), life: bytes.readUInt32LE(4), number: bytes.readUInt32LE(8), role };
}

/** Whether a batch may end with it: `isCommit` of the lives that write transactions. */
export function endsTransaction(value: Uint8Array): boolean {
  return value[2] === ROLES.indexOf('commit');
}
