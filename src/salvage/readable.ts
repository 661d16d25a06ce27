import { catchError, concatMap, map, of, range, reduce, throwError, type Observable } from 'rxjs';
import type { SegmentFile } from '../store/segmentStore';

/** Bytes that a disk loses at a time. */
const BLOCK_BYTES = 4096;

/** What stands for a byte that the disk does not give: a frame that begins with it is a mark with a payload, which no mark has. */
const UNREADABLE = 0x7f;

/** What a disk says of a place that it cannot read, and of nothing else. */
const BAD_PLACE = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'ENODATA']);

/** Whether the disk has lost what it was asked for. Any other failure may be gone at the next try. */
export function isBadPlace(error: unknown): boolean {
  return BAD_PLACE.has((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** A file that gives bytes which are no frame for the blocks that the disk cannot read. */
export class ReadableFile {
  readonly name: string;
  /** Some block could not be read. */
  hasBadPlace = false;
  /** Bytes that were asked for. */
  bytesRead = 0;

  constructor(private readonly file: SegmentFile) {
    this.name = file.name;
  }

  size(): Observable<number> {
    return this.file.size();
  }

  read(position: number, length: number): Observable<Uint8Array> {
    this.bytesRead += length;
    return this.file.read(position, length).pipe(
      catchError((error: unknown) => {
        if (!isBadPlace(error)) return throwError(() => error);
        this.hasBadPlace = true;
        if (blockOf(position) === blockOf(position + length - 1)) return of(new Uint8Array(length).fill(UNREADABLE));
        return this.#byBlocks(position, length);
      }),
    );
  }

  #byBlocks(position: number, length: number): Observable<Uint8Array> {
    const end = position + length;
    const first = blockOf(position);
    const into = new Uint8Array(length);
    return range(first, blockOf(end - 1) - first + 1).pipe(
      concatMap((block) => {
        const from = Math.max(position, block * BLOCK_BYTES);
        return this.read(from, Math.min(end, (block + 1) * BLOCK_BYTES) - from).pipe(
          map((bytes) => {
            into.set(bytes, from - position);
            return from - position + bytes.length;
          }),
        );
      }),
      reduce((most, filled) => Math.max(most, filled), 0),
      map((filled) => into.subarray(0, filled)),
    );
  }
}

function blockOf(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES);
}
