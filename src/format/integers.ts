/** Little-endian integers, by hand: a `DataView` per frame costs more than the frame's checksum. */

const TWO_TO_32 = 0x1_0000_0000;

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** A u64 that a `number` can hold exactly: an LSN. */
export function writeLsn(bytes: Uint8Array, at: number, lsn: number): void {
  writeUint32(bytes, at, lsn >>> 0);
  writeUint32(bytes, at + 4, Math.floor(lsn / TWO_TO_32));
}

/** Reads a u64; past 2^53 the result is no safe integer, which every reader refuses. */
export function readLsn(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 4) * TWO_TO_32 + readUint32(bytes, at);
}
