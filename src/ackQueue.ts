import type { Observer, Subject } from 'rxjs';
import type { Ack } from './types';

type Waiter = Observer<Ack> | Observer<Ack>[];

const SMALLEST = 64;

/**
 * Acks handed out in one turn of the event loop. What is done with each of them, such as the next append, takes some microseconds, and
 * the application's own timers wait meanwhile.
 */
const ACKS_A_TURN = 1024;

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
  #handing = false;
  /** Acks are due that wait for the next turn. */
  #pausing = false;
  /** How many more may be handed out in this turn. */
  #left = 0;
  /** What waits until all that is due has been handed out. */
  #afterwards: (() => void)[] = [];
  /** Those who came too late to wait, while acks are handed out: they take their turn. */
  #late: { readonly lsn: number; readonly observer: Observer<Ack> }[] = [];

  /**
   * @param released the last LSN that nobody has to wait for.
   * @param ack makes the ack of an LSN.
   * @param acks$ gets every one of them, where anybody listens.
   */
  constructor(
    released: number,
    private readonly ack: (lsn: number) => Ack,
    private readonly acks$: Subject<Ack>,
    /** Does the rest of what is due, in the next turn. */
    private readonly later: (work: () => void) => void,
  ) {
    this.#released = released;
    this.#target = released;
  }

  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Whether an LSN has been released: then {@link wait} hands out its ack at once. */
  isReleased(lsn: number): boolean {
    return lsn <= this.#released;
  }

  /** Hands the ack of an LSN to an observer when it is released; where it is, at once, or in its turn behind others. */
  wait(lsn: number, observer: Observer<Ack>): void {
    if (this.isReleased(lsn)) {
      this.#late.push({ lsn, observer });
      this.#handOut(0);
      return;
    }
    while (lsn - this.#released > this.#ring.length) this.#grow();
    const at = this.#at(lsn);
    const there = this.#ring[at];
    if (there === undefined) this.#ring[at] = observer;
    else if (Array.isArray(there)) there.push(observer);
    else this.#ring[at] = [there, observer];
    this.#waiting += 1;
  }

  /** Releases everything up to `lsn`, oldest first. */
  release(lsn: number): void {
    const isBehind = this.#target > this.#released;
    this.#target = Math.max(this.#target, lsn);
    const most = isBehind ? this.#share : ACKS_A_TURN;
    if (this.#handing) this.#left = Math.max(this.#left, most);
    else this.#handOut(most);
  }

  /** Half of what is due, where that is more than a turn's: so acks are never behind by more than the largest commit. */
  get #share(): number {
    return Math.max(ACKS_A_TURN, (this.#target - this.#released) >> 1);
  }

  /**
   * A waiter may append again from within its handler, and that may be released before the handler returns: it takes its turn in the
   * loop that is running, so order holds and the stack does not grow.
   */
  #handOut(most: number): void {
    if (this.#handing) return;
    this.#handing = true;
    this.#left = most;
    while ((this.#released < this.#target && this.#left > 0) || this.#late.length > 0) {
      const late = this.#late;
      if (late.length > 0) this.#late = [];
      for (const { lsn, observer } of late) complete(observer, this.ack(lsn));
      if (this.#released < this.#target && this.#left > 0 && this.#releaseNext()) this.#left -= 1;
    }
    this.#handing = false;
    const afterwards = this.#afterwards;
    this.#afterwards = [];
    for (const task of afterwards) task();
    if (this.#released < this.#target && !this.#pausing) this.#pause();
  }

  #pause(): void {
    this.#pausing = true;
    this.later(() => {
      this.#pausing = false;
      this.#handOut(this.#share);
    });
  }

  /** The log is about to end: hands out in this turn all that is due, and then does `task`. One who is being told may have asked for it. */
  finish(task: () => void): void {
    this.#afterwards.push(task);
    this.#pausing = false;
    this.#left = Infinity;
    this.#handOut(Infinity);
  }

  /** @returns whether anybody has been told. */
  #releaseNext(): boolean {
    const isHeard = this.acks$.observed;
    if (this.#waiting === 0 && !isHeard) {
      this.#released = this.#target;
      return false;
    }
    const lsn = this.#released + 1;
    const at = this.#at(lsn);
    const waiter = this.#ring[at];
    this.#ring[at] = undefined;
    this.#released = lsn;
    if (waiter === undefined && !isHeard) return false;
    const ack = this.ack(lsn);
    if (Array.isArray(waiter)) {
      for (const observer of waiter) this.#complete(observer, ack);
    } else if (waiter !== undefined) {
      this.#complete(waiter, ack);
    }
    // Also to one that has come only now.
    if (this.acks$.observed) this.acks$.next(ack);
    return true;
  }

  #complete(observer: Observer<Ack>, ack: Ack): void {
    this.#waiting -= 1;
    complete(observer, ack);
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
      for (const observer of [waiter].flat()) {
        this.#waiting -= 1;
        observer.error(error);
      }
    }
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

function complete(observer: Observer<Ack>, ack: Ack): void {
  observer.next(ack);
  observer.complete();
}
