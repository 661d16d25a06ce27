import { catchError, concatMap, map, range, reduce, throwError, of, type Observable } from 'rxjs';
import type { SegmentFile } from '../store/segmentStore';

/** Bytes that a disk loses at a time. */
const BLOCK_BYTES = 4096;

/** What stands for a byte that the disk does not give: a frame that begins with it is of the kind that version 1 refuses. */
const UNREADABLE = 0xff;

/** What a disk says of a place that it cannot read, and of nothing else. */
const BAD_PLACE = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'ENODATA']);

/** Whether the disk has lost what it was asked for. Any other failure may be gone at the next try. */
export function isBadPlace(error: unknown): boolean {
  return BAD_PLACE.has((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** The file, with bytes that are no frame in the blocks that the disk cannot read. */
export function readable(file: SegmentFile): SegmentFile {
  const read = (position: number, length: number): Observable<Uint8Array> =>
    file.read(position, length).pipe(
      catchError((error: unknown) => {
        if (!isBadPlace(error)) return throwError(() => error);
        return length <= BLOCK_BYTES ? of(new Uint8Array(length).fill(UNREADABLE)) : byBlocks(position, length);
      }),
    );
  const byBlocks = (position: number, length: number): Observable<Uint8Array> => {
    const end = position + length;
    const first = Math.floor(position / BLOCK_BYTES);
    const blocks = Math.ceil(end / BLOCK_BYTES) - first;
    const into = new Uint8Array(length);
    return range(first, blocks).pipe(
      concatMap((block) => {
        const from = Math.max(position, block * BLOCK_BYTES);
        return read(from, Math.min(end, (block + 1) * BLOCK_BYTES) - from).pipe(
          map((bytes) => {
            into.set(bytes, from - position);
            return from - position + bytes.length;
          }),
        );
      }),
      reduce((most, filled) => Math.max(most, filled), 0),
      map((filled) => into.subarray(0, filled)),
    );
  };
  return { ...file, name: file.name, size: () => file.size(), read, close: () => file.close() };
}
