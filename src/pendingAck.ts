import { Observable, type Observer, type Subscriber } from 'rxjs';
import type { Ack } from './types';

/** Who hands out an ack. */
export interface AckSource {
  /** Gives the observer the ack of an LSN once it is released, or what keeps it from being. */
  waitFor(lsn: number, observer: Observer<Ack>): void;
}

/**
 * The ack of one append: an Observable that emits it and completes, and that can be awaited as well, so that `await wal.append(value)` waits
 * for the disk and does not go on with an Observable in its hand.
 *
 * ```
 * append(a):        a--(A|)
 * await append(a):  a--A
 * ```
 *
 * Every append has one, so it is no more than its two fields: `firstValueFrom` costs twice the promise that {@link then} makes.
 */
// eslint-disable-next-line rxjs-x/no-subclass -- nothing that wraps an Observable can be awaited and still be one
export class PendingAck extends Observable<Ack> implements PromiseLike<Ack> {
  constructor(
    private readonly acks: AckSource,
    private readonly lsn: number,
  ) {
    super(handOut);
  }

  /** As `subscribe`, for who neither leaves nor throws: an observer alone, with no subscriber around it. */
  handTo(observer: Observer<Ack>): void {
    this.acks.waitFor(this.lsn, observer);
  }

  then<R = Ack, E = never>(
    onAck?: ((ack: Ack) => R | PromiseLike<R>) | null,
    onError?: ((error: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    const ack = new Promise<Ack>((resolve, reject) => {
      this.handTo(new PromiseEnds(resolve, reject));
    });
    return ack.then(onAck, onError);
  }
}

/** One function for all of them; a closure for each would be a third of what an ack costs. */
function handOut(this: Observable<Ack>, subscriber: Subscriber<Ack>): void {
  (this as unknown as Pick<PendingAck, 'handTo'>).handTo(subscriber);
}

/** The two ends of a promise, as an observer. */
class PromiseEnds implements Observer<Ack> {
  constructor(
    readonly next: (ack: Ack) => void,
    readonly error: (error: unknown) => void,
  ) {}

  complete(): void {
    // The promise has its value already.
  }
}
