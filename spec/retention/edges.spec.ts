/* eslint-disable rxjs-x/no-nested-subscribe -- a log that is opened and looked at while virtual time runs */
import { mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { join } from 'node:path';
import { delay, filter, firstValueFrom, lastValueFrom, timer, toArray } from 'rxjs';
import { WalCorruptError, WalTruncatedError, openWal, readWal, recoverWal, repairWal, type SegmentStore } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime, type MemoryStore } from 'rxwal/testing';
import { RAW } from '../support/logs';

const record = new Uint8Array(500);

describe('caps', () => {
  it('with evenIfRead are kept to while records come: one cut at a time, and the newest', async () => {
    const { wal } = memoryWal<Uint8Array>({
      ...RAW,
      maxSegmentBytes: 2000,
      retention: { maxBytes: 10_000, evenIfRead: true },
      plan: ({ kind }) => (kind === 'syncDir' || kind === 'sync' ? timer(0) : undefined),
    });
    await wal.hold('slow', 0);
    let most = 0;
    for (let value = 1; value <= 400; value += 1) {
      await wal.append(record);
      most = Math.max(most, (await wal.logFiles()).length);
    }
    expect(wal.lastCheckpoint?.lsn).toBeGreaterThan(200);
    expect(most).toBeLessThan(60);
    await wal.close();
  });

  it('measure again where a look at a size has failed', () => {
    virtualTime(({ flush }) => {
      const { wal: first, store } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 600 });
      for (let value = 1; value <= 8; value += 1) timer(value).subscribe(() => first.next(record));
      timer(20).subscribe(() => void first.close());
      const broken = marblePlan({ size: ['#', '|'] }, fault('EMFILE'));
      let isOpen = false;
      timer(30).subscribe(() => {
        const again = memoryStore({
          files: store.snapshot(),
          plan: (operation) => (isOpen ? broken(operation) : undefined),
        });
        recoverWal<Uint8Array>(again, { ...RAW, maxSegmentBytes: 600, retention: { maxBytes: 2000 } }).subscribe({
          next: (wal) => {
            isOpen = true;
            timer(5).subscribe(() => wal.next(record));
            timer(10).subscribe(() => wal.next(record));
            timer(40).subscribe(() => expect(wal.firstLsn).toBeGreaterThan(4));
          },
          error: (error: unknown) => {
            throw error;
          },
        });
      });
      flush();
    });
  });

  it('by age hold in mode nosync too, where nothing was made durable yet', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<Uint8Array>({
        ...RAW,
        durability: { mode: 'nosync' },
        retention: { maxAgeMs: 100 },
      });
      for (let value = 1; value <= 3; value += 1) timer(value).subscribe(() => wal.next(record));
      timer(50).subscribe(() => expect(wal.durableLsn).toBeLessThan(3));
      timer(300).subscribe(() => expect(wal.firstLsn).toBe(4));
      flush();
    });
  });

  it('by age know the age of older segments also where the opening may be given up', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rxwal-age-'));
    const options = { maxSegmentBytes: 100, retention: { maxAgeMs: 60_000 } };
    const first = await openWal<string>(dir, { maxSegmentBytes: 100 });
    for (let value = 1; value <= 9; value += 1) await first.append(`value ${value}`);
    await first.close();
    const anHourAgo = Date.now() / 1000 - 3600;
    for (const name of await readdir(dir)) utimesSync(join(dir, name), anHourAgo, anHourAgo);
    const wal = await openWal<string>(dir, { ...options, signal: new AbortController().signal });
    const kept = await firstValueFrom(wal.retention$.pipe(filter(({ firstLsn }) => firstLsn > 9)));
    expect(kept.firstLsn).toBe(10);
    await wal.close();
    rmSync(dir, { recursive: true });
  });
});

describe('a cut that was never carried out', () => {
  it('takes nothing from who is promised the log by a later opening', async () => {
    const full = marblePlan({ create: '#' }, fault('ENOSPC'));
    const { wal: capped, store } = memoryWal<Uint8Array>({
      ...RAW,
      maxSegmentBytes: 1100,
      retention: { maxBytes: 1500, evenIfRead: true },
      plan: (operation) => (operation.file.startsWith('checkpoint.meta') ? full(operation) : undefined),
    });
    await capped.hold('mail', 0);
    for (let value = 1; value <= 8; value += 1) await capped.append(record);
    await capped.close();
    const { wal } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 1100, files: store.snapshot() });
    expect(wal.firstLsn).toBe(1);
    await wal.hold('new', 2);
    await wal.checkpoint();
    expect(wal.firstLsn).toBeLessThanOrEqual(1);
  });
});

describe('an application and the log itself', () => {
  it('checkpoint side by side: a mark behind one that the log has made is no error', async () => {
    const { wal } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 600, retention: { maxBytes: 1500 } });
    for (let value = 1; value <= 8; value += 1) await wal.append(record);
    await firstValueFrom(wal.retention$.pipe(filter(({ checkpoint }) => (checkpoint?.lsn ?? 0) > 3)));
    const own = wal.lastCheckpoint?.lsn ?? 0;
    await expect(wal.checkpoint({ lsn: 3, epoch: 7 })).resolves.toMatchObject({ lsn: own, epoch: 7 });
    await expect(wal.checkpoint({ lsn: 2 })).rejects.toThrow(RangeError);
  });
});

describe('readers.meta proves what was durable', () => {
  /** A log whose reader has 9 records, of which the end was lost. */
  async function lostEnd(): Promise<MemoryStore> {
    const { wal, store } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 1200 });
    for (let value = 1; value <= 9; value += 1) await wal.append(record);
    await wal.hold('mail', 9);
    await wal.close();
    const files = store.snapshot();
    const last = [...files.keys()]
      .filter((name) => name.startsWith('wal_'))
      .sort()
      .slice(-2);
    for (const name of last) files.delete(name);
    return memoryStore({ files });
  }

  it('to a strict reader', async () => {
    await expect(lastValueFrom(readWal(await lostEnd(), RAW))).rejects.toBeInstanceOf(WalCorruptError);
  });

  it('to a salvage: a gap up to there', async () => {
    const gaps: unknown[] = [];
    const records = await lastValueFrom(
      readWal(await lostEnd(), { ...RAW, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }).pipe(toArray()),
    );
    const firstLsn = records.length + 1;
    expect(firstLsn).toBeLessThan(9);
    expect(gaps).toMatchObject([{ firstLsn, lastLsn: 9, torn: false }]);
  });

  it('to a repair', async () => {
    const { gaps } = await repairWal(await lostEnd(), memoryStore());
    expect(gaps).toMatchObject([{ lastLsn: 9 }]);
  });
});

describe('a segment that is being removed', () => {
  it('is truncated for who comes to it, also while its removal is on its way back', async () => {
    const store = memoryStore();
    const wal = await lastValueFrom(recoverWal<Uint8Array>(removingSlowly(store), { ...RAW, maxSegmentBytes: 600 }));
    for (let value = 1; value <= 8; value += 1) await wal.append(record);
    const checkpoint = wal.checkpoint();
    while (store.snapshot().has('wal_00000000.log')) await setImmediate();
    expect(wal.firstLsn).toBe(1);
    await expect(lastValueFrom(wal.read({ after: 0 }))).rejects.toBeInstanceOf(WalTruncatedError);
    await expect(lastValueFrom(wal.tail({ after: 0 }))).rejects.toBeInstanceOf(WalTruncatedError);
    await checkpoint;
  });
});

/** A store that has removed a file a while before it says so. */
function removingSlowly(store: MemoryStore): SegmentStore {
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) => store.open(name, access),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name).pipe(delay(30)),
    syncDir: () => store.syncDir(),
  };
}
