/** A log that one job writes and closes, and every round of the regime opens. */
import type { Contender } from '../contender';
import type { Job } from '../harness/measurement';
import { ringOrder } from '../harness/orders';
import { appendAll } from './bulk';
import { Unable } from './regime';

/** Records handed over at a time: small enough for the bounds of every contender. */
const PIECE = 10_000;

export async function writeLog(contender: Contender, job: Job): Promise<void> {
  const session = await contender.open(job.dir);
  if (session.replay === undefined) throw new Unable('has no replay');
  for (let from = 0; from < job.logRecords; from += PIECE) {
    const count = Math.min(PIECE, job.logRecords - from);
    await appendAll(
      session,
      Array.from({ length: count }, (_, index) => ringOrder(from + index)),
    );
  }
  await session.close();
}
