/** Reading a log back, every record decoded and looked at. Page cache warm: the whole is read once before the clock starts. */
import type { Contender, Session } from '../contender';
import type { Job, Measurement } from '../harness/measurement';
import { ringOrder } from '../harness/orders';
import { startUsage } from '../harness/usage';
import { writeLog } from './preparedLog';
import { Unable, type Regime } from './regime';

export const replay: Regime = {
  name: 'replay',
  title: 'Replay with decode, page cache warm',
  references: ['decode alone', 'JSON lines'],
  prepare: writeLog,
  measure: (contender, job) => measureReplay(contender, job, readDecoded),
};

/** Reads the whole log again and again until the time is up. */
export async function measureReplay(
  contender: Contender,
  job: Job,
  read: (session: Session, records: number) => Promise<void>,
): Promise<Measurement> {
  const session = await contender.open(job.dir);
  await read(session, job.logRecords);
  const stop = startUsage(job.dir, session.serverPid);
  const started = performance.now();
  let records = 0;
  do {
    await read(session, job.logRecords);
    records += job.logRecords;
  } while (performance.now() - started < job.measureMs);
  const seconds = (performance.now() - started) / 1000;
  const usage = stop();
  await session.close();
  return { records, seconds, usage };
}

/** Throws where a record is missing, comes twice, or is out of its turn. */
async function readDecoded(session: Session, records: number): Promise<void> {
  if (session.replay === undefined) throw new Unable('has no replay');
  let seen = 0;
  await session.replay((order) => {
    if (order.id !== ringOrder(seen).id) throw new Error(`order ${order.id} came as number ${seen}`);
    seen += 1;
  });
  if (seen !== records) throw new Error(`${seen} of ${records} orders came back`);
}
