import { Observable, type OperatorFunction } from 'rxjs';
import { undecodable } from '../reading/entriesOf';
import { framePayload } from '../format/frame';
import { recordFrames } from '../format/group';
import { inTurn } from '../inTurn';
import type { Codec, Entry, StoredFrame } from '../types';
import { whileWanted } from '../whileWanted';

/**
 * Turns record frames back into entries: the mirror of `serialize`. Marks and checkpoints are no records and are left out; a group gives an entry
 * for each of its records, and those are read as `verify` lets them through. Here `g` is one of 9 and 10:
 *
 * ```
 * source:         --7--m--8--g-----|
 * deserialize():  --a-----b--(cd)--|      a = { lsn: 7, value }
 * ```
 *
 * A payload whose checksum is right and that the codec cannot decode was written with another codec: a `WalRecordError` that
 * names the LSN.
 *
 * Written out: `concatMap`, which gives many for one, makes a subscriber for each record.
 */
export function deserialize<T>(codec: Codec<T>): OperatorFunction<StoredFrame, Entry<T>> {
  return (source) =>
    new Observable<Entry<T>>((subscriber) => {
      // A frame may be pushed in while another is on its way out.
      const turn = inTurn();
      const emit = ({ lsn, buffer, start, end }: StoredFrame): void => {
        let value: T;
        try {
          value = codec.decode(framePayload(buffer, start, end));
        } catch (cause) {
          subscriber.error(undecodable(lsn, cause));
          return;
        }
        subscriber.next({ lsn, value });
      };
      source.pipe(whileWanted(subscriber)).subscribe({
        next: (frame) => {
          turn(() => {
            if (frame.kind === 'record') emit(frame);
            if (frame.kind !== 'group') return;
            for (const record of recordFrames(frame)) {
              if (subscriber.closed) return;
              emit(record);
            }
          });
        },
        error: (error: unknown) => {
          turn(() => {
            subscriber.error(error);
          });
        },
        complete: () => {
          turn(() => {
            subscriber.complete();
          });
        },
      });
    });
}
