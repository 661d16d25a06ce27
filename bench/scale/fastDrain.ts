/** A queue that is filled to its limit and then drains: against one write of the same bytes, made ready beforehand. */
import { constants } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BehaviorSubject, filter, lastValueFrom } from 'rxjs';
import { nodeStore, recoverWal } from 'rxwal';
import { order, type Order } from '../order';
import { gatedStore } from './slowStore';

export interface Drain {
  readonly records: number;
  readonly bytes: number;
  /** From the moment the disk takes writes again until the last ack. */
  readonly logMs: number;
  /** One `O_DSYNC` write of as many bytes at the end of a growing file. */
  readonly floorMs: number;
}

/** One round: the log, then the floor. */
export async function drain(dir: string, maxPendingBytes: number): Promise<Drain> {
  const logDir = await mkdtemp(join(dir, 'drain-'));
  const open$ = new BehaviorSubject(true);
  const store = gatedStore(nodeStore(logDir), open$.pipe(filter((isOpen) => isOpen)));
  const wal = await lastValueFrom(recoverWal<Order>(store, { maxPendingBytes, maxSegmentBytes: maxPendingBytes * 4 }));
  let bytes = 0;
  let acks = 0;
  wal.commits$.subscribe((commit) => {
    bytes += commit.bytes;
  });
  wal.acks$.subscribe(() => {
    acks += 1;
  });
  const log = { isFull: false };
  wal.rejected$.subscribe(() => {
    log.isFull = true;
  });
  open$.next(false);
  while (!log.isFull) wal.next(order(wal.lastLsn + 1));
  const records = wal.lastLsn;
  const started = performance.now();
  open$.next(true);
  await wal.sync();
  const logMs = performance.now() - started;
  if (acks !== records) throw new Error(`${acks} acks for ${records} records`);
  await wal.close();
  const floorMs = await floor(join(logDir, 'floor'), bytes);
  await rm(logDir, { recursive: true });
  return { records, bytes, logMs, floorMs };
}

async function floor(path: string, bytes: number): Promise<number> {
  const content = Buffer.alloc(bytes, 'floor');
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_DSYNC);
  const started = performance.now();
  await file.write(content, 0, bytes, 0);
  const milliseconds = performance.now() - started;
  await file.close();
  return milliseconds;
}
