/** Bytes of JavaScript heap that a record takes: `node --expose-gc ... allocationJob.js DIRECTORY`. Prints {@link Allocations}. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PerformanceObserver } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openWal, type Wal } from 'rxwal';
import { ORDERS, produce } from './work';

/** For each way a record can go: bytes a record, of the stretch that took the least. Absent where every stretch met a collection. */
export type Allocations = Partial<Record<'next' | 'subscribed' | 'awaited' | 'alone' | 'replayed', number>>;

/** One batch, so that what a commit takes is shared by as many records each time. */
const RECORDS = 4096;
/** Of one producer that waits for each: every record is a commit. */
const ALONE_RECORDS = 128;
/** The engine has compiled what is hot by then. */
const WARM_UPS = 12;
const STRETCHES = 10;

async function main(dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true });
  const values = Array.from({ length: RECORDS }, (_, number) => ORDERS.make(number));
  const ways: Record<keyof Allocations, (wal: Wal<unknown>) => Promise<unknown>> = {
    next: (wal) => {
      for (const value of values) wal.next(value);
      return wal.sync();
    },
    subscribed: (wal) => {
      let acks = 0;
      const ignore = { next: () => (acks += 1) };
      for (const value of values) wal.append(value).subscribe(ignore);
      return wal.sync();
    },
    awaited: (wal) => produce(wal, { producers: 64, records: RECORDS, make: (number) => values[number] }),
    alone: (wal) => produce(wal, { producers: 1, records: ALONE_RECORDS, make: (number) => values[number] }),
    replayed: (wal) =>
      new Promise((resolve, reject) => {
        let sum = 0;
        wal.read({ after: wal.lastLsn - RECORDS }).subscribe({
          next: ({ lsn }) => (sum += lsn),
          error: reject,
          complete: () => resolve(sum),
        });
      }),
  };
  const allocations: Allocations = {};
  for (const way of Object.keys(ways) as (keyof Allocations)[]) {
    const wal = await openWal<unknown>(join(dir, way), { codec: ORDERS.codec });
    if (way === 'replayed') await ways.next(wal);
    const least = await leastHeapBytes(() => ways[way](wal));
    if (least !== undefined) allocations[way] = least / (way === 'alone' ? ALONE_RECORDS : RECORDS);
    await wal.close();
  }
  console.log(JSON.stringify(allocations));
}

async function leastHeapBytes(stretch: () => Promise<unknown>): Promise<number | undefined> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('needs --expose-gc');
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  let least: number | undefined;
  for (let round = -WARM_UPS; round < STRETCHES; round += 1) {
    gc();
    // Entries of a collection come in a later turn.
    await nextTurn();
    await nextTurn();
    collections = 0;
    const before = process.memoryUsage().heapUsed;
    await stretch();
    const bytes = process.memoryUsage().heapUsed - before;
    await nextTurn();
    await nextTurn();
    if (round >= 0 && collections === 0 && bytes < (least ?? Infinity)) least = bytes;
  }
  observer.disconnect();
  return least;
}

void main(process.argv[2] as string);
