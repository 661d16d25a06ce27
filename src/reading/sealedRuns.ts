import { Observable, type OperatorFunction } from 'rxjs';
import { checkFrame } from './checkFrame';
import { crcStart } from '../format/frame';
import { SealedRun } from '../format/sealedRun';
import { FrameCutter, type UnframeOptions } from './frameCutter';
import type { StoredRun } from './storedRun';
import { whileWanted } from '../whileWanted';

export interface SealedRunsOptions extends UnframeOptions {
  /** Id of the log, from the segment's header. */
  readonly logId: Uint8Array;
}

/**
 * As `unframe` and `verify` one behind the other, with all whole frames of a chunk at once: the same frames, and the same error behind the
 * same frame. Chunks may be cut anywhere.
 *
 * ```
 * source:          --x----y--|      x = 7, 8 and half of 9; y = the rest of 9, then 10 and 11
 * sealedRuns():    --a----(bc)|     a = 7 and 8; b = 9, joined; c = 10 and 11
 * ```
 *
 * Written out: how many runs there are in a chunk, and where they end, is for the bytes to say.
 */
export function sealedRuns({ logId, ...options }: SealedRunsOptions): OperatorFunction<Uint8Array, StoredRun> {
  const { after = 0, file = 'segment', size = Infinity, maxRecordBytes = Infinity } = options;
  const crcFrom = crcStart(logId);
  return (source) =>
    new Observable<StoredRun>((subscriber) => {
      const cutter = new FrameCutter(options);
      const sealed = new SealedRun(crcFrom, maxRecordBytes, options.groups);
      let lastLsn = after;

      /** Hands on what lies behind the last run. */
      const emit = (buffer: Uint8Array, start: number, end: number, offset: number, last: number): void => {
        const run = { buffer, start, end, offset, after: lastLsn, lastLsn: last };
        lastLsn = last;
        subscriber.next(run);
      };

      const take = (chunk: Uint8Array): void => {
        cutter.add(chunk);
        while (!subscriber.closed) {
          const { buffer, at, base } = cutter;
          sealed.scan(buffer, at, Math.min(buffer.length, size - base), lastLsn);
          if (sealed.end > at) {
            cutter.skip(sealed.end, sealed.lastLsn);
            emit(buffer, at, sealed.end, base + at, sealed.lastLsn);
            continue;
          }
          // One that lies across two chunks, the end of the log, or damage: frame by frame.
          const frame = cutter.next();
          if (!frame) return;
          emit(frame.buffer, frame.start, frame.end, frame.offset, checkFrame(frame, lastLsn, crcFrom, file));
        }
      };

      const attempt = (task: () => void): void => {
        try {
          task();
        } catch (error) {
          subscriber.error(error);
        }
      };

      source.pipe(whileWanted(subscriber)).subscribe({
        next: (chunk) => {
          attempt(() => {
            take(chunk);
          });
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          attempt(() => {
            if (subscriber.closed) return;
            cutter.end();
            subscriber.complete();
          });
        },
      });
    });
}
