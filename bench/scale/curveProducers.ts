import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { order, type Order } from '../order';
import { inRounds, type Curve, type Series } from './curve';
import { FALLING, FLAT_OR_FALLING } from './must';
import { openCounted } from './openCounted';
import { produce } from './producers';
import { stopwatch } from './stopwatch';

const PRODUCERS = [1, 4, 16, 64, 256, 1024, 4096];
const MIN_RECORDS = 1000;
/** Commits that a round is to have at the least. */
const RECORDS_A_PRODUCER = 16;

const CPU: Series = { name: 'CPU time a record', unit: 'µs', must: FLAT_OR_FALLING };
const WALL: Series = { name: 'wall time a record', unit: 'µs', must: FLAT_OR_FALLING };
const SYNCS: Series = { name: 'fsyncs a record', unit: 'calls', must: FALLING };
const WRITES: Series = { name: 'writes a record', unit: 'calls', must: FALLING };

export const curveProducers: Curve = {
  name: 'producers',
  what: 'mode sync, order events, each producer awaits its own ack; the group commit makes many ride on one fsync',
  x: 'producers',
  rounds: 7,
  series: [CPU, WALL, SYNCS, WRITES],
  measure: ({ dir, rounds }, samples) =>
    inRounds(PRODUCERS, rounds, samples, async (producers, kept) => {
      const { wal, calls } = await openCounted<Order>(await mkdtemp(join(dir, 'producers-')), {});
      const records = Math.max(MIN_RECORDS, producers * RECORDS_A_PRODUCER);
      // The first step of zeros is laid, and the code compiled, before the clock starts.
      await produce(wal, producers, records >> 2, order);
      const before = calls.copy();
      const taken = stopwatch();
      await produce(wal, producers, records, order);
      const { wallUs, cpuUs } = taken();
      const { syncs, writes } = calls.since(before);
      kept.add(CPU, producers, cpuUs / records);
      kept.add(WALL, producers, wallUs / records);
      kept.add(SYNCS, producers, syncs / records);
      kept.add(WRITES, producers, writes / records);
      await wal.close();
    }),
};
