import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catchError, lastValueFrom, map, mergeMap, of, toArray } from 'rxjs';
import { WalCorruptError, WalLockedError, openWal, rawCodec, readWal, type Wal } from 'rxwal';
import { marblePlan, memoryStore, memoryWal, virtualTime, type MemoryStore } from 'rxwal/testing';

/**
 * The holes of the model, and what is here in their place: one spec for each row of the table in the design, under its name.
 *
 * Frames of these logs are 20 bytes: 16 and a payload of 4. A segment's header takes 32.
 */

const HEADER = 32;
const FRAME = 20;

const record = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.padEnd(4)));
const options = { codec: rawCodec() };
const FIRST = 'wal_00000000.log';

/** A log that was left by a crash: all of `texts` written and acknowledged in one batch, no close. */
const crashed = async (...texts: string[]): Promise<Map<string, Uint8Array>> => {
  const { wal, store } = memoryWal<Uint8Array>({ ...options, isCommit: () => false });
  for (const text of texts) wal.next(record(text));
  await wal.sync();
  return store.snapshot();
};

const textsOf = (wal: Wal<Uint8Array>): Promise<string[]> =>
  lastValueFrom(
    wal.read().pipe(
      map(({ value }) => Buffer.from(value).toString().trim()),
      toArray(),
    ),
  );

const stepsOf = (store: MemoryStore, from: number): string[] =>
  store.operations.slice(from).map(({ kind, file }) => `${kind} ${file}`.trim());

describe('holes of the model, mended', () => {
  it('the batch task only ticks; a lone record is synced when the next one comes', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ durability: { mode: 'batch', maxDelayMs: 10, maxRecords: 100 } });
      hot('                     --a').subscribe(wal);
      expectObservable(wal.acks$).toBe('------------a', { a: { lsn: 1, durable: true } });
    });
  });

  it("rotation drops the old writer: buffered bytes are lost, never fsync'd", async () => {
    const { wal, store } = memoryWal<Uint8Array>({ ...options, durability: { mode: 'nosync' } });
    await wal.append(record('a'));
    await wal.append(record('b'));
    const before = store.operations.length;
    await wal.rotate();
    const steps = stepsOf(store, before);
    expect(steps).toContain(`sync ${FIRST}`);
    expect(steps.indexOf(`sync ${FIRST}`)).toBeLessThan(steps.indexOf('create wal_00000001.log'));
    const afterPowerCut = memoryWal<Uint8Array>({ ...options, files: store.durableSnapshot() }).wal;
    await expect(textsOf(afterPowerCut)).resolves.toEqual(['a', 'b']);
  });

  it('no directory fsync', async () => {
    const { wal, store } = memoryWal<Uint8Array>(options);
    expect([...store.durableSnapshot().keys()]).toEqual([FIRST]);
    await wal.append(record('a'));
    const before = store.operations.length;
    await wal.rotate();
    wal.next(record('b'));
    await wal.sync();
    const made = stepsOf(store, before).filter((step) => !step.endsWith(FIRST));
    expect(made).toEqual([
      'create wal_00000001.log',
      'write wal_00000001.log',
      'sync wal_00000001.log',
      'syncDir',
      'write wal_00000001.log',
      'sync wal_00000001.log',
    ]);
  });

  it('log() returns before the record is durable', () => {
    virtualTime(({ cold, flush }) => {
      const { wal, store } = memoryWal<Uint8Array>({ ...options, plan: marblePlan({ write: '-|', sync: '--|' }) });
      const acked: number[] = [];
      cold('ab-c').subscribe((text) => {
        wal.next(record(text));
      });
      wal.acks$.subscribe(({ lsn }) => {
        acked.push(lsn);
        const afterPowerCut = memoryWal<Uint8Array>({ ...options, files: store.durableSnapshot() }).wal;
        expect(afterPowerCut.lastLsn).toBeGreaterThanOrEqual(lsn);
      });
      flush();
      expect(acked).toEqual([1, 2, 3]);
    });
  });

  it("an empty record's crc32 is 0, so eight zero bytes are a valid record", async () => {
    const files = await crashed('a');
    const written = files.get(FIRST)!;
    for (const zeros of [8, 16, 4096]) {
      files.set(FIRST, Buffer.concat([written, Buffer.alloc(zeros)]));
      const { wal } = memoryWal<Uint8Array>({ ...options, files });
      expect(wal.recovery).toMatchObject({ lastLsn: 1, bytesCut: 0 });
      await expect(textsOf(wal)).resolves.toEqual(['a']);
    }
    // And a record that is really empty is one.
    const { wal } = memoryWal<Uint8Array>(options);
    await wal.append(new Uint8Array(0));
    await expect(textsOf(wal)).resolves.toEqual(['']);
  });

  it('the checksum leaves out the length and the position', async () => {
    const files = await crashed('a', 'b', 'c');
    const written = files.get(FIRST)!;
    const frame = (nth: number) => written.slice(HEADER + nth * FRAME, HEADER + (nth + 1) * FRAME);

    // Two whole frames in each other's place.
    const swapped = Buffer.concat([written.slice(0, HEADER), frame(1), frame(0), frame(2)]);
    expect(() => memoryWal({ ...options, files: new Map([[FIRST, swapped]]) })).toThrow(WalCorruptError);

    // A length that is one less, and the bytes to go with it.
    const shorter = Buffer.concat([written.slice(0, HEADER), Buffer.of(3), frame(0).slice(1, 15), frame(0).slice(16)]);
    const { wal } = memoryWal<Uint8Array>({ ...options, files: new Map([[FIRST, shorter]]) });
    expect(wal.recovery).toMatchObject({ lastLsn: 0, bytesCut: FRAME - 1 });
  });

  it('appends after a torn tail can never be read again', async () => {
    const files = await crashed('a', 'b', 'torn');
    files.set(FIRST, files.get(FIRST)!.slice(0, -7));
    const { wal, store } = memoryWal<Uint8Array>({ ...options, files });
    expect(wal.recovery).toMatchObject({ lastLsn: 2, bytesCut: FRAME - 7 });
    await wal.append(record('c'));
    const again = memoryWal<Uint8Array>({ ...options, files: store.durableSnapshot() }).wal;
    await expect(textsOf(again)).resolves.toEqual(['a', 'b', 'c']);
  });

  it('recovery reads on after damage, in the next file', async () => {
    const { wal, store } = memoryWal<Uint8Array>({ ...options, isCommit: () => false });
    for (const text of ['a', 'b']) wal.next(record(text));
    await wal.rotate();
    wal.next(record('c'));
    await wal.close();
    const files = store.snapshot();
    const damaged = files.get(FIRST)!;
    damaged[HEADER + FRAME + 12]! ^= 1;

    const read: number[] = [];
    const reading = lastValueFrom(
      readWal<Uint8Array>(memoryStore({ files }), options).pipe(map(({ lsn }) => read.push(lsn))),
    );
    await expect(reading).rejects.toMatchObject({ code: 'WAL_CORRUPT', file: FIRST, offset: HEADER + FRAME, lsn: 2 });
    expect(read).toEqual([1]);
  });

  it('a length is trusted before it is allocated', async () => {
    const files = await crashed('a');
    // A frame that claims a payload of 1 GiB.
    files.set(FIRST, Buffer.concat([files.get(FIRST)!, Buffer.of(0xff, 0xff, 0xff, 0x3f), Buffer.alloc(60, 1)]));
    const { wal, store } = memoryWal<Uint8Array>({ ...options, files });
    expect(wal.lastLsn).toBe(1);
    const mostAsked = Math.max(...store.operations.map(({ kind, bytes = 0 }) => (kind === 'read' ? bytes : 0)));
    expect(mostAsked).toBeLessThanOrEqual(1024 * 1024);
  });

  it('checkpoint epoch compared with a file sequence, and forgotten at reopen', async () => {
    const { wal, store } = memoryWal<Uint8Array>(options);
    for (const text of ['a', 'b', 'c']) {
      wal.next(record(text));
      await wal.rotate();
    }
    // An epoch far above every file's sequence removes what lies below the LSN, and nothing else.
    await wal.checkpoint({ lsn: 2, epoch: 1000 });
    await expect(textsOf(wal)).resolves.toEqual(['c']);
    await wal.close();
    const again = memoryWal<Uint8Array>({ ...options, files: store.durableSnapshot() }).wal;
    expect(again.checkpointEpoch).toBe(1000);
  });

  it('two processes may write one directory', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rxwal-holes-'));
    {
      await using wal = await openWal(dir);
      await expect(openWal(wal.dir)).rejects.toThrow(WalLockedError);
    }
    rmSync(dir, { recursive: true });
  });

  it('adaptive mode does nothing in the async manager', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({
        durability: { mode: 'adaptive', targetIntervalMs: 100 },
        plan: marblePlan({ sync: '30ms |' }),
      });
      hot('                   a 149ms b').subscribe(wal);
      // A flush at 100 that takes 30; the next one 70 after it returned.
      expectObservable(wal.durable$).toBe('0 129ms 1 99ms 2', [0, 1, 2]);
    });
  });

  it('a failed fsync is retried or logged', () => {
    virtualTime(({ cold, expectObservable, flush }) => {
      const { wal, store } = memoryWal<Uint8Array>({ ...options, plan: marblePlan({ sync: ['-|', '--#', '-|'] }) });
      const outcomes: unknown[] = [];
      cold('                             a-bc--d')
        .pipe(mergeMap((text) => wal.append(record(text)).pipe(catchError((error: unknown) => of(error)))))
        .subscribe((outcome) => outcomes.push(outcome));
      expectObservable(wal.state$).toBe('o---p', { o: 'open', p: 'poisoned' });
      flush();
      expect(outcomes).toEqual([
        { lsn: 1, durable: true },
        // On its way, gathered behind it, and too late.
        expect.objectContaining({ code: 'WAL_POISONED', outcome: 'unknown', lsn: 2 }),
        expect.objectContaining({ code: 'WAL_POISONED', outcome: 'not written', lsn: 3 }),
        expect.objectContaining({ code: 'WAL_POISONED', outcome: 'not written', lsn: 0 }),
      ]);
      expect(wal.durableLsn).toBe(1);
      // The header's, that of a, that of b. No fourth one.
      expect(store.operations.filter(({ kind }) => kind === 'sync')).toHaveLength(3);
    });
  });
});
