import { EMPTY, NEVER, Subject, config, fromEvent, map, of, throwError } from 'rxjs';
import { WalClosedError, WalPoisonedError, recoverWal, type Durability, type Wal } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime } from 'rxwal/testing';

/** A store whose fsync takes 3 frames of time. */
const timed = () => marblePlan({ sync: '---|' });

const modes: Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 1000, maxRecords: 1000 },
  { mode: 'adaptive', targetIntervalMs: 1000 },
  { mode: 'nosync' },
];

/** The ways to close a log. */
const ways: [string, (wal: Wal<string>, shutdown$: Subject<void>) => void][] = [
  ['close()', (wal) => void wal.close()],
  ['complete()', (wal) => wal.complete()],
  ['Symbol.asyncDispose', (wal) => void wal[Symbol.asyncDispose]()],
  ['shutdown$', (_, shutdown$) => shutdown$.next()],
  ['the end of shutdown$', (_, shutdown$) => shutdown$.complete()],
  ['the end of its events', (wal) => void EMPTY.subscribe(wal)],
];

/** Errors that RxJS reports because nobody handles them. */
const unhandled: unknown[] = [];
beforeEach(() => {
  unhandled.length = 0;
  config.onUnhandledError = (error: unknown) => unhandled.push(error);
});
afterEach(() => {
  config.onUnhandledError = null;
});

describe.each(ways)('%s', (_, end) => {
  it.each(modes)('$mode: lets everything accepted become durable', (durability) => {
    virtualTime(({ flush }) => {
      const shutdown$ = new Subject<void>();
      const { wal, store } = memoryWal<string>({ plan: timed(), durability, shutdown$, isCommit: () => false });
      const lsns: number[] = [];
      wal.acks$.subscribe(({ lsn }) => lsns.push(lsn));
      for (const value of ['a', 'b', 'c']) wal.next(value);
      end(wal, shutdown$);
      flush();
      expect(lsns).toEqual([1, 2, 3]);
      expect(wal.durableLsn).toBe(3);
      const { recovery } = memoryWal({ files: store.durableSnapshot() }).wal;
      expect(recovery).toMatchObject({ clean: true, lastLsn: 3 });
    });
  });

  it('takes nothing more from that moment on', () => {
    virtualTime(({ flush }) => {
      const shutdown$ = new Subject<void>();
      const { wal } = memoryWal<string>({ plan: timed(), shutdown$ });
      wal.next('a');
      end(wal, shutdown$);
      const errors: unknown[] = [];
      wal.append('b').subscribe({ error: (error: unknown) => errors.push(error) });
      flush();
      expect(errors).toEqual([expect.any(WalClosedError)]);
      expect(wal.lastLsn).toBe(1);
    });
  });

  it('gives the lock back as the last thing', () => {
    virtualTime(({ flush }) => {
      const shutdown$ = new Subject<void>();
      const { wal, store } = memoryWal<string>({ plan: timed(), shutdown$ });
      wal.next('a');
      end(wal, shutdown$);
      flush();
      expect(store.operations.at(-1)?.kind).toBe('unlock');
      const opened: unknown[] = [];
      recoverWal(store).subscribe((again) => opened.push(again.lastLsn));
      flush();
      expect(opened).toEqual([1]);
    });
  });
});

describe('state$', () => {
  it('goes from open over closing to closed, and completes', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), shutdown$: cold('--x') });
      expectObservable(wal.state$).toBe('o-c--(d|)', { o: 'open', c: 'closing', d: 'closed' });
    });
  });

  it('stays closing until everything is durable', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed(), shutdown$: cold('--x') });
      cold('                       -a').subscribe((value) => wal.next(value));
      // The fsync of a ends at 4, that of the final mark at 7.
      expectObservable(wal.state$).toBe('o-c----(d|)', { o: 'open', c: 'closing', d: 'closed' });
    });
  });

  it('says closed to a late subscriber too', async () => {
    const { wal } = memoryWal<string>();
    await wal.close();
    const heard: unknown[] = [];
    wal.state$.subscribe({ next: (state) => heard.push(state), complete: () => heard.push('|') });
    expect(heard).toEqual(['closed', '|']);
  });

  it('says poisoned to a late subscriber too, also after the close', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '#' }) });
    wal.acks$.subscribe({ error: () => undefined });
    wal.next('a');
    await expect(wal.close()).rejects.toThrow(WalPoisonedError);
    const heard: unknown[] = [];
    wal.state$.subscribe({ next: (state) => heard.push(state), complete: () => heard.push('|') });
    expect(heard).toEqual(['poisoned', '|']);
  });
});

describe('the other outputs', () => {
  it('end with the log', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                                                -a-----|').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('----a-----|', { a: 1 });
      expectObservable(wal.commits$.pipe(map(({ lastLsn }) => lastLsn))).toBe('----a-----|', { a: 1 });
      expectObservable(wal.durable$).toBe('                   0---1-----|', [0, 1]);
      expectObservable(wal.rejected$).toBe('                  ----------|');
    });
  });

  it('durable$ says the last durable LSN to a late subscriber too', async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    await wal.close();
    const heard: unknown[] = [];
    wal.durable$.subscribe({ next: (lsn) => heard.push(lsn), complete: () => heard.push('|') });
    expect(heard).toEqual([1, '|']);
  });

  it('complete for a late subscriber', async () => {
    const { wal } = memoryWal<string>();
    await wal.close();
    const heard: string[] = [];
    wal.acks$.subscribe({ complete: () => heard.push('acks$') });
    wal.commits$.subscribe({ complete: () => heard.push('commits$') });
    wal.rejected$.subscribe({ complete: () => heard.push('rejected$') });
    expect(heard).toEqual(['acks$', 'commits$', 'rejected$']);
  });
});

describe('close()', () => {
  it('may be called again, at once and later: the log is closed once', async () => {
    const { wal, store } = memoryWal<string>();
    await Promise.all([wal.close(), wal.close()]);
    wal.complete();
    await wal.close();
    expect(store.operations.filter(({ kind }) => kind === 'unlock')).toHaveLength(1);
  });

  it('leaves an acknowledged append acknowledged, for late subscribers', async () => {
    const { wal } = memoryWal<string>();
    const ack$ = wal.append('a');
    await wal.close();
    const lsns: number[] = [];
    ack$.subscribe(({ lsn }) => lsns.push(lsn));
    expect(lsns).toEqual([1]);
  });

  it('leaves what the log knows readable: LSNs, count, checkpoint, files', async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    await wal.checkpoint();
    await wal.close();
    expect(wal).toMatchObject({ lastLsn: 1, durableLsn: 1, recordCount: 1, checkpointEpoch: 1 });
    await expect(wal.logFiles()).resolves.toEqual(['memory/wal_00000000.log']);
  });

  it('rejects where the log had stopped, each time, and gives the lock back all the same', async () => {
    const { wal, store } = memoryWal<string>({ plan: marblePlan({ sync: '#' }) });
    wal.acks$.subscribe({ error: () => undefined });
    wal.next('a');
    await expect(wal.close()).rejects.toMatchObject({ code: 'WAL_POISONED', cause: { code: 'EIO' } });
    await expect(wal.close()).rejects.toThrow(WalPoisonedError);
    expect(store.operations.at(-1)?.kind).toBe('unlock');
  });

  it('rejects where its own last fsync fails', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['---|', '---#'] }) });
      const states: string[] = [];
      wal.state$.subscribe((state) => states.push(state));
      wal.next('a');
      const closed = wal.close().catch((error: unknown) => error);
      flush();
      expect(states).toEqual(['open', 'closing', 'poisoned']);
      expect(wal.durableLsn).toBe(1);
      return expect(closed).resolves.toBeInstanceOf(WalPoisonedError);
    });
  });

  it('rejects where the lock cannot be given back, and names it', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ unlock: '#' }, fault('ENOLCK')) });
    await expect(wal.close()).rejects.toMatchObject({ code: 'WAL_IO', cause: { code: 'ENOLCK' } });
  });

  it('is what `await using` calls', async () => {
    const { store } = await (async () => {
      const made = memoryWal<string>();
      await using wal = made.wal;
      wal.next('a');
      return made;
    })();
    expect(store.operations.at(-1)?.kind).toBe('unlock');
  });
});

describe('shutdown$', () => {
  it('may be an AbortSignal', () => {
    const abort = new AbortController();
    const { wal } = memoryWal<string>({ shutdown$: fromEvent(abort.signal, 'abort') });
    const states: string[] = [];
    wal.state$.subscribe((state) => states.push(state));
    abort.abort();
    expect(states).toEqual(['open', 'closing', 'closed']);
  });

  it('may emit before the log is open: it is closed as soon as it is', () => {
    virtualTime(({ flush }) => {
      const store = memoryStore({ plan: marblePlan({ list: '-----|' }) });
      recoverWal(store, { shutdown$: of('now') }).subscribe();
      flush();
      expect(store.operations.at(-1)?.kind).toBe('unlock');
    });
  });

  it('may be one that never comes', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ shutdown$: NEVER });
      wal.next('a');
      flush();
      expect(wal.durableLsn).toBe(1);
    });
  });

  it('is let go when the log is closed', async () => {
    const shutdown$ = new Subject<void>();
    const { wal } = memoryWal<string>({ shutdown$ });
    expect(shutdown$.observed).toBe(true);
    await wal.close();
    expect(shutdown$.observed).toBe(false);
  });

  it('that fails closes the log, and acks$ ends with its error', () => {
    const failure = new Error('the supervisor is gone');
    const shutdown$ = new Subject<void>();
    const { wal } = memoryWal<string>({ shutdown$ });
    const ends: unknown[] = [];
    wal.acks$.subscribe({ error: (error: unknown) => ends.push(error) });
    shutdown$.error(failure);
    expect(ends).toEqual([failure]);
  });
});

describe('events that fail', () => {
  const failure = new Error('the source broke');

  it('drain and close the log, and acks$ ends with their error behind the last ack', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      hot('                                                a-b#', undefined, failure).subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('---1--2--#', { 1: 1, 2: 2 }, failure);
      expectObservable(wal.commits$.pipe(map(({ lastLsn }) => lastLsn))).toBe('---1--2--|', { 1: 1, 2: 2 });
      expectObservable(wal.durable$).toBe('                   0--1--2--|', [0, 1, 2]);
      expectObservable(wal.state$).toBe('                     o--c-----(d|)', { o: 'open', c: 'closing', d: 'closed' });
    });
  });

  it('are an unhandled error where nobody listens to acks$', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      throwError(() => failure).subscribe(wal);
      flush();
      expect(unhandled).toEqual([failure]);
    });
  });

  it('leave a clean log: close() resolves', async () => {
    const { wal, store } = memoryWal<string>();
    wal.acks$.subscribe({ error: () => undefined });
    wal.next('a');
    wal.error(failure);
    await expect(wal.close()).resolves.toBeUndefined();
    expect(memoryWal({ files: store.snapshot() }).wal.recovery).toMatchObject({ clean: true, lastLsn: 1 });
  });

  it('are reported as unhandled where the log was closing already', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      wal.complete();
      wal.error(failure);
      flush();
      expect(unhandled).toEqual([failure]);
    });
  });
});

describe('after the close', () => {
  it('append fails with WalClosedError, and takes no LSN', async () => {
    const { wal } = memoryWal<string>();
    await wal.close();
    const errors: unknown[] = [];
    wal.append('a').subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.any(WalClosedError)]);
    expect(wal.lastLsn).toBe(0);
  });

  it('next is reported as an unhandled error', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      wal.complete();
      flush();
      wal.next('a');
      flush();
      expect(unhandled).toEqual([expect.any(WalClosedError)]);
    });
  });

  it('next is reported although somebody had listened to rejected$, which has ended', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      wal.rejected$.subscribe();
      wal.complete();
      flush();
      wal.next('a');
      flush();
      expect(unhandled).toEqual([expect.any(WalClosedError)]);
    });
  });

  it('next while the log is still closing goes to rejected$, where somebody listens', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const rejected: unknown[] = [];
      wal.rejected$.subscribe((rejection) => rejected.push(rejection));
      wal.next('a');
      wal.complete();
      wal.next('b');
      flush();
      expect(rejected).toEqual([{ value: 'b', error: expect.any(WalClosedError) }]);
      expect(unhandled).toEqual([]);
    });
  });

  it('read is refused', async () => {
    const { wal } = memoryWal<string>();
    await wal.close();
    const errors: unknown[] = [];
    wal.read().subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.any(WalClosedError)]);
  });
});

describe('a log that is given shutdown$', () => {
  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('still tells that it has stopped, where nobody listens', async () => {
    const unhandled = new Promise((resolve) => (config.onUnhandledError = resolve));
    const { wal } = memoryWal<string>({ shutdown$: new Subject(), plan: marblePlan({ sync: '#' }, fault('EIO')) });
    wal.next('a');
    await expect(unhandled).resolves.toMatchObject({ code: 'WAL_POISONED' });
  });
});
