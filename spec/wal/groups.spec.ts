import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import * as fc from 'fast-check';
import { VirtualTimeScheduler } from 'rxjs';
import {
  WalBackpressureError,
  WalClosedError,
  WalPoisonedError,
  WalRecordError,
  openWal,
  rawCodec,
  readWal,
  type Ack,
  type Codec,
  type Commit,
  type Rejection,
  type Wal,
} from 'rxwal';
import { marblePlan, memoryStore, memoryWal, virtualTime } from 'rxwal/testing';
import { bytesOf, textOf } from '../operators/helpers';
import {
  RAW,
  allOf,
  collect,
  filesOf,
  flippedBits,
  open,
  recordsOf,
  segmentBytes,
  segmentFile,
  truncations,
  withFileBytes,
} from '../support/logs';
import { complaintsOfOpening, complaintsOfReading } from '../support/trials';

const text: Codec<string> = {
  encode: (value) => {
    if (value === 'x') throw new TypeError('no x');
    return bytesOf(value);
  },
  decode: textOf,
};

async function values<T>(wal: Wal<T>): Promise<T[]> {
  return (await allOf(wal.read())).map(({ value }) => value);
}

describe('appendAll', () => {
  it('gives each value an LSN, and one ack: that of the last', async () => {
    const { wal } = memoryWal<string>({ codec: text });
    const acks: Ack[] = [];
    const commits: Commit[] = [];
    wal.acks$.subscribe((ack) => acks.push(ack));
    wal.commits$.subscribe((commit) => commits.push(commit));
    const first = wal.append('a');
    const all = wal.appendAll(['b', 'c', 'd']);
    // It happens on the call.
    expect([wal.lastLsn, wal.recordCount]).toEqual([4, 4]);
    expect(await all).toEqual({ lsn: 4, durable: true });
    expect(await first).toEqual({ lsn: 1, durable: true });
    expect(acks.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4]);
    expect(commits).toMatchObject([{ firstLsn: 1, lastLsn: 4, records: 4 }]);
    expect(await values(wal)).toEqual(['a', 'b', 'c', 'd']);
    expect((await allOf(wal.read({ after: 2, until: 3 }))).map(({ lsn }) => lsn)).toEqual([3]);
    await wal.close();
  });

  it('its ack comes after the commit, also to a late subscriber', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<string>({ codec: text, plan: marblePlan({ sync: '---|' }) });
      const ack$ = wal.appendAll(['a', 'b']);
      const values = { a: { lsn: 2, durable: true } };
      expectObservable(ack$).toBe('---(a|)', values);
      expectObservable(ack$, '-----^').toBe('-----(a|)', values);
    });
  });

  it('throws for what is no group', () => {
    const { wal } = memoryWal<string>({ codec: text });
    expect(() => wal.appendAll([])).toThrow(TypeError);
    expect(() => wal.appendAll(undefined as unknown as string[])).toThrow(TypeError);
    expect(wal.lastLsn).toBe(0);
    wal.complete();
  });

  it('is refused as a whole where one value cannot be encoded, and takes no LSN', async () => {
    const { wal } = memoryWal<string>({ codec: text });
    const rejections: Rejection<string>[] = [];
    wal.rejected$.subscribe((rejection) => rejections.push(rejection));
    const message = 'Value 2 of a group of 3: The value cannot be encoded: no x';
    await expect(wal.appendAll(['a', 'b', 'x'])).rejects.toThrow(message);
    await expect(wal.appendAll(['x'])).rejects.toThrow('The value cannot be encoded: no x');
    expect(rejections).toEqual([
      { value: 'a', group: ['a', 'b', 'x'], error: expect.objectContaining({ code: 'WAL_RECORD', message }) },
      { value: 'x', group: ['x'], error: expect.any(WalRecordError) },
    ]);
    await expect(wal.append('c')).resolves.toEqual({ lsn: 1, durable: true });
    await wal.close();
  });

  it('is a commit record in mode sync if any of its values is', async () => {
    const { wal } = memoryWal<string>({ codec: text, isCommit: (value) => value === 'C' });
    const parts = [wal.append('a'), wal.appendAll(['b', 'c'])];
    let done = false;
    void parts[1]!.then(() => (done = true));
    await new Promise(setImmediate);
    expect([done, wal.durableLsn]).toEqual([false, 0]);
    expect(await wal.appendAll(['d', 'C', 'e'])).toEqual({ lsn: 6, durable: true });
    await Promise.all(parts);
    await wal.close();
  });

  it('counts every record of a group as one that waits', async () => {
    const { wal } = memoryWal<string>({ codec: text, maxPendingRecords: 4, plan: marblePlan({ sync: '-|' }) });
    // Nothing waits: it is taken whatever its size, as a single record is.
    const large = wal.appendAll(['1', '2', '3', '4', '5', '6']);
    await expect(wal.append('7')).rejects.toThrow(WalBackpressureError);
    await large;
    const rest = wal.appendAll(['7', '8', '9']);
    const error: unknown = await wal.appendAll(['a', 'b']).then(undefined, (refusal: unknown) => refusal);
    expect(error).toMatchObject({ limitName: 'maxPendingRecords', limit: 4, pending: 3, records: 2 });
    expect((error as Error).message).toContain('this group of 2 records was not taken');
    const last = wal.append('a');
    expect([(await rest).lsn, (await last).lsn]).toEqual([9, 10]);
    await wal.close();
  });

  it('counts the bytes of a group', async () => {
    const { wal } = memoryWal<Uint8Array>({ ...RAW, maxPendingBytes: 200, plan: marblePlan({ sync: '-|' }) });
    const first = wal.appendAll([new Uint8Array(60), new Uint8Array(60)]);
    const refused = wal.appendAll([new Uint8Array(20), new Uint8Array(20)]);
    await expect(refused).rejects.toMatchObject({ limitName: 'maxPendingBytes', pending: 148, records: 2 });
    await first;
    await expect(wal.appendAll([new Uint8Array(300), new Uint8Array(300)])).resolves.toMatchObject({ lsn: 4 });
    await wal.close();
  });

  it('room is made for a group, which is kept while those hear who append again', async () => {
    const { wal } = memoryWal<string>({ codec: text, maxPendingRecords: 3, isCommit: (value) => value === 'C' });
    wal.acks$.subscribe(({ lsn }) => {
      if (lsn === 1) wal.next('again');
    });
    const first = wal.append('a');
    const second = wal.append('b');
    // Both wait for a commit record: they leave, and on a store that takes no time they are acknowledged before the group has its LSN.
    const all = wal.appendAll(['c', 'C']);
    expect([(await first).lsn, (await second).lsn]).toEqual([1, 2]);
    const { lsn } = await all;
    expect(await values(wal)).toEqual(lsn === 5 ? ['a', 'b', 'again', 'c', 'C'] : ['a', 'b', 'c', 'C', 'again']);
    await wal.close();
  });

  it('a value that appends from within gets its LSN before the group, never inside it', async () => {
    const pushing: Codec<string> = {
      ...text,
      encode: (value) => {
        if (value === 'push') void wal.append('inner');
        if (value === 'pushAll') void wal.appendAll(['inner 1', 'inner 2']);
        return bytesOf(value);
      },
    };
    const { wal } = memoryWal<string>({ codec: pushing });
    expect((await wal.appendAll(['a', 'push', 'b'])).lsn).toBe(4);
    expect((await wal.appendAll(['c', 'pushAll', 'd'])).lsn).toBe(9);
    expect(await values(wal)).toEqual(['inner', 'a', 'push', 'b', 'inner 1', 'inner 2', 'c', 'pushAll', 'd']);
    await wal.close();
  });

  it('an iterable that appends while it is read comes before the group too', async () => {
    const { wal } = memoryWal<string>({ codec: text });
    function* reading(): Generator<string> {
      yield 'a';
      wal.next('inner');
      yield 'b';
    }
    expect((await wal.appendAll(reading())).lsn).toBe(3);
    expect(await values(wal)).toEqual(['inner', 'a', 'b']);
    await wal.close();
  });

  it('fails on a closed and on a poisoned log, and says so to rejected$', async () => {
    const closed = memoryWal<string>({ codec: text });
    await closed.wal.close();
    await expect(closed.wal.appendAll(['a', 'b'])).rejects.toThrow(WalClosedError);

    const { wal } = memoryWal<string>({ codec: text, plan: marblePlan({ write: '#' }) });
    const rejections: Rejection<string>[] = [];
    wal.rejected$.subscribe((rejection) => rejections.push(rejection));
    await expect(wal.appendAll(['a', 'b'])).rejects.toMatchObject({ outcome: 'unknown', lsn: 2 });
    await expect(wal.appendAll(['c', 'd'])).rejects.toMatchObject({ outcome: 'not written' });
    expect(rejections).toEqual([{ value: 'c', group: ['c', 'd'], error: expect.any(WalPoisonedError) }]);
    await expect(wal.close()).rejects.toThrow(WalPoisonedError);
  });

  it('stays whole in one segment, however large', async () => {
    const { wal, store } = memoryWal<Uint8Array>({ ...RAW, maxSegmentBytes: 64 });
    for (let time = 0; time < 3; time += 1) await wal.appendAll([new Uint8Array(90), new Uint8Array(90)]);
    await wal.close();
    const sizes = [...store.snapshot().values()].map(({ length }) => length);
    expect(sizes.filter((size) => size > 180)).toHaveLength(3);
    expect(await allOf(readWal(store, RAW))).toHaveLength(6);
  });
});

describe('a group on the real disk', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(path(tmpdir(), 'rxwal-groups-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(['sync', 'nosync'] as const)('is there after a close and an opening, mode %s', async (mode) => {
    const wal = await openWal<unknown>(dir, { durability: { mode } });
    const large = Array.from({ length: 5000 }, (_, index) => ({ index, text: 'é'.repeat(index % 40) }));
    await wal.append('first');
    expect((await wal.appendAll(large)).lsn).toBe(5001);
    await wal.appendAll([1n, new Map([[1, new Date(0)]])]);
    await wal.close();

    const again = await openWal<unknown>(dir);
    expect(again.recovery).toMatchObject({ clean: true, lastLsn: 5003, records: 5003 });
    expect(await values(again)).toEqual(['first', ...large, 1n, new Map([[1, new Date(0)]])]);
    expect((await allOf(again.read({ after: 4999, until: 5001 }))).map(({ lsn }) => lsn)).toEqual([5000, 5001]);
    await again.close();
  });

  it('above maxRecordBytes at a later opening is refused as a record is', async () => {
    const wal = await openWal(dir, { codec: rawCodec() });
    await wal.appendAll([new Uint8Array(300), new Uint8Array(300)]);
    await wal.close();
    await expect(openWal(dir, { codec: rawCodec(), maxRecordBytes: 400 })).rejects.toThrow(
      /wal_00000000\.log holds a group of 612 bytes \(LSN 1\) and maxRecordBytes is 400/,
    );
  });
});

describe('any mix of records and groups', () => {
  const payload = fc.uint8Array({ maxLength: 20 });
  const step = fc.oneof(payload, fc.array(payload, { minLength: 2, maxLength: 5 }));

  /** The files of a log that was not closed, and the last LSN of each append. */
  function written(steps: readonly (Uint8Array | readonly Uint8Array[])[], maxSegmentBytes: number) {
    const store = memoryStore({ files: filesOf(segmentBytes(1, [])) });
    const clock = new VirtualTimeScheduler();
    const opened = open(store, { scheduler: clock, maxSegmentBytes });
    if ('error' in opened) throw opened.error;
    const { wal } = opened;
    const ends = [0];
    for (const one of steps) {
      if (one instanceof Uint8Array) wal.next(one);
      else void wal.appendAll(one);
      clock.flush();
      ends.push(wal.lastLsn);
    }
    return { files: store.snapshot(), ends, truth: recordsOf(collect(wal.read()).values) };
  }

  it('cut at any byte of the last segment: each group is whole, or it is not there', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), fc.constantFrom(120, 10_000), (steps, most) => {
        const { files, ends, truth } = written(steps, most);
        const last = segmentFile(files.size - 1);
        for (const { label, bytes } of truncations(files.get(last)!)) {
          const cut = withFileBytes(files, last, bytes);
          const { values: read, error } = collect(readWal(memoryStore({ files: cut }), RAW));
          // Behind half a header the segment before must end the log.
          if (error !== undefined) throw new Error(label, { cause: error });
          expect(ends).toContain(read.at(-1)?.lsn ?? 0);
          expect(recordsOf(read)).toEqual(truth.slice(0, read.length));
          expect(complaintsOfOpening(cut)).toEqual([]);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('any flipped bit: no record that was not appended, and no part of a group', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 4 }), (steps) => {
        const { files, ends, truth } = written(steps, 10_000);
        for (const { bytes } of flippedBits(files.get(segmentFile(0))!)) {
          const harmed = withFileBytes(files, segmentFile(0), bytes);
          const { values: read } = collect(readWal(memoryStore({ files: harmed }), RAW));
          expect(ends).toContain(read.at(-1)?.lsn ?? 0);
          expect(recordsOf(read)).toEqual(truth.slice(0, read.length));
          expect(complaintsOfOpening(harmed)).toEqual([]);
          expect(complaintsOfReading(harmed, truth)).toEqual([]);
        }
      }),
      { numRuns: 4 },
    );
  });
});
