/** Group commit of bytes that were made ready beforehand: the part of a log that is the disk's, and an ack for each record. */
import type { Session } from '../contender';
import { encode, layFrame } from './frames';
import { RING, ringOrder } from './orders';

/** Frames of the ring's orders, laid side by side. */
export interface Slab {
  readonly bytes: Buffer;
  /** `ends[n]`: bytes of the first n frames. */
  readonly ends: Uint32Array;
}

export function makeSlab(): Slab {
  const bytes = Buffer.allocUnsafeSlow(RING * 256);
  const ends = new Uint32Array(RING + 1);
  for (let index = 0; index < RING; index += 1) {
    ends[index + 1] = layFrame(bytes, ends[index] as number, index + 1, encode(ringOrder(index)));
  }
  return { bytes, ends };
}

/** Writes the slab's first `bytes` bytes behind what was written before, and calls back when they are durable. */
export type WriteDurably = (slab: Buffer, bytes: number, done: (error: Error | null) => void) => void;

/** Records that one write takes at the most: about 1 MiB. */
const MOST = 5400;

/**
 * @param inFlight how many writes may be on their way at once.
 * @param later what puts a write off until everything is there that wants to ride with it.
 */
export function preframed(
  write: WriteDurably,
  close: () => void,
  inFlight = 1,
  later: (callback: () => void) => void = (callback) => process.nextTick(callback),
): Session {
  const slab = makeSlab();
  const waiting: ((error: Error | null) => void)[] = [];
  let writing = 0;
  let scheduled = false;

  const schedule = (): void => {
    if (scheduled || writing === inFlight) return;
    scheduled = true;
    later(send);
  };
  const send = (): void => {
    scheduled = false;
    if (waiting.length === 0) return;
    const acks = waiting.splice(0, MOST);
    writing += 1;
    write(slab.bytes, slab.ends[acks.length] as number, (error) => {
      writing -= 1;
      for (const ack of acks) ack(error);
      if (waiting.length > 0) schedule();
    });
    if (waiting.length > 0) schedule();
  };
  return {
    append: () =>
      new Promise<void>((resolve, reject) => {
        waiting.push((error) => (error === null ? resolve() : reject(error)));
        schedule();
      }),
    bulk: (orders) =>
      new Promise<void>((resolve, reject) => {
        let left = orders.length;
        const ack = (error: Error | null): void => {
          if (error !== null) reject(error);
          else if (--left === 0) resolve();
        };
        for (let index = orders.length; index > 0; index -= 1) waiting.push(ack);
        schedule();
      }),
    close: () => {
      close();
      return Promise.resolve();
    },
  };
}
