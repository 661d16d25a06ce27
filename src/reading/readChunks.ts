import { Observable, Subscription } from 'rxjs';
import type { ReadOnlyFile } from '../store/segmentStore';

/** Bytes asked of the disk at a time. */
const CHUNK_BYTES = 1024 * 1024;

export interface ReadChunksOptions {
  /** Size of the first chunk; each one after it is twice as large, up to `chunkBytes`. For who may want little. Default: `chunkBytes`. */
  readonly firstBytes?: number | undefined;
  /** Size of a chunk. For who must not hold the event loop for as long as a mebibyte takes. Default 1 MiB. */
  readonly chunkBytes?: number | undefined;
  /** `false`: nothing more for now, and nothing more is asked of the disk. Its current value first. Default: always wanted. */
  readonly wanted$?: Observable<boolean> | undefined;
}

/**
 * Bytes `[from, to)` of a file, a chunk at a time. While one is being dealt with the next is on its way, and no more than that one;
 * but not before a second chunk of full size has been needed, for who takes one record reads one chunk.
 *
 * ```
 * reads of three chunks:         --1|
 *                                  --2|
 *                                    --3|       begins when 2 is there, and runs while that is dealt with
 * readChunks(file, 0, 3):        --1-2-3|
 * ```
 *
 * Written out: `concatMap` asks for the next chunk when the last has been dealt with, and `mergeMap` for as many as there are.
 */
export function readChunks(
  file: ReadOnlyFile,
  from: number,
  to: number,
  options: ReadChunksOptions = {},
): Observable<Uint8Array> {
  const { chunkBytes = CHUNK_BYTES, firstBytes = chunkBytes, wanted$ } = options;
  return new Observable<Uint8Array>((subscriber) => {
    let at = from;
    let wanted = true;
    let size = Math.min(firstBytes, chunkBytes);
    let fullChunksAsked = 0;
    let reading: Subscription | undefined;
    let arrived: Uint8Array | undefined;
    let failure: { readonly error: unknown } | undefined;
    let running = false;

    const read = (): void => {
      const bytes = Math.min(size, to - at);
      const chunk$ = file.read(at, bytes);
      at += bytes;
      if (size === chunkBytes) fullChunksAsked += 1;
      size = Math.min(2 * size, chunkBytes);
      const done = (): void => {
        reading = undefined;
        run();
      };
      const subscription = (reading = new Subscription());
      subscription.add(
        chunk$.subscribe({
          next: (chunk) => {
            arrived = chunk;
          },
          error: (error: unknown) => {
            failure = { error };
            done();
          },
          complete: done,
        }),
      );
    };
    const isBusy = (): boolean => reading !== undefined;
    const isEnd = (): boolean => at >= to && !reading && !arrived;
    /** A loop, and no recursion, where reads take no time. */
    const run = (): void => {
      if (running) return;
      running = true;
      while (wanted && !subscriber.closed && !isBusy()) {
        const chunk = arrived;
        arrived = undefined;
        if (at < to && !failure && (!chunk || fullChunksAsked > 1)) read();
        if (chunk) subscriber.next(chunk);
        else if (failure) subscriber.error(failure.error);
        else if (isEnd()) subscriber.complete();
      }
      running = false;
    };
    subscriber.add(
      wanted$?.subscribe({
        next: (isWanted) => {
          wanted = isWanted;
          run();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
    run();
    return () => reading?.unsubscribe();
  });
}

/** Offset behind the last byte of a chunk that is not zero; 0 where all are. */
export function dataEnd(chunk: Uint8Array): number {
  return chunk.findLastIndex((byte) => byte !== 0) + 1;
}
