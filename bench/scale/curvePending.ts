import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { rawCodec, type Wal } from 'rxwal';
import { inRounds, type Curve, type Series } from './curve';
import { FLAT } from './must';
import { openCounted } from './openCounted';

const PENDING = [10, 32, 100, 316, 1000, 3162, 10_000, 31_623, 100_000];
/** Acks that a round hands out at the least, so that the clock can tell. */
const ROUND_ACKS = 4000;

const WAITERS: Series = { name: 'ack, each append subscribed', unit: 'ns', must: FLAT };
const STREAM: Series = { name: 'ack, acks$ observed', unit: 'ns', must: FLAT };
const BOTH: Series = { name: 'ack, both', unit: 'ns', must: FLAT };

/** A record of which the log makes as little as it can: what is measured is the ack. */
const PAYLOAD = Buffer.from([1]);

export const curvePending: Curve = {
  name: 'pending',
  what: 'n records in one batch: from the moment its commit is told until the last ack, divided by n',
  x: 'pending',
  rounds: 11,
  series: [WAITERS, STREAM, BOTH],
  measure: ({ dir, rounds }, samples) =>
    inRounds(PENDING, rounds, samples, async (pending, kept) => {
      // All n make one batch, whatever the disk does.
      const { wal } = await openCounted<Uint8Array>(await mkdtemp(join(dir, 'pending-')), {
        codec: rawCodec(),
        durability: { mode: 'batch', maxRecords: pending, maxDelayMs: 60_000 },
      });
      kept.add(WAITERS, pending, await handOut(wal, pending, true, false));
      kept.add(STREAM, pending, await handOut(wal, pending, false, true));
      kept.add(BOTH, pending, await handOut(wal, pending, true, true));
      await wal.close();
    }),
};

/** Nanoseconds from each commit to its last ack, divided by its records. */
async function handOut(wal: Wal<Uint8Array>, pending: number, each: boolean, stream: boolean): Promise<number> {
  const batches = Math.max(1, Math.ceil(ROUND_ACKS / pending));
  const acksOfOne = pending * (Number(each) + Number(stream));
  let acks = 0;
  let committedAt = 0;
  let handedOut: (milliseconds: number) => void = () => undefined;
  const onAck = (): void => {
    acks += 1;
    if (acks === acksOfOne) handedOut(performance.now() - committedAt);
  };
  // A commit is told before its acks are handed out.
  const heard = wal.commits$.subscribe(() => {
    committedAt = performance.now();
  });
  if (stream) heard.add(wal.acks$.subscribe(onAck));
  let milliseconds = 0;
  for (let batch = 0; batch < batches; batch += 1) {
    acks = 0;
    const done = new Promise<number>((resolve) => {
      handedOut = resolve;
    });
    for (let record = 0; record < pending; record += 1) {
      const ack$ = wal.append(PAYLOAD);
      if (each) ack$.subscribe(onAck);
    }
    milliseconds += await done;
  }
  heard.unsubscribe();
  return (milliseconds * 1e6) / (batches * pending);
}
