/** A session over a file of frames that were written by anybody: for contenders that only read. */
import { appendFileSync, closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Session } from '../contender';
import type { Order } from '../order';

/** Where the frames are. */
export const FRAMES_FILE = 'log';

/** @param lay what becomes of one order in the file. */
export function readOnly(
  dir: string,
  lay: (order: Order) => Uint8Array,
  replay: NonNullable<Session['replay']>,
): Session {
  const file = join(dir, FRAMES_FILE);
  const bulk = (orders: readonly Order[]): Promise<void> => {
    appendFileSync(file, Buffer.concat(orders.map(lay)));
    return Promise.resolve();
  };
  return {
    append: (order) => bulk([order]),
    bulk,
    replay,
    close: () => {
      const descriptor = openSync(file, 'r');
      fsyncSync(descriptor);
      closeSync(descriptor);
      return Promise.resolve();
    },
  };
}
