import { Observable, Subject, type OperatorFunction } from 'rxjs';
import { FRAME_OVERHEAD_BYTES } from '../format/frame';
import { HEADER_BYTES } from '../format/header';
import { inTurn } from '../inTurn';
import type { Batch, SegmentStart, SegmentWindow } from '../types';
import { whileWanted } from '../whileWanted';

export interface RotateOptions {
  /** A segment ends with the batch that takes it to this size, in bytes. Default 64 MiB. */
  readonly maxSegmentBytes?: number;
  /** The segment to go on with. Default: the first one of a new log. */
  readonly from?: SegmentStart;
}

/** 64 MiB. */
export const DEFAULT_MAX_SEGMENT_BYTES = 64 * 1024 * 1024;

/**
 * Cuts the stream of batches into segments: one window, one file.
 *
 * The batch that takes a segment to `maxSegmentBytes` is its last, and so is one with a `rotate` barrier. A batch is never split
 * over two segments, and a segment without a record is never closed. The next window opens the moment one closes, so that its
 * file can be made while the next batch gathers. In the picture every batch fills half a segment:
 *
 * ```
 * source:    --a--b----c--|
 * rotate():  0----1-------|        windows, by sequence
 *            --a--(b|)              b stands at the end of window 0
 *                 -----c--|
 * ```
 *
 * Flatten the windows as they come, before anything slow: one that waits in the queue of a busy `concatMap` loses its values
 * (ReactiveX/rxjs#4856). `commit` does.
 *
 * Written out, because no stock window closes behind the value that crosses a limit.
 */
export function rotate(options: RotateOptions = {}): OperatorFunction<Batch, SegmentWindow> {
  const { maxSegmentBytes = DEFAULT_MAX_SEGMENT_BYTES, from } = options;
  return (source) =>
    new Observable<SegmentWindow>((subscriber) => {
      let { sequence, firstLsn, lastLsn, bytes } = from ?? {
        sequence: 0,
        firstLsn: 1,
        lastLsn: 0,
        bytes: HEADER_BYTES,
      };
      let batches$ = new Subject<Batch>();

      // A batch may be pushed in while another is on its way out.
      const take = inTurn();

      const open = (): void => {
        subscriber.next({ sequence, firstLsn, batches$: batches$.asObservable() });
      };
      const turn = (): void => {
        const full = batches$;
        batches$ = new Subject<Batch>();
        sequence += 1;
        firstLsn = lastLsn + 1;
        bytes = HEADER_BYTES;
        full.complete();
        open();
      };
      const pass = (batch: Batch): void => {
        if (batch.records > 0) lastLsn = batch.lastLsn;
        // Commit may put a mark before what it writes.
        const writes = batch.bytes > 0 || batch.barriers.some(({ kind }) => kind === 'checkpoint');
        if (writes) bytes += batch.bytes + FRAME_OVERHEAD_BYTES;
        const asked = batch.barriers.some(({ kind }) => kind === 'rotate');
        const ends = lastLsn >= firstLsn && (asked || bytes >= maxSegmentBytes);
        batches$.next(batch);
        if (ends) turn();
      };

      open();
      source.pipe(whileWanted(subscriber)).subscribe({
        next: (batch) => {
          take(() => {
            pass(batch);
          });
        },
        error: (error: unknown) => {
          take(() => {
            batches$.error(error);
            subscriber.error(error);
          });
        },
        complete: () => {
          if (subscriber.closed) return;
          take(() => {
            batches$.complete();
            subscriber.complete();
          });
        },
      });
    });
}
