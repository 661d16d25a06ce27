/** Whether a record is on the disk before its ack, by the order of system calls. */
import { honesty } from '../harness/honesty';
import { notCounted, type Counts, type NotCounted } from './count';

export async function countHonesty(): Promise<Counts<'honesty'>> {
  return {
    'acks too early, 1 producer': await early(1),
    'acks too early, 64 producers': await early(64),
  };
}

async function early(producers: number): Promise<number | NotCounted> {
  const { ack, evidence } = await honesty('rxwal', producers);
  if (ack === 'unknown') return notCounted(evidence);
  return ack === 'fsync before ack' ? 0 : Number(/\((\d+) of \d+ acks\)/.exec(evidence)?.[1]);
}
