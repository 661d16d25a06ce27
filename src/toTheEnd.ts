import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Lets what has begun run to its end, also when nobody waits for it any more: half of an opening cannot be taken back while the
 * disk is at work on it. What comes too late is given to `undo`.
 *
 * ```
 * source:                  ----a|
 * unsubscribed:            --!
 * toTheEnd(undo):          ---
 * undo:                    ----a
 * ```
 *
 * Written out, because every stock operator ends its source with its subscription.
 */
export function toTheEnd<T>(undo: (late: T) => Observable<unknown>): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      source.subscribe({
        next: (value) => {
          if (!subscriber.closed) subscriber.next(value);
          // Nobody is left to hear of a failure; whoever opens next finds what there is.
          // eslint-disable-next-line rxjs-x/no-nested-subscribe -- its own errand, not part of the stream
          else undo(value).subscribe({ error: () => undefined });
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
    });
}
