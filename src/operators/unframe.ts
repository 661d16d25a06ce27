import { Observable, type OperatorFunction } from 'rxjs';
import { FrameCutter, type UnframeOptions } from '../reading/frameCutter';
import { inTurn } from '../inTurn';
import type { StoredFrame } from '../types';
import { whileWanted } from '../whileWanted';

export type { UnframeOptions };

/**
 * Cuts the bytes of a segment into frames: the mirror of `frame`. Chunks may be cut anywhere.
 *
 * ```
 * source:     --x---y--|      x = 7, 8 and half of 9; y = the rest of 9, then zeros
 * unframe():  --(78)9--|
 * ```
 *
 * A group is one frame here; `deserialize` takes it apart.
 *
 * Zeros up to the end of the file are the end of the log: space laid ahead of the writer. A length is checked against the bytes
 * that remain and against `maxRecordBytes` before anything is allocated for it. The first bytes that are no frame are a
 * `WalCorruptError`; whether they are a torn tail or damage is for recovery to say. Checksums and LSNs are `verify`'s work.
 *
 * Written out, because a frame ends where its own bytes say, which no stock buffer can know.
 */
export function unframe(options: UnframeOptions = {}): OperatorFunction<Uint8Array, StoredFrame> {
  return (source) =>
    new Observable<StoredFrame>((subscriber) => {
      const cutter = new FrameCutter(options);
      // A chunk may be pushed in while a frame is on its way out.
      const turn = inTurn();
      const inOrder = (task: () => void): void => {
        turn(() => {
          if (subscriber.closed) return;
          try {
            task();
          } catch (error) {
            subscriber.error(error);
          }
        });
      };

      const take = (chunk: Uint8Array): void => {
        cutter.add(chunk);
        while (!subscriber.closed) {
          const frame = cutter.next();
          if (!frame) return;
          subscriber.next(frame);
        }
      };

      source.pipe(whileWanted(subscriber)).subscribe({
        next: (chunk) => {
          inOrder(() => {
            take(chunk);
          });
        },
        error: (error: unknown) => {
          inOrder(() => {
            subscriber.error(error);
          });
        },
        complete: () => {
          inOrder(() => {
            cutter.end();
            subscriber.complete();
          });
        },
      });
    });
}
