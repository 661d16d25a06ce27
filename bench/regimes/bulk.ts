/** Many records handed over at once; done when each has its ack. */
import type { Order } from '../order';
import type { Session } from '../contender';
import type { Job, Measurement } from '../harness/measurement';
import { ringOrders } from '../harness/orders';
import { startUsage } from '../harness/usage';
import type { Contender } from '../contender';
import type { Regime } from './regime';

export const bulk: Regime = {
  name: 'bulk',
  title: 'Bulk, each record acknowledged',
  references: ['floor', 'ideal'],
  measure: (contender, job) => measureBulk(contender, job, appendAll),
};

/** The contender's own way, or all appends at once. */
export function appendAll(session: Session, orders: readonly Order[]): Promise<unknown> {
  return session.bulk?.(orders) ?? Promise.all(orders.map((order) => session.append(order)));
}

/** Hands over bulk after bulk until the time is up; the last one begun is finished. */
export async function measureBulk(
  contender: Contender,
  job: Job,
  hand: (session: Session, orders: readonly Order[]) => Promise<unknown>,
): Promise<Measurement> {
  const session = await contender.open(job.dir);
  const orders = ringOrders(job.bulkRecords);
  const run = async (milliseconds: number): Promise<Pick<Measurement, 'records' | 'seconds'>> => {
    const started = performance.now();
    let records = 0;
    do {
      await hand(session, orders);
      records += orders.length;
    } while (performance.now() - started < milliseconds);
    return { records, seconds: (performance.now() - started) / 1000 };
  };
  await run(job.warmUpMs);
  const stop = startUsage(job.dir, session.serverPid);
  const done = await run(job.measureMs);
  const usage = stop();
  await session.close();
  return { ...done, usage };
}
