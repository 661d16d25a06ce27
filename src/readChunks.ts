import { concatMap, range, type Observable } from 'rxjs';
import type { SegmentFile } from './store/segmentStore';

/** Bytes asked of the disk at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Bytes `[from, to)` of a file, a chunk at a time; the next is read when the last has been dealt with. */
export function readChunks(file: SegmentFile, from: number, to: number): Observable<Uint8Array> {
  const chunks = Math.ceil(Math.max(0, to - from) / CHUNK_BYTES);
  return range(0, chunks).pipe(
    concatMap((index) => {
      const at = from + index * CHUNK_BYTES;
      return file.read(at, Math.min(CHUNK_BYTES, to - at));
    }),
  );
}
