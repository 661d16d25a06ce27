/** Opening a log that was closed cleanly, in a process that has opened another log before. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../contender';
import type { Job, Measurement } from '../harness/measurement';
import { ringOrders } from '../harness/orders';
import { startUsage } from '../harness/usage';
import { writeLog } from './preparedLog';
import type { Regime } from './regime';

export const open: Regime = {
  name: 'open',
  title: 'Open after a clean close',
  unit: 'opens',
  references: [],
  compared: false,
  prepare: writeLog,
  measure: measureOpen,
};

/** The first opening in a process pays for compiling what opens: a small log elsewhere pays for it here. */
export async function measureOpen(contender: Contender, job: Job): Promise<Measurement> {
  const small = await contender.open(mkdtempSync(join(job.dir, '..', 'small-')));
  await Promise.all(ringOrders(10).map((order) => small.append(order)));
  await small.close();

  const stop = startUsage(job.dir);
  const started = performance.now();
  const session = await contender.open(job.dir);
  const seconds = (performance.now() - started) / 1000;
  const usage = stop();
  await session.close();
  return {
    records: 1,
    seconds,
    usage,
    figures: { openMs: seconds * 1000, readBytes: usage.readBytes ?? NaN, readCalls: usage.readCalls ?? NaN },
  };
}
