/** Producers that each append, await the ack, and append again. */
import type { Session } from '../contender';
import { Latencies } from '../harness/latencies';
import type { Measurement } from '../harness/measurement';
import { ringOrder } from '../harness/orders';
import { startUsage } from '../harness/usage';
import type { Regime } from './regime';

const WARM_UP_PRODUCERS = 64;

export function producers(count: number): Regime {
  return {
    name: String(count),
    title: count === 1 ? 'One at a time' : `${count.toLocaleString('en')} producers, each awaiting its ack`,
    producers: count,
    references: ['floor', 'ideal'],
    // One append is as long as the disk takes; a stall of it, which a neighbour may have caused, moves the mean and not the median.
    ratioOf: count === 1 ? 'p50' : 'rate',
    async measure(contender, job): Promise<Measurement> {
      const session = await contender.open(job.dir);
      // One producer alone would take seconds to make its code hot.
      await run(session, Math.max(count, WARM_UP_PRODUCERS), job.warmUpMs, new Latencies());
      await run(session, count, job.warmUpMs / 2, new Latencies());
      const latencies = new Latencies();
      const stop = startUsage(job.dir, session.serverPid);
      const { records, seconds } = await run(session, count, job.measureMs, latencies);
      const usage = stop();
      await session.close();
      return { records, seconds, latencyUs: latencies.quantiles(), usage };
    },
  };
}

/** The clock stops when the last ack is there; no append begins after `milliseconds`. */
async function run(
  session: Session,
  count: number,
  milliseconds: number,
  latencies: Latencies,
): Promise<{ records: number; seconds: number }> {
  let records = 0;
  const started = performance.now();
  const end = started + milliseconds;
  const produce = async (): Promise<void> => {
    let now = performance.now();
    while (now < end) {
      const appended = now;
      await session.append(ringOrder(records++));
      now = performance.now();
      latencies.add(now - appended);
    }
  };
  await Promise.all(Array.from({ length: count }, produce));
  return { records, seconds: (performance.now() - started) / 1000 };
}
