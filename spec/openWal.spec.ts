import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, forkJoin, from, lastValueFrom, map, mergeMap, range, takeUntil, timer, toArray } from 'rxjs';
import {
  WalLockedError,
  openWal,
  readWal,
  recoverWal,
  type Durability,
  type Entry,
  type Wal,
  type WalRecord,
} from 'rxwal';
import { marblePlan, memoryStore, virtualTime } from 'rxwal/testing';

/** The real disk: a directory of its own for each test. */
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-open-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const modes: Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 1, maxRecords: 50 },
  { mode: 'adaptive', targetIntervalMs: 1 },
  { mode: 'nosync' },
];

const entriesOf = <T>(wal: Wal<T>): Promise<Entry<T>[]> => lastValueFrom(wal.read().pipe(toArray()));
const valuesOf = async <T>(wal: Wal<T>): Promise<T[]> => (await entriesOf(wal)).map(({ value }) => value);

/** One of each kind, with ids of both types. */
const records: WalRecord[] = [1, 2n ** 60n].flatMap((id): WalRecord[] => [
  { type: 'CreateNode', id, labels: ['Person', 'Änderung'] },
  { type: 'CreateEdge', id, source: id, target: 7, edgeType: 'KNOWS' },
  { type: 'SetNodeProperty', id, key: 'name', value: 'Ada' },
  { type: 'SetNodeProperty', id, key: 'born', value: new Date('1815-12-10T00:00:00Z') },
  { type: 'SetNodeProperty', id, key: 'photo', value: Uint8Array.of(1, 2, 3) },
  { type: 'SetEdgeProperty', id, key: 'since', value: { years: [1833, null, { of: new Map([['a', 1n]]) }] } },
  { type: 'AddNodeLabel', id, label: 'Mathematician' },
  { type: 'RemoveNodeLabel', id, label: 'Person' },
  { type: 'DeleteEdge', id },
  { type: 'DeleteNode', id },
  { type: 'TransactionCommit', transactionId: id },
  { type: 'TransactionAbort', transactionId: id },
  { type: 'Checkpoint', transactionId: id },
]);

describe('openWal', () => {
  it('makes a log where there is none, in a directory that it makes too', async () => {
    const deep = join(dir, 'var', 'lib', 'app');
    await using wal = await openWal(deep);
    expect(wal).toMatchObject({ dir: deep, lastLsn: 0, durableLsn: 0, recordCount: 0, checkpointEpoch: undefined });
    expect(wal.recovery).toMatchObject({ clean: true, firstLsn: 1, lastLsn: 0, bytesCut: 0, segments: 1 });
    expect(existsSync(join(deep, 'wal_00000000.log'))).toBe(true);
  });

  it('makes files that belong to their owner alone', async () => {
    const made = join(dir, 'log');
    await using wal = await openWal(made);
    await wal.checkpoint();
    expect(statSync(made).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(made)) expect(statSync(join(made, name)).mode & 0o777).toBe(0o600);
  });

  it.each(modes)('$mode: gives back after a reopening what was appended, record by record', async (durability) => {
    const first = await openWal(dir, { durability });
    for (const record of records) first.next(record);
    await first.close();

    await using second = await openWal(dir, { durability });
    const entries = await entriesOf(second);
    expect(entries.map(({ value }) => value)).toEqual(records);
    expect(entries.map(({ lsn }) => lsn)).toEqual(records.map((_, index) => index + 1));
    expect(second).toMatchObject({ lastLsn: records.length, durableLsn: records.length, recordCount: records.length });
    expect(second.recovery.clean).toBe(true);
  });

  it.each(modes)('$mode: goes on where the opening before had ended, many times over', async (durability) => {
    const expected: WalRecord[] = [];
    for (let opening = 0; opening < 10; opening += 1) {
      await using wal = await openWal(dir, { durability, maxSegmentBytes: 400 });
      await expect(valuesOf(wal)).resolves.toEqual(expected);
      for (let i = 0; i < 5; i += 1) {
        const record: WalRecord = { type: 'DeleteNode', id: opening * 5 + i };
        wal.next(record);
        expected.push(record);
      }
      if (opening % 3 === 0) await wal.rotate();
    }
    await expect(lastValueFrom(readWal(dir).pipe(toArray()))).resolves.toEqual(
      expected.map((value, index) => ({ lsn: index + 1, value })),
    );
    expect(readdirSync(dir).filter((name) => name.startsWith('wal_')).length).toBeGreaterThan(3);
  });

  it.each(modes)('$mode: acknowledges a thousand appends side by side, in order', async (durability) => {
    await using wal = await openWal<number>(dir, { durability });
    const acks = await lastValueFrom(
      range(1, 1000).pipe(
        mergeMap((value) => wal.append(value)),
        toArray(),
      ),
    );
    expect(acks.map(({ lsn }) => lsn)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(acks.every(({ durable }) => durable === (durability.mode !== 'nosync'))).toBe(true);
  });

  it('has one fsync for many appends that come during the one before', async () => {
    await using wal = await openWal<number>(dir);
    let commits = 0;
    wal.commits$.subscribe(() => (commits += 1));
    await lastValueFrom(range(1, 1000).pipe(mergeMap((value) => wal.append(value))));
    expect(commits).toBeLessThan(100);
  });

  it('rotates, and keeps the order over the segments', async () => {
    await using wal = await openWal<number>(dir, { maxSegmentBytes: 1000 });
    for (let value = 1; value <= 200; value += 1) {
      wal.next(value);
      if (value % 20 === 0) await wal.sync();
    }
    const files = await wal.logFiles();
    expect(files.length).toBeGreaterThan(3);
    expect(files).toEqual(
      readdirSync(dir)
        .filter((name) => name.startsWith('wal_'))
        .sort()
        .map((name) => join(dir, name)),
    );
    await expect(valuesOf(wal)).resolves.toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  });

  it('keeps a checkpoint, its epoch, and what it removed, over reopenings', async () => {
    {
      await using wal = await openWal<number>(dir);
      for (let value = 1; value <= 4; value += 1) {
        wal.next(value);
        await wal.rotate();
      }
      await wal.checkpoint({ lsn: 3, epoch: 7, transactionId: 12 });
    }
    await using wal = await openWal<number>(dir);
    expect(wal.lastCheckpoint).toEqual({ lsn: 3, epoch: 7, transactionId: 12 });
    expect(wal.recordCount).toBe(1);
    await expect(valuesOf(wal)).resolves.toEqual([4]);
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 4, epoch: 8 });
  });

  it('trims the zeros that it lays ahead when it closes', async () => {
    const wal = await openWal<number>(dir, { preallocateBytes: 65_536 });
    wal.next(1);
    await wal.sync();
    await wal.close();
    // A header, a record of one byte, and the final mark.
    expect(statSync(join(dir, 'wal_00000000.log')).size).toBe(32 + 17 + 16);
  });

  it('takes a log that was copied elsewhere', async () => {
    const wal = await openWal<string>(dir);
    wal.next('a');
    await wal.close();
    const copy = join(dir, 'copy');
    await using made = await openWal<string>(copy);
    await made.close();
    for (const name of ['wal_00000000.log']) writeFileSync(join(copy, name), readFileSync(join(dir, name)));
    await using again = await openWal<string>(copy);
    await expect(valuesOf(again)).resolves.toEqual(['a']);
  });
});

describe('one writer', () => {
  it('a second opening is refused, and told who holds the log', async () => {
    await using wal = await openWal(dir);
    const refusal: unknown = await openWal(dir).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(WalLockedError);
    expect(refusal).toMatchObject({ code: 'WAL_LOCKED', dir, holder: { pid: process.pid } });
    expect(wal.lastLsn).toBe(0);
  });

  it('of many openings at once exactly one gets in', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => openWal(dir)));
    const opened = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(opened).toHaveLength(1);
    expect(refused.every(({ reason }) => reason instanceof WalLockedError)).toBe(true);
    await opened[0]?.value.close();
  });

  it('the log is free after the close, at once', async () => {
    for (let opening = 0; opening < 3; opening += 1) {
      const wal = await openWal(dir);
      await expect(wal.close()).resolves.toBeUndefined();
    }
  });

  it('the log is free after an opening that failed', async () => {
    writeFileSync(join(dir, 'wal_00000000.log'), 'this is no segment, and it is more than a header long');
    await expect(openWal(dir)).rejects.toMatchObject({ code: 'WAL_CORRUPT', file: 'wal_00000000.log' });
    rmSync(join(dir, 'wal_00000000.log'));
    await using wal = await openWal(dir);
    expect(wal.lastLsn).toBe(0);
  });

  it('another process is refused, and gets in when the first one has died', async () => {
    const script = `
      const { openSync } = require('node:fs');
      const { tryLock } = require(${JSON.stringify(require.resolve('fs-native-extensions'))});
      const fd = openSync(${JSON.stringify(join(dir, 'LOCK'))}, 'a+');
      process.stdout.write(String(tryLock(fd)));
      setInterval(() => fd, 1000);
    `;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      expect(said.toString()).toBe('true');
      await expect(openWal(dir)).rejects.toThrow(WalLockedError);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await using wal = await openWal(dir);
    expect(wal.lastLsn).toBe(0);
  });

  it('readWal needs no lock: it reads beside a log that is open', async () => {
    await using wal = await openWal<string>(dir);
    await firstValueFrom(wal.append('a'));
    await expect(lastValueFrom(readWal<string>(dir).pipe(toArray()))).resolves.toEqual([{ lsn: 1, value: 'a' }]);
  });
});

describe('a directory that cannot be opened', () => {
  it('is a WalIoError with the cause: a file stands in its place', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    await expect(openWal(file)).rejects.toMatchObject({ code: 'WAL_IO', cause: { code: 'EEXIST' } });
    await expect(openWal(join(file, 'below'))).rejects.toMatchObject({ code: 'WAL_IO', cause: { code: 'ENOTDIR' } });
  });

  it('is a WalIoError with the cause: the name is impossible', async () => {
    await expect(openWal(join(dir, 'x'.repeat(5000)))).rejects.toMatchObject({
      code: 'WAL_IO',
      cause: { code: 'ENAMETOOLONG' },
    });
  });
});

describe('await using', () => {
  it('closes the log, and leaves it clean', async () => {
    {
      await using wal = await openWal<string>(dir);
      wal.next('a');
    }
    await using again = await openWal<string>(dir);
    expect(again.recovery).toMatchObject({ clean: true, lastLsn: 1 });
  });

  it('closes the log where the block throws', async () => {
    const fails = async () => {
      await using wal = await openWal<string>(dir);
      wal.next('a');
      throw new Error('the application broke');
    };
    await expect(fails()).rejects.toThrow('the application broke');
    await using again = await openWal<string>(dir);
    expect(again.recovery).toMatchObject({ clean: true, lastLsn: 1 });
  });
});

describe('recoverWal', () => {
  it('is cold: nothing happens before it is subscribed', () => {
    const store = memoryStore();
    void recoverWal(store);
    expect(store.operations).toEqual([]);
  });

  it('opens the log again with each subscription', async () => {
    const store = memoryStore();
    const opening$ = recoverWal<string>(store);
    for (const lastLsn of [0, 1, 2]) {
      const wal = await firstValueFrom(opening$);
      expect(wal.lastLsn).toBe(lastLsn);
      wal.next('a');
      await wal.close();
    }
  });

  it('gives the lock back where it is given up half way', () => {
    virtualTime(({ flush }) => {
      const store = memoryStore({ plan: marblePlan({ list: ['-----|', '|'] }) });
      recoverWal(store)
        .pipe(takeUntil(timer(2)))
        .subscribe();
      flush();
      const outcomes: unknown[] = [];
      recoverWal(store)
        .pipe(map(({ lastLsn }) => lastLsn))
        .subscribe({
          next: (lastLsn) => outcomes.push(lastLsn),
          error: (error: unknown) => outcomes.push(error),
        });
      flush();
      expect(outcomes).toEqual([0]);
    });
  });

  it('opens many logs side by side', async () => {
    const dirs = Array.from({ length: 8 }, (_, index) => join(dir, String(index)));
    const wals = await lastValueFrom(forkJoin(dirs.map((each) => from(openWal<string>(each)))));
    for (const wal of wals) wal.next(wal.dir);
    await Promise.all(wals.map((wal) => wal.close()));
    for (const each of dirs) {
      await expect(lastValueFrom(readWal<string>(each).pipe(toArray()))).resolves.toEqual([{ lsn: 1, value: each }]);
    }
  });
});
