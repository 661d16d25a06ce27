import { concatMap, defaultIfEmpty, filter, from, map, of, take, type Observable } from 'rxjs';
import {
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  MAX_CHECKPOINT_BYTES,
  claimedPayloadBytes,
  frameKind,
  frameLsn,
  isSealed,
} from '../format/frame';
import { groupRecords } from '../format/group';
import { dataEnd, readChunks } from '../reading/readChunks';
import type { ReadOnlyFile } from '../store/segmentStore';
import type { FrameKind } from '../types';
import { wholeFrame } from '../reading/wholeFrame';

export interface NextFrameOptions {
  /** Size of the file. */
  readonly size: number;
  readonly crcFrom: number;
  readonly maxRecordBytes: number;
  /** Whether a frame of this kind and LSN may stand here. */
  readonly accepts: (kind: FrameKind, lsn: number) => boolean;
  /** Bytes that may still be checksummed; counted down. Bytes made to look like large frames would take for ever otherwise. */
  readonly budget: { bytes: number };
}

/** Bytes to read at first: the next frame is not far, as a rule. */
export const FIRST_BYTES = 512;

/** A frame that is whole by its own checksum. */
export interface FoundFrame {
  readonly offset: number;
  readonly kind: FrameKind;
  readonly lsn: number;
  readonly bytes: number;
}

/** What the search has seen. */
export interface Search {
  readonly found: FoundFrame | undefined;
  /** Where nothing was found: offset behind the last byte that is not zero. */
  readonly end: number;
}

/**
 * The first whole frame at or behind `offset`, wherever it begins. Lengths cannot be trusted there, so every byte is looked at: what
 * could be the head of a frame, by its kind, length and LSN, is held against its checksum.
 */
export function nextFrame(file: ReadOnlyFile, offset: number, options: NextFrameOptions): Observable<Search> {
  const { size, crcFrom } = options;
  let end = offset;
  let overlap: Uint8Array = new Uint8Array(0);
  let seen = offset;
  return readChunks(file, offset, size, { firstBytes: FIRST_BYTES }).pipe(
    concatMap((chunk) => {
      const data = dataEnd(chunk);
      if (data > 0) end = seen + data;
      const buffer = overlap.length > 0 ? Buffer.concat([overlap, chunk]) : chunk;
      const base = seen - overlap.length;
      seen += chunk.length;
      overlap = buffer.subarray(Math.max(0, buffer.length - (FRAME_HEAD_BYTES - 1)));
      return from(candidates(buffer, base, options)).pipe(
        concatMap(({ whole, ...found }) =>
          whole ? of(found) : wholeFrame(file, found.offset, size, crcFrom).pipe(map((is) => (is ? found : undefined))),
        ),
      );
    }),
    filter((found) => found !== undefined),
    take(1),
    defaultIfEmpty(undefined),
    // The bytes of the frame itself are not zeros.
    map((found) => ({ found, end: found ? found.offset : end })),
  );
}

/** A frame that reaches past the buffer is not checked yet. */
interface Candidate extends FoundFrame {
  readonly whole: boolean;
}

/** What may be frames, up to the first that certainly is one. */
function candidates(buffer: Uint8Array, base: number, options: NextFrameOptions): Candidate[] {
  const { size, crcFrom, maxRecordBytes, accepts, budget } = options;
  const result: Candidate[] = [];
  for (let at = 0; at + FRAME_HEAD_BYTES <= buffer.length; at += 1) {
    const kind = frameKind(buffer, at);
    const payloadBytes = claimedPayloadBytes(buffer, at);
    if (payloadBytes > (kind === 'record' || kind === 'group' ? maxRecordBytes : MAX_CHECKPOINT_BYTES)) continue;
    const bytes = payloadBytes + FRAME_OVERHEAD_BYTES;
    const offset = base + at;
    if (offset + bytes > size) continue;
    const lsn = frameLsn(buffer, at);
    if (!accepts(kind, lsn) || budget.bytes < bytes) continue;
    budget.bytes -= bytes;
    const whole = at + bytes <= buffer.length;
    if (whole && !isSealed(buffer, at, at + bytes, crcFrom)) continue;
    if (whole && kind === 'group' && groupRecords(buffer, at, at + bytes) === 0) continue;
    result.push({ offset, kind, lsn, bytes, whole });
    if (whole) break;
  }
  return result;
}
