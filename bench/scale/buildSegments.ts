/** Logs of many segments, made quickly. */
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { recoverWal } from 'rxwal';
import { order, type Order } from '../order';
import { unsyncedStore } from './unsyncedStore';

/** The smallest that may be asked for: every batch ends its segment. */
export const ONE_BATCH_SEGMENT_BYTES = 64;

/** Makes a log of `segments` segments with one order in each but the last, which is empty, and closes it. */
export async function buildSegments(dir: string, segments: number): Promise<void> {
  const wal = await lastValueFrom(
    recoverWal<Order>(unsyncedStore(dir), { maxSegmentBytes: ONE_BATCH_SEGMENT_BYTES, preallocateBytes: 0 }),
  );
  for (let segment = 1; segment < segments; segment += 1) await lastValueFrom(wal.append(order(segment)));
  await wal.close();
}

/** Gives every file a size that it has no bytes for: sparse. Enough for what is to read headers only. */
export async function makeSparse(dir: string, names: readonly string[], bytes: number): Promise<void> {
  for (const name of names) await truncate(join(dir, name), bytes);
}
