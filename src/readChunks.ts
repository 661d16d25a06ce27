import { concatMap, from as each, type Observable } from 'rxjs';
import type { ReadOnlyFile } from './store/segmentStore';

/** Bytes asked of the disk at a time. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Bytes `[from, to)` of a file, a chunk at a time; the next is read when the last has been dealt with.
 *
 * @param firstBytes size of the first chunk; each one after it is twice as large, up to a mebibyte. For who may want little.
 */
export function readChunks(
  file: ReadOnlyFile,
  from: number,
  to: number,
  firstBytes: number = CHUNK_BYTES,
): Observable<Uint8Array> {
  return each(pieces(from, to, firstBytes)).pipe(concatMap(({ at, bytes }) => file.read(at, bytes)));
}

/** Offset behind the last byte of a chunk that is not zero; 0 where all are. */
export function dataEnd(chunk: Uint8Array): number {
  return chunk.findLastIndex((byte) => byte !== 0) + 1;
}

function* pieces(
  from: number,
  to: number,
  firstBytes: number,
): Generator<{ readonly at: number; readonly bytes: number }> {
  let size = firstBytes;
  for (let at = from; at < to;) {
    const bytes = Math.min(size, to - at);
    yield { at, bytes };
    at += bytes;
    size = Math.min(2 * size, CHUNK_BYTES);
  }
}
