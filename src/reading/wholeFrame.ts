import { concatMap, map, of, reduce, type Observable } from 'rxjs';
import { crc32 } from '../format/crc';
import { FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES, claimedPayloadBytes, frameKind, frameLsn } from '../format/frame';
import { readUint32 } from '../format/integers';
import { readChunks } from './readChunks';
import type { ReadOnlyFile } from '../store/segmentStore';
import type { FrameKind } from '../types';

/** What a frame says of itself. */
export interface FrameClaim {
  readonly kind: FrameKind;
  readonly lsn: number;
  readonly payloadBytes: number;
}

/**
 * What the frame at `offset` says, where it is whole by its own checksum, whatever it says. Reads it in pieces: its length may be
 * above every limit, and is not to be trusted yet.
 */
export function wholeFrame(
  file: ReadOnlyFile,
  offset: number,
  size: number,
  crcFrom: number,
): Observable<FrameClaim | undefined> {
  if (size - offset < FRAME_OVERHEAD_BYTES) return of(undefined);
  return file.read(offset, FRAME_HEAD_BYTES).pipe(
    concatMap((head) => {
      if (head.length < FRAME_HEAD_BYTES) return of(undefined);
      const payloadBytes = claimedPayloadBytes(head, 0);
      const crcAt = offset + FRAME_HEAD_BYTES + payloadBytes;
      if (crcAt + 4 > size) return of(undefined);
      const claimed = { lsn: frameLsn(head, 0), payloadBytes, kind: frameKind(head, 0) };
      return readChunks(file, offset, crcAt).pipe(
        reduce((crc, chunk) => crc32(chunk, crc), crcFrom),
        concatMap((crc) =>
          file.read(crcAt, 4).pipe(map((stored) => stored.length === 4 && readUint32(stored, 0) === crc)),
        ),
        map((whole) => (whole ? claimed : undefined)),
      );
    }),
  );
}
