import { getEventListeners } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Subject, lastValueFrom, take, tap, toArray } from 'rxjs';
import { openWal, readWal, repairWal } from 'rxwal';
import { marblePlan, memoryStore, memoryWal, virtualTime, type MemoryStore, type StoreOperation } from 'rxwal/testing';
import { trackedStore } from '../src/store/trackedStore';
import { RAW, buildLog, collect, records, recordsOf } from './support/logs';
import type { Files } from './support/reference';

const REASON = new Error('enough');

const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

/** Files that have been opened and not closed. */
function leftOpen({ operations }: MemoryStore): number {
  const count = (...kinds: StoreOperation['kind'][]): number =>
    operations.filter(({ kind }) => kinds.includes(kind)).length;
  return count('open', 'create') - count('close');
}

let whole: Files;
let dir: string;
beforeAll(async () => {
  whole = await buildLog('closed');
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-signal-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('a signal that is none', () => {
  const bad = (signal: unknown, shown: string) => [
    signal,
    new TypeError(`signal must be an AbortSignal, not ${shown}`),
  ];

  it.each([bad(null, 'null'), bad('SIGTERM', "'SIGTERM'"), bad({}, 'object'), bad(new AbortController(), 'object')])(
    'is refused by name: %o',
    async (given, error) => {
      const signal = given as AbortSignal;
      await expect(openWal(dir, { signal })).rejects.toThrow(error as TypeError);
      expect(() => readWal(dir, { signal })).toThrow(error as TypeError);
      await expect(repairWal(dir, `${dir}.repaired`, { signal })).rejects.toThrow(error as TypeError);
      const { wal } = memoryWal();
      expect(() => wal.writable({ signal })).toThrow(error as TypeError);
    },
  );
});

describe('openWal', () => {
  it('rejects with the reason, and makes nothing, where the signal is aborted already', async () => {
    const log = join(dir, 'log');
    await expect(openWal(log, { signal: AbortSignal.abort(REASON) })).rejects.toBe(REASON);
    await expect(openWal(log, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(existsSync(log)).toBe(false);
  });

  it('rejects with the reason when it is given up half way, and the log can be opened at once', async () => {
    const log = join(dir, 'log');
    for (const io of ['pool', 'thread'] as const) {
      const controller = new AbortController();
      const opening = openWal<string>(log, { signal: controller.signal, io });
      controller.abort(REASON);
      await expect(opening).rejects.toBe(REASON);
      await using wal = await openWal<string>(log);
      await wal.append(io);
    }
    const entries = await lastValueFrom(readWal<string>(log).pipe(toArray()));
    expect(entries.map(({ value }) => value)).toEqual(['pool', 'thread']);
  });

  it('leaves no listener on a signal that outlives the openings', async () => {
    const { signal } = new AbortController();
    for (let opening = 0; opening < 3; opening += 1) {
      await using wal = await openWal<number>(join(dir, 'log'), { signal });
      await wal.append(opening);
      await lastValueFrom(readWal<number>(join(dir, 'log'), { signal }));
      expect(listeners(signal)).toBe(0);
    }
  });
});

describe('readWal', () => {
  it('ends with the reason behind the records that came before, and closes what is open', () => {
    const controller = new AbortController();
    const store = memoryStore({ files: whole });
    const seen: number[] = [];
    const { error } = collect(
      readWal<Uint8Array>(store, { ...RAW, signal: controller.signal }).pipe(
        tap(({ lsn }) => {
          seen.push(lsn);
          if (lsn === 5) controller.abort(REASON);
        }),
      ),
    );
    expect(error).toBe(REASON);
    expect(seen).toEqual([3, 4, 5]);
    expect(leftOpen(store)).toBe(0);
    expect(listeners(controller.signal)).toBe(0);
  });

  it.each(['strict', 'salvage'] as const)('%s: ends in the middle of a read that takes its time', (recovery) => {
    virtualTime(({ hot, expectObservable, flush }) => {
      const controller = new AbortController();
      const store = memoryStore({ files: whole, plan: marblePlan({ read: '----|' }) });
      hot('------x').subscribe(() => {
        controller.abort(REASON);
      });
      const read$ = readWal<Uint8Array>(store, { ...RAW, recovery, signal: controller.signal });
      expectObservable(read$).toBe('------#', undefined, REASON);
      flush();
      expect(leftOpen(store)).toBe(0);
    });
  });

  it('touches nothing where the signal is aborted already, and goes on where it is left alone', () => {
    const store = memoryStore({ files: whole });
    expect(collect(readWal(store, { signal: AbortSignal.abort(REASON) })).error).toBe(REASON);
    expect(store.operations).toEqual([]);
    const { signal } = new AbortController();
    expect(recordsOf(collect(readWal<Uint8Array>(store, { ...RAW, signal })).values)).toEqual(records(3, 8));
    collect(readWal<Uint8Array>(store, { ...RAW, signal }).pipe(take(1)));
    expect(listeners(signal)).toBe(0);
  });
});

describe('repairWal', () => {
  it('that is aborted in any operation of its source or target rejects, and gives everything back', async () => {
    let aborted = 0;
    for (let at = 1, done = false; !done; at += 1) {
      const controller = new AbortController();
      let begun = 0;
      const plan = (): undefined => {
        if ((begun += 1) === at) controller.abort(REASON);
      };
      // Tracked, as the real disk is: a file whose opening nobody waits for any more is closed.
      const source = memoryStore({ files: whole, plan });
      const target = memoryStore({ plan });
      const outcome: unknown = await repairWal(trackedStore(source), trackedStore(target), {
        signal: controller.signal,
      }).catch((error: unknown) => error);
      done = !controller.signal.aborted;
      if (outcome === REASON) aborted += 1;
      expect(outcome === REASON ? { records: 6 } : outcome).toMatchObject({ records: 6 });
      expect([leftOpen(source), leftOpen(target)]).toEqual([0, 0]);
      expect(collect(target.lock()).error).toBeUndefined();
      expect(source.snapshot()).toEqual(whole);
      expect(listeners(controller.signal)).toBe(0);
    }
    expect(aborted).toBeGreaterThan(20);
  });

  it('removes what it has made on disk, so that it can be done again', async () => {
    const source = join(dir, 'damaged');
    const target = join(dir, 'repaired');
    const wal = await openWal<string>(source);
    for (let lsn = 1; lsn <= 5000; lsn += 1) wal.next('x'.repeat(100));
    await wal.close();
    const controller = new AbortController();
    let partialWasThere = false;
    const repair = repairWal(source, target, {
      signal: controller.signal,
      onProgress: ({ records: written }) => {
        if (written === 0) return;
        partialWasThere = existsSync(`${target}.partial`);
        controller.abort(REASON);
      },
    });
    await expect(repair).rejects.toBe(REASON);
    expect(partialWasThere).toBe(true);
    expect(readdirSync(dir)).toEqual(['damaged']);
    await expect(repairWal(source, target)).resolves.toMatchObject({ records: 5000 });
  });

  it('does not touch anything where the signal is aborted already', async () => {
    const source = memoryStore({ files: whole });
    await expect(repairWal(source, join(dir, 'new'), { signal: AbortSignal.abort(REASON) })).rejects.toBe(REASON);
    expect(source.operations).toEqual([]);
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('wal.writable', () => {
  it('is destroyed by its signal, and leaves the log open with what it had appended', async () => {
    const { wal } = memoryWal<string>();
    const controller = new AbortController();
    const source = new Readable({ objectMode: true, read: () => undefined });
    source.push('a');
    const piped = pipeline(source, wal.writable({ signal: controller.signal }));
    await lastValueFrom(wal.acks$.pipe(take(1)));
    controller.abort(REASON);
    await expect(piped).rejects.toMatchObject({ name: 'AbortError', cause: REASON });
    await wal.append('b');
    expect(collect(wal.read()).values.map(({ value }) => value)).toEqual(['a', 'b']);
    expect(listeners(controller.signal)).toBe(0);
  });

  it('leaves out what waits for room in a full log when it is destroyed', async () => {
    // The log takes two records; nothing is durable before the stream is destroyed.
    const mayWrite$ = new Subject<never>();
    const plan = ({ kind }: StoreOperation): Subject<never> | undefined => (kind === 'write' ? mayWrite$ : undefined);
    const { wal } = memoryWal<string>({ maxPendingRecords: 2, plan });
    const controller = new AbortController();
    const stream: Writable = wal.writable({ signal: controller.signal });
    const destroyed = new Promise((resolve) => stream.once('error', resolve));
    stream.cork();
    for (const value of ['a', 'b', 'c', 'd']) stream.write(value);
    stream.uncork();
    controller.abort(REASON);
    await expect(destroyed).resolves.toMatchObject({ name: 'AbortError' });
    mayWrite$.complete();
    await wal.close();
    expect(wal.lastLsn).toBe(2);
  });
});
