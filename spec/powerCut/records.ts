/**
 * The records of the power cut check. A record says which it is and which opening of the log wrote it, and all its bytes follow
 * from these two: nothing has to be remembered to know whether it is unchanged.
 */

/** Stands in every record, so that the recorder can tell the log's own writes from those of the file system. */
export const NEEDLE = 'rxwal-power-cut!';

const HEAD_BYTES = NEEDLE.length + 8;

/** The opening that a check appends with; no writer has it. */
export const AFTER_THE_CUT = 0xffff_ffff;

export function recordBytes(lsn: number, opening: number): Buffer {
  const mixed = Math.imul(lsn ^ Math.imul(opening, 0x9e37_79b1), 0x85eb_ca6b) >>> 0;
  // Mostly less than a sector; one in eleven is several file system blocks long.
  const filler = mixed % 11 === 0 ? mixed % 20_000 : mixed % 700;
  const bytes = Buffer.alloc(HEAD_BYTES + filler);
  bytes.write(NEEDLE, 'latin1');
  bytes.writeUInt32LE(lsn, NEEDLE.length);
  bytes.writeUInt32LE(opening, NEEDLE.length + 4);
  for (let at = HEAD_BYTES; at < bytes.length; at += 1) bytes[at] = (mixed >>> (at % 24)) + at;
  return bytes;
}

/** Which opening wrote these bytes as the record `lsn`; `undefined` where none did. */
export function openingOf(lsn: number, bytes: Uint8Array): number | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const opening = Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(NEEDLE.length + 4);
  return recordBytes(lsn, opening).equals(bytes) ? opening : undefined;
}
