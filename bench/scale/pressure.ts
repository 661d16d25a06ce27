/** A producer ten times faster than its disk, two ways to hold it back, and what becomes of the records. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { finished } from 'node:stream/promises';
import { lastValueFrom } from 'rxjs';
import { nodeStore, readWal, recoverWal, type Wal } from 'rxwal';
import { order, type Order } from '../order';
import { delays, type Delays } from './loopWatch';
import { watchMemory, type MemoryReport } from './memoryWatch';
import { slowStore } from './slowStore';

export interface PressureOptions {
  readonly dir: string;
  readonly seconds: number;
  readonly diskBytesPerSecond: number;
  readonly offeredRecordsPerSecond: number;
  readonly maxPendingBytes: number;
}

export interface Pressure {
  /** What the producer would have appended, had it never been held back. */
  readonly offered: number;
  readonly accepted: number;
  readonly acked: number;
  /** Appends that were refused, and made again later. */
  readonly refused: number;
  /** Records in the log when it was read back; all of them in order, without a gap. */
  readonly readBack: number;
  /** From handing a record over until its ack, in milliseconds. */
  readonly latency: Delays;
  /** Records that were accepted and not yet durable: the most of them. */
  readonly mostWaiting: number;
  readonly memory: MemoryReport;
}

const TICK_MS = 5;

/** Hands a record to the log. @returns whether it was taken; if not, the same one is offered again. */
type Offer = (id: number, acked: () => void) => boolean;
interface Producer {
  readonly offer: Offer;
  /** Nothing more will be offered: done when the log has everything that was. */
  end(): Promise<unknown>;
}
type Way = (wal: Wal<Order>, refused: () => void) => Producer;

/** `append`, and again on the next tick where the log had no room. */
const byAppend: Way = (wal, refused) => ({
  offer: (id, acked) => {
    let taken = true;
    wal.append(order(id)).subscribe({
      next: acked,
      // Told at once, and of want of room only: anything else would end the run when it is read back.
      error: () => {
        taken = false;
        refused();
      },
    });
    return taken;
  },
  end: () => wal.sync(),
});

/** `wal.writable()`, as long as `write()` says that there is room. */
const byWritable: Way = (wal, refused) => {
  const stream = wal.writable();
  return {
    offer: (id, acked) => {
      if (stream.writableNeedDrain) {
        refused();
        return false;
      }
      stream.write(order(id), acked);
      return true;
    },
    end: async () => {
      stream.end();
      await finished(stream);
    },
  };
};

const WAYS = { append: byAppend, writable: byWritable };

export async function press(way: keyof typeof WAYS, options: PressureOptions): Promise<Pressure> {
  const { dir, seconds, diskBytesPerSecond, offeredRecordsPerSecond, maxPendingBytes } = options;
  const store = slowStore(nodeStore(dir), diskBytesPerSecond);
  const wal = await lastValueFrom(recoverWal<Order>(store, { maxPendingBytes }));
  const memory = watchMemory();
  const latency = createHistogram();
  let accepted = 0;
  let acked = 0;
  let refused = 0;
  let mostWaiting = 0;
  const producer = WAYS[way](wal, () => {
    refused += 1;
  });
  const onAck = (since: number): void => {
    acked += 1;
    latency.record(Math.max(1, Math.round((performance.now() - since) * 1e6)));
  };

  const started = performance.now();
  let offered = 0;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - started) / 1000;
      const due = Math.floor(Math.min(elapsed, seconds) * offeredRecordsPerSecond);
      let taken = true;
      for (; offered < due && taken; offered += 1) {
        const now = performance.now();
        taken = producer.offer(accepted + 1, () => {
          onAck(now);
        });
        if (taken) accepted += 1;
      }
      // What a producer of this speed would have made meanwhile.
      offered = due;
      mostWaiting = Math.max(mostWaiting, accepted - acked);
      if (elapsed < seconds) return;
      clearInterval(timer);
      resolve();
    }, TICK_MS);
  });
  await producer.end();
  const report = memory();
  await wal.close();
  const readBack = await countInOrder(dir);
  return { offered, accepted, acked, refused, readBack, latency: told(latency), mostWaiting, memory: report };
}

function told(latency: RecordableHistogram): Delays {
  return delays(latency, 0);
}

async function countInOrder(dir: string): Promise<number> {
  let records = 0;
  await readWal<Order>(dir).forEach(({ lsn, value }) => {
    records += 1;
    if (lsn !== records || value.id !== records)
      throw new Error(`LSN ${lsn} holds ${value.id}, and it is the ${records}th`);
  });
  return records;
}
