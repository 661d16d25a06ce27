import { concatMap, filter, map, of, take, type Observable } from 'rxjs';
import { crc32, crc32Start } from '../format/crc';
import {
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  MAX_CHECKPOINT_BYTES,
  claimedPayloadBytes,
  crcStart,
  frameKind,
  frameLsn,
} from '../format/frame';
import { lsnBehind } from '../format/group';
import { HEADER_BYTES, LOG_ID_BYTES } from '../format/header';
import { readUint32, writeUint32 } from '../format/integers';
import { readChunks } from '../reading/readChunks';
import type { ReadOnlyFile } from '../store/segmentStore';
import { wholeFrame } from '../reading/wholeFrame';

const LOG_ID_OFFSET = 16;
const CRC_BYTES = 4;

/**
 * The log id that a segment's checksums start from, where no header of the log can be read to tell.
 *
 * The id may still stand in the damaged header: then the first frame agrees with it. Otherwise it is worked out from the frames
 * themselves: a CRC can be run backwards, from the checksum of a frame over its bytes to what it started from, and two frames that stand one
 * behind the other and started from the same value prove it to one in four billion. What comes out then is the log's id or another one
 * that no checksum can tell from it.
 *
 * Emits nothing where neither tells: a log without its headers, of one record or of records that take more than half a mebibyte.
 */
export function logIdOf(file: ReadOnlyFile, size: number): Observable<Uint8Array> {
  return file.read(0, HEADER_BYTES).pipe(
    concatMap((header) => {
      const claimed = header.slice(LOG_ID_OFFSET, LOG_ID_OFFSET + LOG_ID_BYTES);
      return wholeFrame(file, HEADER_BYTES, size, crcStart(claimed)).pipe(
        concatMap((whole) => (whole ? of(claimed) : workedOut(file, size).pipe(map(idWithCrc)))),
      );
    }),
  );
}

/** Some log id whose CRC is this one: four zeros, and the four bytes that take the CRC of those to it. */
function idWithCrc(crc: number): Uint8Array {
  const zeros = new Uint8Array(LOG_ID_BYTES / 2);
  const id = new Uint8Array(LOG_ID_BYTES);
  writeUint32(id, LOG_ID_BYTES / 2, (crc32(zeros) ^ crc32Start(zeros, crc)) >>> 0);
  return id;
}

function workedOut(file: ReadOnlyFile, size: number): Observable<number> {
  /** Bytes that may still be checksummed. */
  const budget = { bytes: 16 * size };
  return readChunks(file, 0, size).pipe(
    map((chunk) => startIn(chunk, budget)),
    filter((start) => start !== undefined),
    take(1),
  );
}

/** Looks for two frames in a row that lie within these bytes. */
function startIn(buffer: Uint8Array, budget: { bytes: number }): number | undefined {
  for (let at = 0; at + 2 * FRAME_OVERHEAD_BYTES <= buffer.length; at += 1) {
    const end = frameEnd(buffer, at);
    if (end === undefined) continue;
    const nextEnd = frameEnd(buffer, end);
    if (nextEnd === undefined || !follows(buffer, at, end) || budget.bytes < nextEnd - at) continue;
    budget.bytes -= nextEnd - at;
    // Two of the same start from the same value whatever they are.
    if (Buffer.compare(buffer.subarray(at, end), buffer.subarray(end, nextEnd)) === 0) continue;
    const start = startOfFrame(buffer, at, end);
    if (start === startOfFrame(buffer, end, nextEnd)) return start;
  }
  return undefined;
}

/** Offset behind what may be a frame. */
function frameEnd(buffer: Uint8Array, at: number): number | undefined {
  if (at + FRAME_HEAD_BYTES > buffer.length) return undefined;
  const kind = frameKind(buffer, at);
  const payloadBytes = claimedPayloadBytes(buffer, at);
  const isSmall = kind === 'mark' || kind === 'checkpoint';
  if (isSmall && payloadBytes > MAX_CHECKPOINT_BYTES) return undefined;
  const end = at + payloadBytes + FRAME_OVERHEAD_BYTES;
  return end <= buffer.length ? end : undefined;
}

/** Whether the LSNs of two frames go together. */
function follows(buffer: Uint8Array, one: number, other: number): boolean {
  const kind = frameKind(buffer, one);
  const nextKind = frameKind(buffer, other);
  const lsn = frameLsn(buffer, one);
  const before = lsnBehind({ kind, lsn, buffer, start: one, end: other }, lsn);
  const after = frameLsn(buffer, other);
  if (!Number.isSafeInteger(before) || !Number.isSafeInteger(after)) return false;
  const recordBehind = nextKind === 'record' || nextKind === 'group';
  return (kind === 'record' || kind === 'group') && recordBehind ? after === before + 1 : after <= before + 1;
}

function startOfFrame(buffer: Uint8Array, start: number, end: number): number {
  const crcAt = end - CRC_BYTES;
  return crc32Start(buffer.subarray(start, crcAt), readUint32(buffer, crcAt));
}
