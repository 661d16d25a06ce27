import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Observable } from 'rxjs';
import { order, type Order } from '../order';
import { inRounds, type Curve, type Series } from './curve';
import { LINEAR } from './must';
import { openCounted } from './openCounted';
import { timed } from './stopwatch';

const SUBSCRIBERS = [1, 2, 5, 10, 20, 50, 100];
const RECORDS = 10_000;

const ACKS: Series = { name: 'acks$, CPU a record', unit: 'µs', must: LINEAR };
const DURABLE: Series = { name: 'durable$, CPU a record', unit: 'µs', must: LINEAR };

export const curveSubscribers: Curve = {
  name: 'subscribers',
  what: `${RECORDS} orders handed over at once, with n subscribers: each one hears of every record (acks$) or of every fsync (durable$)`,
  x: 'subscribers',
  rounds: 5,
  series: [ACKS, DURABLE],
  measure: ({ dir, rounds }, samples) =>
    inRounds(SUBSCRIBERS, rounds, samples, async (subscribers, kept) => {
      for (const [series, output] of [
        [ACKS, 'acks$'],
        [DURABLE, 'durable$'],
      ] as const) {
        const { wal } = await openCounted<Order>(await mkdtemp(join(dir, 'subscribers-')), {});
        let heard = 0;
        for (let subscriber = 0; subscriber < subscribers; subscriber += 1) {
          const heard$: Observable<unknown> = wal[output];
          heard$.subscribe(() => {
            heard += 1;
          });
        }
        const taken = await timed(async () => {
          for (let record = 1; record <= RECORDS; record += 1) wal.next(order(record));
          await wal.sync();
        });
        if (heard < subscribers) throw new Error(`${subscribers} subscribed, and heard ${heard} times`);
        kept.add(series, subscribers, taken.cpuUs / RECORDS);
        await wal.close();
      }
    }),
};
