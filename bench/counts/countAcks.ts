/** Whether an ack costs the same however many wait. */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AckSteps } from './ackQueueJob';
import { notCounted, type Counts } from './count';
import { runJob } from './runJob';

const ACK_QUEUE_FILE = 'ackQueue.js';

export async function countAcks(): Promise<Counts<'acks'>> {
  const built = dirname(require.resolve('rxwal'));
  const file = readdirSync(built, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith(ACK_QUEUE_FILE));
  if (file === undefined) return notCounted(`there is no ${ACK_QUEUE_FILE} in the build`);
  const [few, many] = await runJob<[AckSteps, AckSteps]>('ackQueueJob', [join(built, file)]);
  // What the queue keeps its waiters in is no array that it has made by itself any more.
  const unseen = few.elements === 0 ? notCounted('the queue makes no array by new Array') : undefined;
  return {
    'elements touched an ack, 50 pending': unseen ?? few.elements,
    'elements touched an ack, 50,000 pending': unseen ?? many.elements,
    'calls an ack, 50 pending': few.calls,
    'calls an ack, 50,000 pending': many.calls,
    'turns for 1,000 acks, 50,000 pending': (many.turns * 1000) / many.pending,
  };
}
