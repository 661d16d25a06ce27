import { asyncScheduler, map, throwError, type Observable } from 'rxjs';
import { cborCodec } from 'rxwal';
import { fault, marblePlan, memoryStore, memoryWal, virtualTime } from 'rxwal/testing';
import { directoryReports } from '../../src/serve/directoryReports';
import type { Report } from '../../src/serve/report';
import type { SegmentStore } from '../../src/store/segmentStore';
import { segmentFile } from '../support/logs';

const OPTIONS = { intervalMs: 10, entries: 3, codec: cborCodec<unknown>(), scheduler: asyncScheduler };
const of$ = (store: SegmentStore, options: object = {}): Observable<Report> =>
  directoryReports(store, { ...OPTIONS, ...options });

type Files = ReadonlyMap<string, Uint8Array>;

/** The files of a log with so many records, closed or not. */
async function filesOf(records: number, { closed = false, checkpoint = 0 } = {}): Promise<Files> {
  const { wal, store } = memoryWal<unknown>({ maxSegmentBytes: 100 });
  for (let n = 1; n <= records; n += 1) wal.next({ n });
  await wal.flush();
  if (checkpoint > 0) {
    await wal.hold('mailer', checkpoint - 4);
    await wal.checkpoint({ lsn: checkpoint });
  }
  if (closed) await wal.close();
  return store.snapshot();
}

/** Somebody may put other files there. */
function changing(first: Files): SegmentStore & { become(store: Pick<SegmentStore, 'list' | 'open'>): void } {
  let now: Pick<SegmentStore, 'list' | 'open'> = memoryStore({ files: first });
  return {
    dir: 'log',
    become: (store) => {
      now = store;
    },
    lock: () => {
      throw new Error('it takes no lock');
    },
    list: () => now.list(),
    open: (name, access) => now.open(name, access),
    rename: () => {
      throw new Error('it changes nothing');
    },
    remove: () => {
      throw new Error('it changes nothing');
    },
    syncDir: () => {
      throw new Error('it changes nothing');
    },
  };
}

describe('directoryReports', () => {
  let files: Readonly<Record<'three' | 'open' | 'closed' | 'longer' | 'another' | 'checkpointed' | 'truncated', Files>>;

  beforeAll(async () => {
    files = {
      three: await filesOf(3),
      open: await filesOf(12),
      closed: await filesOf(20, { closed: true }),
      longer: await filesOf(30),
      another: await filesOf(6),
      checkpointed: await filesOf(12, { checkpoint: 9 }),
      truncated: await filesOf(60, { checkpoint: 50 }),
    };
  });

  it('one at once, and one an interval; a look takes its time, the first one twice', () => {
    virtualTime(({ expectObservable }) => {
      const store = memoryStore({ files: files.three, plan: marblePlan({ list: '--|' }) });
      expectObservable(of$(store).pipe(map(({ source }) => source)), '^--------------------------!').toBe(
        '----d 7ms d 9ms d',
        { d: 'directory' },
      );
    });
  });

  it('asks for nothing before somebody listens, and nothing when nobody does any more', () => {
    virtualTime(({ flush }) => {
      const store = memoryStore({ files: files.three });
      const reports$ = of$(store);
      expect(store.operations).toEqual([]);
      const subscription = reports$.subscribe();
      let asked = 0;
      asyncScheduler.schedule(() => {
        subscription.unsubscribe();
        asked = store.operations.length;
      }, 205);
      flush();
      expect(asked).toBeGreaterThan(50);
      expect(store.operations.slice(asked).filter(({ kind }) => kind !== 'close')).toEqual([]);
    });
  });

  it('knows of another process what the files tell, and nothing else', () => {
    virtualTime(({ flush }) => {
      const reports: Report[] = [];
      const subscription = of$(memoryStore({ files: files.checkpointed })).subscribe((report) => reports.push(report));
      asyncScheduler.schedule(() => subscription.unsubscribe(), 25);
      flush();
      const { point, metrics, state, files: seen, held } = reports.at(-1)!;
      expect(metrics).toBeUndefined();
      const unknown = { commits: null, commitMs: null, commitP99Ms: null, batchRecords: null, queueRecords: null };
      expect(point).toMatchObject(unknown);
      expect(state.word).toBe('unclosed');
      expect(seen!.checkpoint).toEqual({ lsn: 9, epoch: 1 });
      const { segments } = seen!;
      expect(segments.map(({ bytes }) => bytes)).toEqual(
        segments.map(({ sequence }) => files.checkpointed.get(segmentFile(sequence))!.length),
      );
      expect(segments.map(({ lastLsn }) => lastLsn)).toEqual([
        ...segments.slice(1).map(({ firstLsn }) => firstLsn - 1),
        undefined,
      ]);
      const mailer = { name: 'mailer', lsn: 5, lag: reports.at(-1)!.lastLsn! - 5, movedAt: expect.any(Number) };
      expect(held).toEqual({ readers: [mailer], more: 0, floorLsn: 5, keptBy: { kind: 'reader', name: 'mailer' } });
    });
  });

  it('counts what becomes durable while it looks, and not what was there before', () => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<unknown>({ maxSegmentBytes: 100, files: files.open });
      for (const at of [55, 255]) {
        asyncScheduler.schedule(() => {
          for (let n = 0; n < 20; n += 1) wal.next(n);
          void wal.rotate();
        }, at);
      }
      const told: { records: number | null; lastLsn: number | undefined; newest: string | undefined }[] = [];
      const subscription = of$(store).subscribe(({ point, lastLsn, entries }) =>
        told.push({ records: point.records, lastLsn, newest: entries[0]?.text }),
      );
      asyncScheduler.schedule(() => subscription.unsubscribe(), 405);
      flush();
      const intervalSeconds = 0.01;
      const counted = told.reduce((sum, { records }) => sum + (records ?? 0) * intervalSeconds, 0);
      expect(Math.round(counted)).toBe(40);
      expect(told[0]).toEqual({ records: null, lastLsn: 12, newest: '{"n":12}' });
      expect(told.at(-1)).toEqual({ records: 0, lastLsn: 52, newest: '19' });
    });
  });

  it.each([
    ['closed', 'closed', 'closed', /^Closed: it ends with a mark for LSN 20, /],
    ['left open', 'open', 'unclosed', /^Not closed: /],
    ['no log', undefined, 'empty', /^There is no log/],
  ] as const)('says in words how a log is: %s', (_what, name, word, text) => {
    virtualTime(({ expectObservable }) => {
      const store = memoryStore({ files: name && files[name] });
      expectObservable(of$(store).pipe(map(({ state }) => [state.word, text.test(state.text)])), '^----!').toBe('s', {
        s: [word, true],
      });
    });
  });

  it('goes on, whatever becomes of the log', () => {
    virtualTime(({ flush }) => {
      const store = changing(files.open);
      const words: string[] = [];
      const newest: (number | undefined)[] = [];
      const notices = new Set<string>();
      const subscription = of$(store).subscribe((report) => {
        if (words.at(-1) !== report.state.word) words.push(report.state.word);
        if (newest.at(-1) !== report.entries[0]?.lsn) newest.push(report.entries[0]?.lsn);
        for (const { text } of report.notices) notices.add(text);
      });
      const gone = { ...memoryStore(), list: () => throwError(() => fault('ENOENT')) };
      const unreadable = { ...memoryStore(), list: () => throwError(() => fault('EIO')) };
      const damaged = new Map(files.open).set(segmentFile(1), new Uint8Array(200).fill(0x55));
      const becomes: Pick<SegmentStore, 'list' | 'open'>[] = [
        memoryStore({ files: files.closed }),
        memoryStore({ files: files.longer }),
        gone,
        unreadable,
        memoryStore({ files: damaged }),
        // Another log, in the place of the one before.
        memoryStore({ files: files.another }),
        memoryStore(),
      ];
      for (const [at, next] of becomes.entries()) asyncScheduler.schedule(() => store.become(next), 1005 + at * 1000);
      asyncScheduler.schedule(() => subscription.unsubscribe(), 9000);
      flush();
      expect(words).toEqual(['unclosed', 'closed', 'unclosed', 'absent', 'unreadable', 'damaged', 'unclosed', 'empty']);
      expect(newest.at(-1)).toBeLessThanOrEqual(6);
      expect([...notices].some((text) => text.includes('begins again'))).toBe(true);
    });
  });

  it('says that a checkpoint has removed what it had not read', () => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<unknown>({ maxSegmentBytes: 100, files: files.open });
      let last: Report | undefined;
      const subscription = of$(store).subscribe((report) => (last = report));
      // All between two looks.
      asyncScheduler.schedule(() => {
        for (let n = 0; n < 100; n += 1) wal.next(n);
      }, 205.2);
      asyncScheduler.schedule(() => void wal.checkpoint(), 205.4);
      asyncScheduler.schedule(() => subscription.unsubscribe(), 2000);
      flush();
      expect(last!.notices.map(({ text }) => text)).toEqual([
        expect.stringMatching(/^A checkpoint removed records before they were read here: LSN 13 /),
      ]);
      expect(last!.lastLsn).toBe(112);
    });
  });
});
