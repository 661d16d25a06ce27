/*
 * The program of crash.spec.ts: opens the log and appends without end, and says each ack as it comes, until it is killed.
 */
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import type { Durability } from '../../src/types';
import { say } from './say';

export interface KilledWork {
  readonly durability: Durability;
  readonly preallocateBytes: number;
  readonly maxSegmentBytes: number;
  /** Appends that are on their way at a time. */
  readonly outstanding: number;
  /** Acks between one sync(), rotate() or checkpoint() and the next. */
  readonly every: number;
  readonly round: number;
  /** Appends groups: the one that begins at an LSN has as many records as {@link groupSize} says. */
  readonly groups?: boolean;
}

/** From 1 to 60 records. */
export function groupSize(firstLsn: number): number {
  return 1 + ((firstLsn * 7919) % 60);
}

/** Says which record it is, and who wrote it. */
export function crashPayload(lsn: number, round: number): Buffer {
  const bytes = Buffer.alloc(8 + ((lsn * 31) % 200), lsn % 251);
  bytes.writeUInt32LE(lsn);
  bytes.writeUInt32LE(round, 4);
  return bytes;
}

async function main(dir: string, work: KilledWork): Promise<void> {
  const { outstanding, every, round, groups = false, ...options } = work;
  say('starting');
  const wal = await openWal(dir, { ...options, codec: rawCodec() });
  say(`open ${wal.lastLsn}`);

  const calls: (() => Promise<unknown>)[] = [
    async () => {
      say(`durable ${await wal.sync()}`);
    },
    () => wal.rotate(),
    async () => {
      const lsn = Math.max(wal.lastCheckpoint?.lsn ?? 0, wal.durableLsn - 2 * every);
      say(`checkpointing ${lsn}`);
      say(`durable ${(await wal.checkpoint({ lsn })).lsn}`);
    },
  ];
  let waiting = 0;
  let acks = 0;
  const append = (): void => {
    while (waiting < outstanding) {
      waiting += 1;
      const next = wal.lastLsn + 1;
      const payloads = Array.from({ length: groups ? groupSize(next) : 1 }, (_, index) =>
        crashPayload(next + index, round),
      );
      const ack$ = groups ? wal.appendAll(payloads) : wal.append(payloads[0]!);
      ack$.subscribe(({ lsn, durable }) => {
        say(`${durable ? 'durable' : 'written'} ${lsn}`);
        waiting -= 1;
        acks += 1;
        if (acks % every === 0) void calls[(acks / every) % calls.length]!();
        setImmediate(append);
      });
    }
  };
  append();
}

if (require.main === module) void main(process.argv[2]!, JSON.parse(process.argv[3]!) as KilledWork);
