import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, throwError, toArray } from 'rxjs';
import { openWal, rawCodec, readWal, repairWal, type RepairProgress } from 'rxwal';
import { fault, memoryStore } from 'rxwal/testing';
import { buildLog, openFiles, records, recordsOf, sameFiles, segmentFile, withFileBytes } from '../support/logs';
import type { Files } from '../support/reference';

const LAST = segmentFile(3);
/** Where record 6 stands in the last segment: behind a mark, record 5 and another mark. */
const RECORD_6 = 32 + 16 + 20 + 16;

describe('repairWal', () => {
  let whole: Files;
  let damaged: Files;
  let dir: string;

  beforeAll(async () => {
    whole = await buildLog('closed');
    const bytes = whole.get(LAST)!.slice();
    bytes[RECORD_6 + 13]! ^= 0x10;
    damaged = withFileBytes(whole, LAST, bytes);
  });
  beforeEach(() => {
    dir = fs.mkdtempSync(join(tmpdir(), 'rxwal-repair-'));
  });
  afterEach(() => {
    fs.rmSync(dir, { recursive: true, force: true });
  });

  const write = (files: Files): string => {
    const path = join(dir, 'damaged');
    fs.mkdirSync(path);
    for (const [name, bytes] of files) fs.writeFileSync(join(path, name), bytes);
    return path;
  };
  const filesIn = (path: string): Files =>
    new Map(fs.readdirSync(path).map((name) => [name, fs.readFileSync(join(path, name))]));

  it('makes a log that opens of one that does not, and leaves that as it is', async () => {
    const source = write(damaged);
    await expect(openWal(source)).rejects.toMatchObject({ code: 'WAL_CORRUPT', lsn: 6 });
    fs.rmSync(join(source, 'LOCK'));
    const target = join(dir, 'repaired');

    const repair = await repairWal(source, target);

    expect(repair).toEqual({
      records: 5,
      firstLsn: 3,
      lastLsn: 7,
      renumbered: [{ lsn: 6, was: 7 }],
      readersLeft: [],
      checkpoint: { lsn: 2, epoch: 5, transactionId: 77 },
      gaps: [
        {
          file: LAST,
          offset: RECORD_6,
          bytes: 19,
          firstLsn: 6,
          lastLsn: 6,
          reason: "a frame's checksum does not match",
          torn: false,
        },
      ],
    });
    expect(sameFiles(damaged, filesIn(source))).toBe(true);
    expect(fs.readdirSync(dir).sort()).toEqual(['damaged', 'repaired']);

    const wal = await openWal<Uint8Array>(target, { codec: rawCodec() });
    expect(wal.recovery).toMatchObject({ clean: true, firstLsn: 3, lastLsn: 7 });
    expect(wal.checkpointEpoch).toBe(5);
    const { lsn } = await lastValueFrom(wal.append(Buffer.from('on')));
    await wal.close();
    expect(lsn).toBe(8);
    const read = recordsOf(await lastValueFrom(readWal<Uint8Array>(target, { codec: rawCodec() }).pipe(toArray())));
    expect(read.map(({ payload }) => payload)).toEqual([
      ...[...records(3, 5), ...records(7, 8)].map(({ payload }) => payload),
      '6f6e',
    ]);
  });

  it('keeps every LSN where no record is lost', async () => {
    const bytes = whole.get(LAST)!.slice();
    bytes[33]! ^= 1;
    const repair = await repairWal(write(withFileBytes(whole, LAST, bytes)), join(dir, 'repaired'));
    expect(repair).toMatchObject({ records: 6, firstLsn: 3, lastLsn: 8, renumbered: [], gaps: [{ offset: 32 }] });
  });

  it('keeps the LSNs behind a gap where the records before it are not wanted', async () => {
    const target = join(dir, 'repaired');
    const repair = await repairWal(write(damaged), target, { after: 6 });
    expect(repair).toMatchObject({ records: 2, firstLsn: 7, lastLsn: 8, renumbered: [] });
    const wal = await openWal<Uint8Array>(target, { codec: rawCodec() });
    expect(recordsOf(await lastValueFrom(wal.read({ after: 6 }).pipe(toArray())))).toEqual(records(7, 8));
    await wal.close();
  });

  it('of a whole log is the same log', async () => {
    const target = memoryStore();
    expect(await repairWal(memoryStore({ files: whole }), target)).toMatchObject({ gaps: [], renumbered: [] });
    const { wal } = openFiles(target.durableSnapshot());
    expect(recordsOf(await lastValueFrom(wal.read().pipe(toArray())))).toEqual(records(3, 8));
    expect(await wal.logFiles()).toHaveLength(3);
    await wal.close();
  });

  it('of a log with nothing left is an empty log, which goes on behind the checkpoint', async () => {
    const target = memoryStore();
    const left = new Map([['checkpoint.meta', whole.get('checkpoint.meta')!]]);
    expect(await repairWal(memoryStore({ files: left }), target)).toMatchObject({
      records: 0,
      firstLsn: 3,
      lastLsn: 2,
    });
    const { wal } = openFiles(target.durableSnapshot());
    expect(wal.lastLsn).toBe(2);
    await wal.close();
  });

  it('takes the checkpoint from the log where checkpoint.meta is lost', async () => {
    const target = memoryStore();
    const repair = await repairWal(memoryStore({ files: withFileBytes(whole, 'checkpoint.meta', undefined) }), target);
    expect(repair.checkpoint).toEqual({ lsn: 2, epoch: 5, transactionId: 77 });
    expect(repair.gaps).toMatchObject([{ firstLsn: 1, lastLsn: 2 }]);
  });

  it('of many records in one segment, on a disk that takes its time', async () => {
    const source = join(dir, 'many');
    const wal = await openWal<number>(source);
    for (let lsn = 1; lsn <= 20_000; lsn += 1) wal.next(lsn);
    await wal.close();
    const path = join(source, segmentFile(0));
    const bytes = fs.readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    fs.writeFileSync(path, bytes);
    const target = join(dir, 'repaired');
    const { records: kept, gaps } = await repairWal(source, target);
    expect([kept, gaps.length]).toEqual([19_999, 1]);
    const values = await lastValueFrom(readWal<number>(target).pipe(toArray()));
    expect(new Set(values.map(({ value }) => value)).size).toBe(19_999);
  });

  it('with nothing behind `after` is an empty log that goes on behind it', async () => {
    const target = memoryStore();
    expect(await repairWal(memoryStore({ files: whole }), target, { after: 8 })).toMatchObject({
      records: 0,
      lastLsn: 8,
    });
    const { wal } = openFiles(target.durableSnapshot());
    expect(wal.lastLsn).toBe(8);
    await wal.close();
  });

  it('that cannot begin gives the lock back', async () => {
    let full = true;
    const target = memoryStore({
      plan: ({ kind }) => (full && kind === 'create' ? throwError(() => fault('ENOSPC')) : undefined),
    });
    await expect(repairWal(memoryStore({ files: whole }), target)).rejects.toMatchObject({ cause: { code: 'ENOSPC' } });
    full = false;
    await expect(repairWal(memoryStore({ files: whole }), target)).resolves.toMatchObject({ records: 6 });
  });

  it('tells how far it has come, to the end', async () => {
    const progress: RepairProgress[] = [];
    await repairWal(memoryStore({ files: whole }), memoryStore(), { onProgress: (each) => progress.push(each) });
    const totalBytes = [...whole].reduce((sum, [name, bytes]) => sum + (name.endsWith('.log') ? bytes.length : 0), 0);
    expect(progress.at(-1)).toEqual({ bytes: totalBytes, totalBytes, records: 6 });
    expect(progress.every(({ bytes }, index) => bytes >= (progress[index - 1]?.bytes ?? 0))).toBe(true);
  });

  it('writes into nothing but an empty directory', async () => {
    const source = write(damaged);
    const target = join(dir, 'repaired');
    fs.mkdirSync(target);
    fs.writeFileSync(join(target, 'notes.txt'), 'mine');
    const refusal = { code: 'WAL_IO', cause: { code: 'EEXIST' } };
    await expect(repairWal(source, target)).rejects.toMatchObject(refusal);
    await expect(repairWal(source, source)).rejects.toThrow(TypeError);
    await expect(repairWal(source, join(source, '..repaired'))).rejects.toThrow('target must lie outside');
    await expect(repairWal(memoryStore(), memoryStore({ files: damaged }))).rejects.toMatchObject(refusal);
    fs.mkdirSync(join(dir, 'other.partial'));
    fs.writeFileSync(join(dir, 'other.partial', segmentFile(0)), '');
    await expect(repairWal(source, join(dir, 'other'))).rejects.toMatchObject({
      ...refusal,
      file: join(dir, 'other.partial'),
    });
    expect(sameFiles(damaged, filesIn(source))).toBe(true);
  });

  it('that cannot write says so, and the target is not there', async () => {
    const target = memoryStore({
      plan: ({ kind, position = 0 }) =>
        kind === 'write' && position > 0 ? throwError(() => fault('ENOSPC')) : undefined,
    });
    await expect(repairWal(memoryStore({ files: damaged }), target)).rejects.toMatchObject({
      code: 'WAL_POISONED',
      cause: { code: 'ENOSPC' },
    });
  });

  it('of a directory that is not there is an error', async () => {
    await expect(repairWal(join(dir, 'nowhere'), join(dir, 'repaired'))).rejects.toMatchObject({
      code: 'WAL_IO',
      cause: { code: 'ENOENT' },
    });
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it.each([
    [{ after: -1 }, RangeError],
    [{ maxRecordBytes: 0 }, RangeError],
    [{ onGap: 1 as never }, TypeError],
    [{ onProgress: 'x' as never }, TypeError],
  ])('refuses %j', async (options, kind) => {
    await expect(repairWal(memoryStore(), memoryStore(), options)).rejects.toThrow(kind);
  });
});
