/** Memory of a process that appends as fast as the log takes records, until it refuses, and goes on when it takes them again. */
import { firstValueFrom } from 'rxjs';
import { openWal, WalBackpressureError } from 'rxwal';
import { linearRegression } from 'simple-statistics';
import { ringOrder } from '../harness/orders';
import { startUsage } from '../harness/usage';
import type { Regime } from './regime';

const MIB = 1024 * 1024;
const SAMPLE_MS = 50;
/** How much longer than another job: memory shows late. */
const LONGER = 10;

export const memory: Regime = {
  name: 'memory',
  title: 'Memory: appending until the log refuses, and again when it takes more',
  references: [],
  compared: false,
  only: ['rxwal'],
  maxRounds: 3,
  async measure(_contender, job) {
    const wal = await openWal<unknown>(job.dir);
    const door = { shut: false };
    const refusals = wal.rejected$.subscribe(({ error }) => {
      if (!(error instanceof WalBackpressureError)) throw error;
      door.shut = true;
    });
    const baseline = process.memoryUsage.rss();
    const samples: [seconds: number, mib: number][] = [];
    const stop = startUsage(job.dir);
    const started = performance.now();
    const sampling = setInterval(() => {
      samples.push([(performance.now() - started) / 1000, (process.memoryUsage.rss() - baseline) / MIB]);
    }, SAMPLE_MS);
    let refusalCount = 0;
    for (let index = 0; performance.now() - started < job.measureMs * LONGER;) {
      // The producer does not let the event loop turn until it is refused: nobody can append faster.
      while (!door.shut) wal.next(ringOrder(index++));
      refusalCount += 1;
      door.shut = false;
      await firstValueFrom(wal.commits$);
    }
    await wal.sync();
    const seconds = (performance.now() - started) / 1000;
    clearInterval(sampling);
    const usage = stop();
    const records = wal.lastLsn;
    refusals.unsubscribe();
    await wal.close();
    // The second half: the first fills the queue and the heap.
    const later = samples.slice(samples.length >> 1);
    const slope = later.length < 3 ? NaN : linearRegression(later).m;
    return {
      records,
      seconds,
      usage,
      figures: {
        mostMib: Math.max(...samples.map(([, mib]) => mib)),
        slopeMibPerSecond: slope,
        refusals: refusalCount,
      },
    };
  },
};
