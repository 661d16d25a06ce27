import { Observable, defer, type OperatorFunction } from 'rxjs';
import type { Ack, Entry } from '../types';
import { whileWanted } from '../whileWanted';

/**
 * Appends each value to a log, and emits it again once it is acknowledged, with its LSN. Order is kept.
 *
 * The log's commit takes 4 frames of time here:
 *
 * ```
 * source:         --a-b------------|
 * appendTo(wal):  ------A---B------|      A = { lsn: 1, value: a }
 * ```
 *
 * A value that the log refuses, or a log that stops, is an error of the stream. To go on past a refused value, append by hand:
 * `mergeMap((value) => wal.append(value).pipe(catchError(...)))`.
 *
 * Written out, because `mergeMap` finds a finished inner subscription by searching its list, which costs more the more appends
 * are on their way.
 */
export function appendTo<T>(wal: { append(value: T): Observable<Ack> }): OperatorFunction<T, Entry<T>> {
  return (source) =>
    new Observable<Entry<T>>((subscriber) => {
      let pending = 0;
      let ended = false;
      const finish = (): void => {
        if (ended && pending === 0) subscriber.complete();
      };
      const fail = (error: unknown): void => {
        subscriber.error(error);
      };
      source.pipe(whileWanted(subscriber)).subscribe({
        next: (value) => {
          pending += 1;
          // eslint-disable-next-line rxjs-x/no-nested-subscribe -- see above: no stock operator keeps this flat
          defer(() => wal.append(value)).subscribe({
            next: ({ lsn }) => {
              subscriber.next({ lsn, value });
            },
            error: fail,
            complete: () => {
              pending -= 1;
              finish();
            },
          });
        },
        error: fail,
        complete: () => {
          ended = true;
          finish();
        },
      });
    });
}
