/** What system calls say of each contender: whether it syncs before it acknowledges, and how often. */
import { honesty } from './honesty';

export interface Ack {
  readonly ack: 'fsync before ack' | 'no fsync before ack' | 'unknown';
  readonly evidence: string;
  /** By the number of producers. */
  readonly fsyncsPerRecord: Readonly<Record<number, number>>;
}

export const UNKNOWN: Ack = { ack: 'unknown', evidence: 'not looked at in this run', fsyncsPerRecord: {} };

/** Numbers of producers at which calls are counted. More would make the traces long and say the same. */
const COUNTED_AT = [1, 64];

/** In runs of its own under strace: no clock is read in them. */
export async function acksOf(names: readonly string[], say: (progress: string) => void): Promise<Map<string, Ack>> {
  const acks = new Map<string, Ack>();
  for (const name of names) {
    const fsyncsPerRecord: Record<number, number> = {};
    let first: Awaited<ReturnType<typeof honesty>> | undefined;
    for (const producers of COUNTED_AT) {
      say(`system calls of ${name} at ${producers}`);
      const seen = await honesty(name, producers).catch((error: unknown) => error as Error);
      if (seen instanceof Error) {
        acks.set(name, { ...UNKNOWN, evidence: seen.message });
        break;
      }
      first ??= seen;
      if (seen.ack !== 'unknown') fsyncsPerRecord[producers] = seen.fsyncsPerRecord;
    }
    if (first) acks.set(name, { ack: first.ack, evidence: first.evidence, fsyncsPerRecord });
  }
  return acks;
}
