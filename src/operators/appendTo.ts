import { Observable, type Observer, type OperatorFunction, type Subscriber } from 'rxjs';
import { PendingAck } from '../pendingAck';
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
      const appends = new Appends(subscriber);
      source.pipe(whileWanted(subscriber)).subscribe({
        next: (value) => {
          try {
            const ack$ = wal.append(value);
            if (ack$ instanceof PendingAck) ack$.handTo(appends.wait(value));
            // eslint-disable-next-line rxjs-x/no-nested-subscribe -- see above: no stock operator keeps this flat
            else ack$.subscribe(appends.wait(value));
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          appends.end();
        },
      });
    });
}

/** Appends that are on their way, each with an observer of its own: two fields, where three closures would cost twice the append. */
class Appends<T> {
  #pending = 0;
  #ended = false;

  constructor(readonly subscriber: Subscriber<Entry<T>>) {}

  wait(value: T): Observer<Ack> {
    this.#pending += 1;
    return new Append(this, value);
  }

  done(): void {
    this.#pending -= 1;
    this.#finish();
  }

  end(): void {
    this.#ended = true;
    this.#finish();
  }

  #finish(): void {
    if (this.#ended && this.#pending === 0) this.subscriber.complete();
  }
}

class Append<T> implements Observer<Ack> {
  constructor(
    private readonly appends: Appends<T>,
    private readonly value: T,
  ) {}

  next({ lsn }: Ack): void {
    this.appends.subscriber.next({ lsn, value: this.value });
  }

  error(error: unknown): void {
    this.appends.subscriber.error(error);
  }

  complete(): void {
    this.appends.done();
  }
}
