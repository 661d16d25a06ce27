/*
 * The program that syscalls.spec.ts runs under strace. Says each ack with one write of its own, so that the trace shows when it
 * was given.
 */
import { concatMap, from, lastValueFrom, map, mergeMap, range, tap, type Observable } from 'rxjs';
import { recoverWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { nodeStore } from '../../src/store/nodeStore';
import type { SegmentStore } from '../../src/store/segmentStore';
import type { Ack, Durability } from '../../src/types';
import { say } from './say';

export interface TracedWork {
  readonly durability: Durability;
  readonly records: number;
  /** Records that are appended in one turn; the next ones when all of those are acknowledged. */
  readonly together: number;
  readonly preallocateBytes?: number;
  readonly maxSegmentBytes?: number;
  /** The path of the platforms without durable writes: a write, and an fsync. */
  readonly writeAndFsync?: boolean;
  /** Checkpoints at half of the records, and at all of them. */
  readonly checkpoints?: boolean;
}

function withoutDurableWrites(store: SegmentStore): SegmentStore {
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    rename: (before, after) => store.rename(before, after),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
    open: (name, access) =>
      store.open(name, access).pipe(
        map((file) => ({
          name: file.name,
          size: () => file.size(),
          read: (position: number, length: number) => file.read(position, length),
          write: (pieces: readonly Uint8Array[], position: number) => file.write(pieces, position),
          sync: () => file.sync(),
          truncate: (size: number) => file.truncate(size),
          close: () => file.close(),
        })),
      ),
  };
}

async function main(dir: string, work: TracedWork): Promise<void> {
  const { durability, preallocateBytes, maxSegmentBytes, records, together } = work;
  const store = work.writeAndFsync ? withoutDurableWrites(nodeStore(dir)) : nodeStore(dir);
  const options = { durability, preallocateBytes, maxSegmentBytes, codec: rawCodec() };
  const wal = await lastValueFrom(recoverWal(store, options));

  const append = (n: number): Observable<Ack> =>
    wal.append(Buffer.alloc(20 + (n % 50), n)).pipe(
      tap(({ lsn }) => {
        say(`ack ${lsn}`);
      }),
    );
  const turn = (first: number): Observable<Ack> =>
    range(first, Math.min(together, records - first + 1)).pipe(mergeMap(append));
  const appendAll = async (from1: number, to: number): Promise<void> => {
    const firsts = Array.from(
      { length: Math.ceil((to - from1 + 1) / together) },
      (_, index) => from1 + index * together,
    );
    await lastValueFrom(from(firsts).pipe(concatMap(turn)));
  };
  const checkpoint = async (): Promise<void> => {
    const { lsn } = await wal.checkpoint();
    say(`checkpoint ${lsn}`);
  };

  const half = Math.ceil(records / 2 / together) * together;
  say('appending');
  await appendAll(1, half);
  if (work.checkpoints) await checkpoint();
  await appendAll(half + 1, records);
  say('appended');
  if (work.checkpoints) await checkpoint();
  say(`synced ${await wal.sync()}`);
  await wal.close();
  say('closed');
}

if (require.main === module) void main(process.argv[2]!, JSON.parse(process.argv[3]!) as TracedWork);
