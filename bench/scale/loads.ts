/** What an application does with a log while its event loop is watched. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import type { Wal } from 'rxwal';
import { order, type Order } from '../order';
import { produceUntil } from './producers';

/** Keeps a log busy until the time is over; gives the records it has appended. */
export type Load = (wal: Wal<Order>, milliseconds: number) => Promise<number>;

/** That many producers, each of which awaits its own ack. */
export function producers(count: number): Load {
  return async (wal, milliseconds) => {
    const running = produceUntil(wal, count, order);
    await wait(milliseconds);
    return running.stop();
  };
}

/** One producer that writes into `wal.writable()` as long as that takes more. */
export const writable: Load = async (wal, milliseconds) => {
  const stream = wal.writable();
  const end = performance.now() + milliseconds;
  let records = 0;
  while (performance.now() < end) {
    records += 1;
    if (!stream.write(order(records))) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
  return records;
};

/** A load, and beside it something that is done again and again. */
export function beside(load: Load, activity: (wal: Wal<Order>) => Promise<unknown>): Load {
  return async (wal, milliseconds) => {
    const end = performance.now() + milliseconds;
    const loaded = load(wal, milliseconds);
    while (performance.now() < end) await activity(wal);
    return loaded;
  };
}

/** Reads the log from its first record to its last. */
export const reading = (wal: Wal<Order>): Promise<unknown> => lastValueFrom(wal.read(), { defaultValue: undefined });

const OFTEN_MS = 20;

export const rotating = async (wal: Wal<Order>): Promise<unknown> => {
  await wait(OFTEN_MS);
  return wal.rotate();
};

export const checkpointing = async (wal: Wal<Order>): Promise<unknown> => {
  await wait(OFTEN_MS);
  await wal.rotate();
  return wal.checkpoint();
};
