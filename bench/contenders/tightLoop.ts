import { closeSync, fdatasyncSync, writeSync } from 'node:fs';
import { encode, FRAME_ROOM_BYTES, layFrame } from '../harness/frames';
import type { Limited } from '../harness/limited';
import { openZeroFilled, SPACE_BYTES } from '../harness/zeroFilled';
import type { Order } from '../order';

const ARENA_BYTES = 1024 * 1024;

const tightLoop: Limited = {
  name: 'tight loop',
  kind: 'ideal',
  how: 'encode, copy into an arena of 1 MiB, CRC-32, blocking write into zero-filled space; one fdatasync at the end',
  regimes: ['bulk-unacked'],
  open: (dir) => {
    const descriptor = openZeroFilled(dir, false);
    const arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
    let number = 0;
    let at = 0;
    const write = (bytes: number): void => {
      if (at + bytes > SPACE_BYTES) at = 0;
      writeSync(descriptor, arena, 0, bytes, at);
      at += bytes;
    };
    const bulkUnacked = (orders: readonly Order[]): Promise<void> => {
      let end = 0;
      for (const order of orders) {
        end = layFrame(arena, end, ++number, encode(order));
        if (end > ARENA_BYTES - FRAME_ROOM_BYTES) {
          write(end);
          end = 0;
        }
      }
      write(end);
      fdatasyncSync(descriptor);
      return Promise.resolve();
    };
    return Promise.resolve({
      append: (order) => bulkUnacked([order]),
      bulkUnacked,
      close: () => {
        closeSync(descriptor);
        return Promise.resolve();
      },
    });
  },
};

export default tightLoop;
