import { VirtualTimeScheduler } from 'rxjs';
import { WalCorruptError, readWal, repairWal, type Gap } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { follow } from '../src/follow';
import { frameBytes, groupPayload, headerBytes, hex, join } from './support/bytes';
import { LOG_ID, RAW, appended, collect, filesOf, open, openFiles, refusalOfFiles, segmentFile } from './support/logs';
import { judge, type Files } from './support/reference';

const FIRST = segmentFile(0);
const SECOND = segmentFile(1);
const header = headerBytes({ firstLsn: 1, logId: LOG_ID });
/** As an earlier rxwal made it: without the flag that allows groups. */
const oldHeader = headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 });
const m = (lsn: number): Uint8Array => frameBytes('mark', lsn, '', LOG_ID);
const r = (lsn: number): Uint8Array => frameBytes('record', lsn, 'r', LOG_ID);
const g = (lsn: number, ...records: string[]): Uint8Array => frameBytes('group', lsn, groupPayload(...records), LOG_ID);
const spoilt = (bytes: Uint8Array, at = 18): Uint8Array => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
const texts = (values: readonly { lsn: number; value: Uint8Array }[]): string[] =>
  values.map(({ lsn, value }) => `${lsn} ${Buffer.from(value).toString()}`);

describe('a log whose last segment an earlier rxwal has made', () => {
  it.each([
    ['closed', [r(1), m(1), r(2), m(2)], { clean: true, bytesCut: 0 }],
    ['left by a crash', [r(1), m(1), r(2)], { clean: false, bytesCut: 0 }],
    ['with a torn tail', [r(1), m(1), r(2), r(3).subarray(0, 13)], { clean: false, bytesCut: 13 }],
  ])('goes on in a new segment where it holds records: %s', (_what, frames, found) => {
    const { wal, store } = openFiles(filesOf(join(oldHeader, ...frames)));
    expect(wal.recovery).toMatchObject({ ...found, firstLsn: 1, lastLsn: 2, records: 2, segments: 2 });
    // The old one ends with its last record, as any segment does that is not the last.
    expect(hex(store.durableSnapshot().get(FIRST)!)).toBe(hex(join(oldHeader, r(1), m(1), r(2))));
    expect(hex(store.durableSnapshot().get(SECOND)!)).toBe(hex(headerBytes({ firstLsn: 3, logId: LOG_ID })));
    expect([...store.snapshot().keys()].sort()).toEqual([FIRST, SECOND]);
    const kinds = store.operations.map(({ kind, file }) => `${kind} ${file}`);
    expect(kinds.indexOf(`create ${SECOND}`)).toBeGreaterThan(kinds.lastIndexOf(`sync ${FIRST}`));
  });

  it('takes a group then, which no part of it was written into', () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore({ files: filesOf(join(oldHeader, r(1), m(1))) });
    const opened = open(store, { scheduler: clock });
    if ('error' in opened) throw opened.error;
    const ack$ = opened.wal.appendAll([Buffer.from('a'), Buffer.from('b')]);
    clock.flush();
    expect(collect(ack$).values).toEqual([{ lsn: 3, durable: true }]);
    opened.wal.complete();
    expect(hex(store.durableSnapshot().get(SECOND)!)).toBe(
      hex(join(headerBytes({ firstLsn: 2, logId: LOG_ID }), m(1), g(2, 'a', 'b'), m(3))),
    );
    const again = openFiles(store.durableSnapshot());
    expect(again.wal.recovery).toMatchObject({ clean: true, lastLsn: 3, segments: 2 });
    expect(texts(collect(again.wal.read()).values)).toEqual(['1 r', '2 a', '3 b']);
  });

  it.each([
    ['new', [], true],
    ['closed', [m(0)], true],
    ['behind other segments', [], false],
  ])('gives it a header that allows groups where it holds no record: %s', (_what, frames, alone) => {
    const last = headerBytes({ firstLsn: alone ? 1 : 3, logId: LOG_ID, flags: 0 });
    const before = alone ? [] : [join(oldHeader, r(1), r(2))];
    const { wal, store } = openFiles(filesOf(...before, join(last, ...frames)));
    const file = alone ? FIRST : SECOND;
    expect(hex(store.durableSnapshot().get(file)!)).toBe(hex(headerBytes({ firstLsn: alone ? 1 : 3, logId: LOG_ID })));
    const clock = new VirtualTimeScheduler();
    wal.complete();
    clock.flush();
    const again = openFiles(store.durableSnapshot());
    expect(again.wal.recovery).toMatchObject({ clean: true, lastLsn: alone ? 0 : 2, segments: alone ? 1 : 2 });
  });

  it('keeps what a checkpoint has left: a segment that begins later, and a checkpoint frame', () => {
    const clock = new VirtualTimeScheduler();
    const checkpointed = frameBytes('checkpoint', 4, Buffer.from('a2636c736e046565706f636801', 'hex'), LOG_ID);
    const meta = join(headerBytes({ firstLsn: 5, logId: LOG_ID, flags: 0 }), checkpointed);
    const last = join(headerBytes({ firstLsn: 5, logId: LOG_ID, flags: 0 }), m(4), checkpointed);
    const files = new Map([
      [segmentFile(3), last],
      ['checkpoint.meta', meta],
    ]);
    const opened = open(memoryStore({ files }), { scheduler: clock });
    if ('error' in opened) throw opened.error;
    expect(opened.wal.recovery).toMatchObject({ firstLsn: 5, lastLsn: 4, segments: 1, checkpoint: { lsn: 4 } });
    expect(appended(opened.wal, clock, Buffer.from('on')).values).toEqual([{ lsn: 5, durable: true }]);
  });

  it('is left as it is where it is damaged', () => {
    const files = filesOf(join(oldHeader, r(1), spoilt(r(2), 13), m(2)));
    const store = memoryStore({ files });
    expect(open(store)).toMatchObject({ error: expect.any(WalCorruptError) });
    expect([...store.snapshot()]).toEqual([...files]);
  });
});

describe('salvage of groups', () => {
  const salvaged = (files: Files): { read: string[]; gaps: Gap[] } => {
    const gaps: Gap[] = [];
    const { values, error } = collect(
      readWal(memoryStore({ files }), { ...RAW, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }),
    );
    expect(error).toBeUndefined();
    return { read: texts(values), gaps };
  };

  it('loses a group as a whole, and finds the one behind it', () => {
    const files = filesOf(join(header, r(1), spoilt(g(2, 'a', 'b')), g(4, 'c', 'd', 'e'), r(7), m(7)));
    expect(refusalOfFiles(files)).toBeInstanceOf(WalCorruptError);
    const { read, gaps } = salvaged(files);
    expect(read).toEqual(['1 r', '4 c', '5 d', '6 e', '7 r']);
    expect(gaps).toMatchObject([{ offset: 49, bytes: 30, firstLsn: 2, lastLsn: 3 }]);
  });

  it('a group whose records do not fit it ends nothing', () => {
    const odd = frameBytes('group', 2, join(groupPayload('a', 'b'), [0]), LOG_ID);
    for (const noise of [[], [9]]) {
      const { read, gaps } = salvaged(filesOf(join(header, r(1), odd, noise, g(4, 'c', 'd'), m(5))));
      expect(read).toEqual(['1 r', '4 c', '5 d']);
      expect(gaps).toMatchObject([{ offset: 49, firstLsn: 2, lastLsn: 3 }]);
    }
    // One that is longer than what is read at a time.
    const long = frameBytes('group', 2, join(groupPayload('a'.repeat(5000), 'b'), [0]), LOG_ID);
    const { read } = salvaged(filesOf(join(header, r(1), [9], long, g(4, 'c', 'd'), m(5))));
    expect(read).toEqual(['1 r', '4 c', '5 d']);
  });

  it('shows records of a group that stand once more only once', () => {
    const again = headerBytes({ firstLsn: 3, logId: LOG_ID });
    const files = filesOf(join(header, r(1), g(2, 'a', 'b', 'c')), join(again, g(3, 'x', 'y', 'z'), r(6), m(6)));
    const { read, gaps } = salvaged(files);
    expect(read).toEqual(['1 r', '2 a', '3 b', '4 c', '5 z', '6 r']);
    expect(gaps).toMatchObject([{ firstLsn: 5, lastLsn: 4, reason: 'LSN 3 to 4 stand here once more' }]);
  });

  it('takes no group where the header allows none', () => {
    const { read, gaps } = salvaged(filesOf(join(oldHeader, r(1), g(2, 'a', 'b'), r(2), m(2))));
    expect(read).toEqual(['1 r', '2 r']);
    expect(gaps).toHaveLength(1);
  });

  it('works out the id of a log whose headers are gone from groups too', () => {
    const files = filesOf(join(new Uint8Array(32).fill(1), g(1, 'a', 'b'), g(3, 'c', 'd'), r(5)));
    expect(salvaged(files).read).toEqual(['1 a', '2 b', '3 c', '4 d', '5 r']);
  });

  it('reads a part of a group where only that is wanted', () => {
    const store = memoryStore({ files: filesOf(join(header, g(1, 'a', 'b', 'c'), g(4, 'd', 'e'), m(5))) });
    for (const recovery of ['strict', 'salvage'] as const) {
      const { values } = collect(readWal(store, { ...RAW, recovery, after: 1, until: 4 }));
      expect(texts(values)).toEqual(['2 b', '3 c', '4 d']);
    }
  });

  it('repair keeps groups whole, and their order, behind a gap', async () => {
    const files = filesOf(join(header, r(1), spoilt(r(2), 13), g(3, 'a', 'b', 'c'), r(6), g(7, 'd', 'e'), m(8)));
    const target = memoryStore();
    const repair = await repairWal(memoryStore({ files }), target);
    expect(repair).toMatchObject({ records: 7, firstLsn: 1, lastLsn: 7, renumbered: [{ lsn: 2, was: 3 }] });
    const made = target.durableSnapshot();
    expect(judge(made).read.records?.map(({ payload }) => Buffer.from(payload, 'hex').toString())).toEqual([
      ...['r', 'a', 'b', 'c', 'r', 'd', 'e'],
    ]);
    const bytes = Buffer.from(made.get(FIRST)!);
    expect(bytes.indexOf(Buffer.from(groupPayload('a', 'b', 'c')))).toBeGreaterThan(0);
    expect(bytes.indexOf(Buffer.from(groupPayload('d', 'e')))).toBeGreaterThan(0);
  });

  it('repair with a snapshot inside a group writes the rest of it as one', async () => {
    const files = filesOf(join(header, r(1), g(2, 'a', 'b', 'c'), m(4)));
    const target = memoryStore();
    const repair = await repairWal(memoryStore({ files }), target, { after: 2 });
    expect(repair).toMatchObject({ records: 2, firstLsn: 3, lastLsn: 4, renumbered: [] });
    const [bytes] = [...target.durableSnapshot()].filter(([name]) => name.startsWith('wal')).map(([, all]) => all);
    expect(Buffer.from(bytes!).indexOf(Buffer.from(groupPayload('b', 'c')))).toBeGreaterThan(0);
  });
});

describe('follow, of groups', () => {
  const followed = (files: Files, after?: number): string[] => {
    const seen: string[] = [];
    const { error } = collect(follow(memoryStore({ files }), { after, live: false }));
    expect(error).toBeUndefined();
    follow(memoryStore({ files }), { after, live: false }).subscribe(({ kind, lsn, buffer, start, end }) => {
      seen.push(`${kind} ${lsn} ${Buffer.from(buffer.subarray(start + 12, end - 4)).toString()}`);
    });
    return seen;
  };

  it('shows each record of a group, from anywhere in it', () => {
    const files = filesOf(join(header, r(1), g(2, 'a', '', 'ccc'), r(5), m(5)));
    expect(followed(files)).toEqual(['record 1 r', 'record 2 a', 'record 3 ', 'record 4 ccc', 'record 5 r']);
    expect(followed(files, 3)).toEqual(['record 4 ccc', 'record 5 r']);
  });

  it('shows a group only when all of it is proven', () => {
    const files = filesOf(join(header, r(1), m(1), g(2, 'a', 'b')));
    expect(followed(files)).toEqual(['record 1 r']);
  });

  it('shows nothing of a group that a checkpoint proves in part only', () => {
    const payload = Buffer.from('a2636c736e036565706f636801', 'hex');
    const meta = join(
      headerBytes({ firstLsn: 4, logId: LOG_ID, flags: 0 }),
      frameBytes('checkpoint', 3, payload, LOG_ID),
    );
    // A mark that says nothing of it stands behind it.
    const files = filesOf(join(header, r(1), m(1), g(2, 'a', 'b', 'c'), m(1)));
    expect(followed(files.set('checkpoint.meta', meta))).toEqual(['record 1 r']);
    const marked = filesOf(join(header, r(1), m(1), g(2, 'a', 'b', 'c'), m(4)));
    expect(followed(marked.set('checkpoint.meta', meta))).toHaveLength(4);
  });

  it('goes over from a segment of an earlier rxwal that ended with a mark', () => {
    const files = filesOf(
      join(oldHeader, r(1)),
      join(headerBytes({ firstLsn: 2, logId: LOG_ID }), g(2, 'a', 'b'), m(3)),
    );
    expect(followed(files)).toEqual(['record 1 r', 'record 2 a', 'record 3 b']);
  });
});
