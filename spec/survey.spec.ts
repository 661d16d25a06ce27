import { EMPTY, NEVER, concat, from, map, of, throwError } from 'rxjs';
import { WalCorruptError, WalIoError } from 'rxwal';
import { fault, marblePlan, memoryStore, virtualTime } from 'rxwal/testing';
import { survey, type Survey } from '../src/survey';
import { checkpointCbor, frameBytes, headerBytes, hex, join } from './support/bytes';
import { LOG_ID, OTHER_LOG_ID, buildLog, collect, filesOf, sameFiles, segmentFile } from './support/logs';
import type { Files } from './support/reference';

const header = (firstLsn: number): Uint8Array => headerBytes({ firstLsn, logId: LOG_ID });
const checkpointMeta = (lsn: number, epoch = 1): Uint8Array =>
  join(header(lsn + 1), frameBytes('checkpoint', lsn, checkpointCbor({ lsn, epoch }), LOG_ID));

function survey$(files: Files): { readonly found: Survey | undefined; readonly error: unknown } {
  const { values, error } = collect(survey(memoryStore({ files })));
  return { found: values[0], error };
}

describe('survey', () => {
  it('an empty directory: nothing, and no log id yet', () => {
    expect(survey$(new Map()).found).toEqual({
      logId: undefined,
      checkpoint: undefined,
      holds: { readers: [], cutLsn: 0 },
      segments: [],
      orphans: [],
      leftovers: [],
      headless: undefined,
    });
  });

  it('a log: its id, its checkpoint, its segments by their headers', async () => {
    const { found } = survey$(await buildLog('closed', true));
    expect(hex(found!.logId!)).toBe(hex(LOG_ID));
    expect(found).toMatchObject({
      checkpoint: { lsn: 1, epoch: 5, transactionId: 77 },
      segments: [
        { sequence: 0, firstLsn: 1 },
        { sequence: 1, firstLsn: 3 },
        { sequence: 2, firstLsn: 4 },
        { sequence: 3, firstLsn: 5 },
      ],
      orphans: [],
      leftovers: [],
      headless: undefined,
    });
  });

  it('sorts by number, past eight digits too', () => {
    const files = new Map([
      ['wal_100000000.log', header(9)],
      ['wal_99999999.log', header(5)],
      ['checkpoint.meta', checkpointMeta(4)],
    ]);
    expect(survey$(files).found?.segments).toEqual([
      { sequence: 99_999_999, firstLsn: 5 },
      { sequence: 100_000_000, firstLsn: 9 },
    ]);
  });

  it.each([
    'wal_0.log',
    'wal_0000000.log',
    'wal_000000000.log',
    'wal_00000000.LOG',
    'Wal_00000000.log',
    'wal_00000000.log~',
    'xwal_00000000.log',
    'wal_+0000000.log',
    'wal_00000000.log\n',
  ])('%j is none of its names', (name) => {
    expect(survey$(new Map([[name, header(1)]])).found?.segments).toEqual([]);
  });

  it('names the half-made files that a crash left, and no others', () => {
    const names = ['wal_00000000.log.tmp', 'checkpoint.meta.tmp', 'wal_0.log.tmp', 'x.tmp', 'LOCK', 'LOCK.tmp'];
    const { found } = survey$(new Map(names.map((name) => [name, new Uint8Array(1)])));
    expect(found?.leftovers).toEqual(['wal_00000000.log.tmp', 'checkpoint.meta.tmp']);
  });

  it('segments before a gap below the checkpoint are orphans, however many gaps there are', () => {
    const files = filesOf(header(1), header(2), header(3), header(4), header(5), header(6));
    files.delete(segmentFile(1));
    files.delete(segmentFile(3));
    files.set('checkpoint.meta', checkpointMeta(4, 3));
    const { found } = survey$(files);
    expect(found?.orphans.map(({ sequence }) => sequence)).toEqual([0, 2]);
    expect(found?.segments.map(({ sequence }) => sequence)).toEqual([4, 5]);
  });

  it.each<[what: string, missing: number, checkpointLsn: number, allowed: boolean]>([
    ['ends just before the segment behind the gap', 1, 2, true],
    ['ends one record earlier', 1, 1, false],
    ['is well past it', 1, 5, true],
  ])('a gap is allowed where the checkpoint %s: %#', (_what, missing, checkpointLsn, allowed) => {
    const files = filesOf(header(1), header(2), header(3));
    files.delete(segmentFile(missing));
    files.set('checkpoint.meta', checkpointMeta(checkpointLsn));
    const { found, error } = survey$(files);
    expect(found !== undefined).toBe(allowed);
    expect(error instanceof WalCorruptError).toBe(!allowed);
  });

  it('the last segment, where a crash came before its header was whole: how many bytes of one it has', () => {
    const { found } = survey$(filesOf(header(1), header(3), Uint8Array.of(1, 2, 3, 0, 0)));
    expect(found?.segments).toHaveLength(2);
    expect(found?.headless).toEqual({ sequence: 2, bytes: 3 });
  });

  it('the last segment, where it has another one’s header and nothing behind it: the disk shows an old block', () => {
    const { found } = survey$(filesOf(header(1), header(3), join(header(1), [0, 0])));
    expect(found?.segments).toHaveLength(2);
    expect(found?.headless).toEqual({ sequence: 2, bytes: 32 });
  });

  it.each<[what: string, files: Files, reason: RegExp]>([
    ['a middle one without a header', filesOf(header(1), new Uint8Array(32), header(3)), /does not begin with "RXWL"/],
    [
      'a last one without a header and with frames',
      filesOf(header(1), new Uint8Array(33).fill(1)),
      /does not begin with/,
    ],
    [
      'a first LSN that goes back',
      filesOf(header(1), header(5), header(3), header(6)),
      /it begins at LSN 3, and the segment before it at 5/,
    ],
    [
      'a first LSN that stays',
      filesOf(header(1), header(1), header(2)),
      /it begins at LSN 1, and the segment before it at 1/,
    ],
    [
      'an old header in the last one, with something behind it',
      filesOf(header(1), join(header(1), [1])),
      /it begins at LSN 1, and the segment before it at 1/,
    ],
    ['a number that no log comes to', new Map([[segmentFile(10 ** 14 + 1), header(1)]]), /no log comes that far/],
    ['number 0 at another LSN', filesOf(header(2)), /it is the first segment and begins at LSN 2/],
    ['another log', filesOf(header(1), headerBytes({ firstLsn: 2, logId: OTHER_LOG_ID })), /belongs to another log/],
    ['a lone segment 3', new Map([[segmentFile(3), header(7)]]), /it is missing: the next segment begins at LSN 7/],
    ['a lone segment 3 without a header', new Map([[segmentFile(3), new Uint8Array(0)]]), /a header takes 32 bytes/],
    ['a checkpoint alone', new Map([['checkpoint.meta', checkpointMeta(3)]]), /there is a checkpoint and no segment/],
    [
      'a checkpoint, and a segment without a header',
      new Map([
        ['checkpoint.meta', checkpointMeta(3)],
        [segmentFile(0), new Uint8Array(0)],
      ]),
      /there is a checkpoint and no segment/,
    ],
  ])('refuses %s', (_what, files, reason) => {
    const { error } = survey$(files);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect((error as WalCorruptError).reason).toMatch(reason);
  });

  it('only looks: it lists, and opens, reads 32 bytes of and closes each segment', async () => {
    const files = await buildLog('crashed');
    const store = memoryStore({ files });
    collect(survey(store));
    expect(sameFiles(store.snapshot(), files)).toBe(true);
    expect(new Set(store.operations.map(({ kind }) => kind))).toEqual(new Set(['list', 'open', 'read', 'close']));
    const ofSegments = store.operations.filter(({ kind, file }) => kind === 'read' && file.endsWith('.log'));
    expect(ofSegments.map(({ position, bytes }) => [position, bytes])).toEqual([
      [0, 32],
      [0, 32],
      [0, 32],
    ]);
  });

  it('is cold, and each subscription looks again', () => {
    const store = memoryStore({ files: filesOf(header(1)) });
    const survey$ = survey(store);
    expect(store.operations).toEqual([]);
    collect(survey$);
    const once = store.operations.length;
    collect(survey$);
    expect(store.operations).toHaveLength(2 * once);
  });

  it.each(['list', 'open', 'read'] as const)('a failed %s is WalIoError, and no file stays open', (kind) => {
    const files = filesOf(header(1), header(2));
    const store = memoryStore({ files, plan: marblePlan({ [kind]: '#' }, fault('EMFILE')) });
    const { error } = collect(survey(store));
    expect(error).toBeInstanceOf(WalIoError);
    expect(error).toMatchObject({ cause: { code: 'EMFILE' } });
    const count = (of: string): number => store.operations.filter((operation) => operation.kind === of).length;
    expect(kind === 'open' ? 0 : count('open') - count('close')).toBe(0);
  });

  it.each([
    [0, 'wal_00000000.log'],
    [1, 'wal_00000001.log'],
    [2, 'memory'],
  ])('a store that reads many files at once, and fails after %i: WalIoError names %s', (read, file) => {
    const files = filesOf(header(1), header(2));
    const store = memoryStore({ files });
    const starts = [...files.values()].slice(0, read);
    const failing = Object.assign(store, {
      readStarts: () =>
        concat(
          of(...starts.map((start) => [start])),
          throwError(() => fault('EMFILE')),
        ),
    });
    const { values, error } = collect(survey(failing));
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(WalIoError);
    expect(error).toMatchObject({ operation: 'Reading', file, cause: { code: 'EMFILE' } });
  });

  it.each<[string, readonly (readonly Uint8Array[])[], string]>([
    ['fewer than it was asked for', [[header(1)]], 'wal_00000001.log'],
    ['none', [], 'wal_00000000.log'],
    ['a hole', [[header(1), undefined as unknown as Uint8Array], [header(3)]], 'wal_00000001.log'],
  ])('a store that reads many files at once, and gives %s: WalIoError names %s', (_what, runs, file) => {
    const store = Object.assign(memoryStore({ files: filesOf(header(1), header(2), header(3)) }), {
      readStarts: () => from(runs),
    });
    const { values, error } = collect(survey(store));
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(WalIoError);
    expect(error).toMatchObject({ operation: 'Reading', file, cause: { message: 'the store gave nothing of it' } });
  });

  it('early unsubscribe closes what is open', () => {
    virtualTime(({ cold, expectObservable, flush }) => {
      const files = filesOf(header(1), header(2), header(3));
      const store = memoryStore({ files, plan: ({ kind }) => (kind === 'read' ? cold('-----|') : undefined) });
      expectObservable(survey(store), '--!').toBe('-');
      flush();
      const kinds = store.operations.map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === 'close')).toHaveLength(kinds.filter((kind) => kind === 'open').length);
    });
  });

  it('2,000 segments of a store that answers later at first, and at once from then on', () => {
    const files = filesOf(...Array.from({ length: 2000 }, (_, index) => header(index + 1)));
    virtualTime(({ expectObservable }) => {
      let opened = 0;
      const plan = marblePlan({ open: '-|' });
      const store = memoryStore({
        files,
        plan: (operation) => (operation.kind === 'open' && (opened += 1) <= 32 ? plan(operation) : undefined),
      });
      expectObservable(survey(store).pipe(map(({ segments }) => segments.length))).toBe('-(n|)', { n: 2000 });
    });
  });

  it('waits for a store that never answers', () => {
    const { values, error, done } = collect(survey(memoryStore({ plan: () => NEVER })));
    expect({ values, error, done }).toEqual({ values: [], error: undefined, done: false });
  });

  it('takes an operation that takes no time as it takes one that does', () => {
    const { values, done } = collect(survey(memoryStore({ files: filesOf(header(1)), plan: () => EMPTY })));
    expect(values).toHaveLength(1);
    expect(done).toBe(true);
  });
});
