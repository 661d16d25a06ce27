import type { Subject, Subscriber } from 'rxjs';
import type { Ack } from './types';

type Waiter = Subscriber<Ack> | Subscriber<Ack>[];

const SMALLEST = 64;

/**
 * Those who wait for an LSN, released in LSN order by the watermark.
 *
 * LSNs are dense, so they wait in a ring at the place of their LSN: to wait and to be released cost the same with fifty waiting as
 * with fifty thousand. (Subscribers on one shared watermark stream would be O(N²).)
 */
export class AckQueue {
  #ring: (Waiter | undefined)[] = new Array<Waiter | undefined>(SMALLEST);
  #released: number;
  #target: number;
  #waiting = 0;
  #releasing = false;

  /** @param released the last LSN that nobody has to wait for. */
  constructor(released: number) {
    this.#released = released;
    this.#target = released;
  }

  /** The last LSN that was released. */
  get released(): number {
    return this.#released;
  }

  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Keeps a subscriber until its LSN is released. */
  wait(lsn: number, subscriber: Subscriber<Ack>): void {
    while (lsn - this.#released > this.#ring.length) this.#grow();
    const at = this.#at(lsn);
    const there = this.#ring[at];
    if (there === undefined) this.#ring[at] = subscriber;
    else if (Array.isArray(there)) there.push(subscriber);
    else this.#ring[at] = [there, subscriber];
    this.#waiting += 1;
  }

  /**
   * Releases everything up to `lsn`, oldest first. An acknowledged waiter may append again, and that may be released before this
   * returns: it takes its turn in the running loop, so order holds and the stack does not grow.
   *
   * @param ack makes the ack of an LSN.
   * @param acks$ gets every one of them, where anybody listens.
   */
  release(lsn: number, ack: (lsn: number) => Ack, acks$: Subject<Ack>): void {
    this.#target = Math.max(this.#target, lsn);
    if (this.#releasing) return;
    this.#releasing = true;
    while (this.#released < this.#target) {
      if (this.#waiting === 0 && !acks$.observed) {
        this.#released = this.#target;
        break;
      }
      const next = this.#released + 1;
      const at = this.#at(next);
      const waiter = this.#ring[at];
      this.#ring[at] = undefined;
      this.#released = next;
      if (waiter === undefined && !acks$.observed) continue;
      const made = ack(next);
      if (waiter !== undefined) this.#hand(waiter, made);
      acks$.next(made);
    }
    this.#releasing = false;
  }

  /** Fails all who wait, oldest first. */
  fail(errorFor: (lsn: number) => Error): void {
    const first = this.#released + 1;
    for (let lsn = first; this.#waiting > 0 && lsn < first + this.#ring.length; lsn += 1) {
      const at = this.#at(lsn);
      const waiter = this.#ring[at];
      if (waiter === undefined) continue;
      this.#ring[at] = undefined;
      const error = errorFor(lsn);
      for (const subscriber of [waiter].flat()) {
        this.#waiting -= 1;
        subscriber.error(error);
      }
    }
  }

  #hand(waiter: Waiter, ack: Ack): void {
    if (Array.isArray(waiter)) {
      for (const subscriber of waiter) this.#hand(subscriber, ack);
      return;
    }
    this.#waiting -= 1;
    waiter.next(ack);
    waiter.complete();
  }

  #at(lsn: number): number {
    return lsn & (this.#ring.length - 1);
  }

  #grow(): void {
    const old = this.#ring;
    const first = this.#released + 1;
    this.#ring = new Array<Waiter | undefined>(old.length * 2);
    for (let lsn = first; lsn < first + old.length; lsn += 1) {
      this.#ring[this.#at(lsn)] = old[lsn & (old.length - 1)];
    }
  }
}
