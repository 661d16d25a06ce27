import { WalCorruptError, WalVersionError } from '../errors';
import { crc32 } from './crc';
import { readLsn, readUint32, writeLsn, writeUint32 } from './integers';

/** Bytes of a segment header. */
export const HEADER_BYTES = 32;
/** Bytes of a log id. */
export const LOG_ID_BYTES = 8;
/** The version of the format that this code writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

/** The largest first LSN that a segment may have: there is a `number` for each LSN that a log could ever get to behind it. */
export const MAX_FIRST_LSN = 2 ** 52;

/** The flag of a segment in which frames of kind 3 may stand: groups. A reader that does not know it refuses the segment. */
const GROUPS_FLAG = 0x0001;

/** `RXWL`, read as a little-endian u32. */
const MAGIC = 0x4c575852;

/**
 * What a segment says of itself.
 *
 * ```
 *  0      4  magic "RXWL"
 *  4      2  format version
 *  6      2  flags: bit 0, groups may be in this segment
 *  8      8  LSN of the first record
 * 16      8  log id
 * 24      4  0, reserved
 * 28      4  CRC-32 of bytes 0..27
 * ```
 */
export interface SegmentHeader {
  /** LSN that the segment's first record has, or will have. */
  readonly firstLsn: number;
  /** 8 random bytes, the same in every segment of one log. */
  readonly logId: Uint8Array;
  /** Whether groups may be in the segment. Where the flag is not set, a frame of kind 3 is damage. */
  readonly groups: boolean;
}

/** A header to lay out. */
export interface NewSegmentHeader extends Pick<SegmentHeader, 'firstLsn' | 'logId'> {
  /** Default `true`: so every segment is made that is made now. */
  readonly groups?: boolean;
}

/** Lays out a segment header: 32 bytes. */
export function encodeHeader({ firstLsn, logId, groups = true }: NewSegmentHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES);
  writeUint32(bytes, 0, MAGIC);
  bytes[4] = FORMAT_VERSION;
  bytes[6] = groups ? GROUPS_FLAG : 0;
  writeLsn(bytes, 8, firstLsn);
  bytes.set(logId, 16);
  writeUint32(bytes, 28, crc32(bytes.subarray(0, 28)));
  return bytes;
}

/**
 * Reads a segment header.
 *
 * @param bytes the first bytes of the file, fewer than 32 where it has fewer.
 * @param file the file's name, for the error.
 * @throws {@link WalVersionError} for a newer version or an unknown flag; {@link WalCorruptError} for anything else that is no header.
 */
export function decodeHeader(bytes: Uint8Array, file: string): SegmentHeader {
  const refuse = (reason: string): never => {
    throw new WalCorruptError({ file, offset: 0, lsn: 0, reason });
  };
  if (bytes.length < HEADER_BYTES) refuse(`a header takes ${HEADER_BYTES} bytes and there are ${bytes.length}`);
  if (readUint32(bytes, 0) !== MAGIC) refuse('it does not begin with "RXWL"');
  const version = bytes[4]! | (bytes[5]! << 8);
  if (version > FORMAT_VERSION) {
    throw new WalVersionError(file, `format version ${version}, this rxwal reads up to ${FORMAT_VERSION}`);
  }
  if (crc32(bytes.subarray(0, 28)) !== readUint32(bytes, 28)) refuse("the header's checksum does not match");
  if (version < FORMAT_VERSION) refuse(`format version ${version} never existed`);
  const flags = bytes[6]! | (bytes[7]! << 8);
  if ((flags & ~GROUPS_FLAG) !== 0) {
    throw new WalVersionError(file, `flags 0x${flags.toString(16)}, of which this rxwal knows 0x${GROUPS_FLAG}`);
  }
  if (readUint32(bytes, 24) !== 0) refuse('its reserved bytes are not zero');
  const firstLsn = readLsn(bytes, 8);
  if (firstLsn < 1 || firstLsn > MAX_FIRST_LSN) refuse(`${firstLsn} is no first LSN`);
  return { firstLsn, logId: new Uint8Array(bytes.subarray(16, 24)), groups: flags === GROUPS_FLAG };
}
