import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openWal } from 'rxwal';
import { order, type Order } from '../order';
import { leaveAsKilled, unclean } from './crashed';
import { inRounds, type Curve, type Series } from './curve';
import { LINEAR } from './must';
import { openCounted } from './openCounted';
import { stopwatch } from './stopwatch';

const MIB = 1024 * 1024;
/** What a segment of the default size may come to. */
const LARGEST_MIB = 64;
const SIZES_MIB = [1, 4, 16, LARGEST_MIB];
const ORDERS_AT_ONCE = 4000;

const CLEAN: Series = { name: 'open, clean, wall', unit: 'ms', must: LINEAR };
const CLEAN_BYTES: Series = { name: 'open, clean, bytes read', unit: 'bytes', must: LINEAR };
const KILLED: Series = { name: 'open, killed, wall', unit: 'ms', must: LINEAR };
const KILLED_BYTES: Series = { name: 'open, killed, bytes read', unit: 'bytes', must: LINEAR };

export const curveLastSegment: Curve = {
  name: 'lastSegment',
  what: 'a log of one segment full of orders: open it after a clean close, and as a killed process leaves it (read, copied, read again)',
  x: 'MiB',
  rounds: 3,
  series: [CLEAN, CLEAN_BYTES, KILLED, KILLED_BYTES],
  measure: async ({ dir, rounds }, samples) => {
    const killed = new Map<number, Buffer>();
    const dirOf = (size: number): string => join(dir, `${size}MiB`);
    for (const size of SIZES_MIB) {
      await mkdir(dirOf(size));
      const wal = await openWal<Order>(dirOf(size), { maxSegmentBytes: 2 * LARGEST_MIB * MIB });
      const [segment] = await wal.logFiles();
      let bytes = 0;
      wal.commits$.subscribe((commit) => {
        bytes += commit.bytes;
      });
      while (bytes < size * MIB) {
        for (let record = 1; record <= ORDERS_AT_ONCE; record += 1) wal.next(order(record));
        await wal.sync();
      }
      killed.set(size, await unclean(segment as string));
      await wal.close();
    }
    await inRounds(SIZES_MIB, rounds, samples, async (size, kept) => {
      for (const [wall, bytes] of [
        [CLEAN, CLEAN_BYTES],
        [KILLED, KILLED_BYTES],
      ] as const) {
        const segment = join(dirOf(size), 'wal_00000000.log');
        if (wall === KILLED) await leaveAsKilled(segment, killed.get(size) as Buffer);
        const opened = stopwatch();
        const { wal, calls } = await openCounted<Order>(dirOf(size), {});
        kept.add(wall, size, opened().wallUs / 1000);
        kept.add(bytes, size, calls.readBytes);
        if (wal.recovery.clean !== (wall === CLEAN)) throw new Error('the log was not left as meant');
        await wal.close();
      }
    });
  },
};
