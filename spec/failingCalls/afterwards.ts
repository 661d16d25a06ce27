import { lastValueFrom, map, toArray } from 'rxjs';
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { readWal } from '../../src/read';
import type { StoredEntry } from './events';
import type { Judge } from './judge';
import { idOf, payloadOf } from './payload';
import type { Run } from './runner';

const EXTRA_ID = 900_001;

async function entriesIn(dir: string): Promise<readonly StoredEntry[]> {
  const ids$ = readWal(dir, { codec: rawCodec() }).pipe(map(({ lsn, value }) => ({ lsn, id: idOf(value) })));
  return lastValueFrom(ids$.pipe(toArray()));
}

/** Opens the log of a run without the shim, in this process: it opens, holds what was promised, goes on, and keeps that too. */
export async function lookAfterwards({ job: { dir, settings } }: Run, judge: Judge): Promise<void> {
  for (const id of [EXTRA_ID, EXTRA_ID + 1]) {
    const wal = await openWal(dir, { ...settings, codec: rawCodec() });
    judge.opened(wal.lastLsn, wal.lastCheckpoint?.lsn ?? 0);
    judge.read(await entriesIn(dir), true);
    judge.hear({ is: 'append', id, lsn: wal.lastLsn + 1 });
    const { lsn, durable } = await lastValueFrom(wal.append(payloadOf(id)));
    judge.hear({ is: 'ack', id, lsn, durable });
    await wal.close();
    judge.read(await entriesIn(dir), true);
  }
}
