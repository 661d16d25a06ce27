import { WalError, WalRecordError, cborCodec, rawCodec, readWal, recoverWal, repairWal, type Codec } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { checkpointCbor, frameBytes, headerBytes, join, le } from '../support/bytes';
import {
  LOG_ID,
  RAW,
  collect,
  filesOf,
  open,
  segmentBytes,
  segmentFile,
  sameFiles,
  type FrameSpec,
  type Outcome,
} from '../support/logs';
import type { Files } from '../support/reference';
import { CANARY, DANGEROUS_KEYS, head, list, map, nested, poison, tagged, text } from './hostileCbor';
import { complaintsOfValue, pollution } from './innocence';
import { FOREIGN_NAMES, IMPOSSIBLE_NAMES } from './names';
import { watchedStore } from './watchedStore';

/** A log of one record. */
function logOf(payload: Uint8Array): Files {
  return filesOf(segmentBytes(1, [['record', 1, payload]]));
}

/** What `readWal` makes of a record with this payload, and what is wrong with it. */
function decoded(payload: Uint8Array): Outcome<unknown> & { readonly complaints: readonly string[] } {
  const { values, error, done } = collect(readWal<unknown>(memoryStore({ files: logOf(payload) })));
  const complaints = values.flatMap(({ value }) => complaintsOfValue(value, payload.length));
  return { values: values.map(({ value }) => value), error, done, complaints: [...complaints, ...pollution()] };
}

/** How often arrays are turned into text while something is done. */
function joinsDuring(work: () => void): number {
  const join = jest.spyOn(Array.prototype, 'join');
  try {
    work();
    return join.mock.calls.length;
  } finally {
    join.mockRestore();
  }
}

function checkpointFile(lsn: number, payload: Uint8Array): Uint8Array {
  return join(headerBytes({ firstLsn: lsn + 1, logId: LOG_ID }), frameBytes('checkpoint', lsn, payload, LOG_ID));
}

describe('a decoded value reaches no prototype', () => {
  const ways: readonly (readonly [way: string, make: (key: string) => Uint8Array])[] = [
    ['in an object', poison],
    ['in an object of indefinite length', (key) => join([0xbf], text(key), map([CANARY, [0xf5]]), [0xff])],
    ['in a Map', (key) => tagged(259, poison(key))],
    ['in a shared object', (key) => tagged(28, poison(key))],
    ['in an object that shares itself', (key) => tagged(28, map([key, tagged(29, [0])], [CANARY, [0xf5]]))],
    ['in an instance', (key) => tagged(27, list(text(key), poison(key), poison(key)))],
    [
      'in a record with its structure',
      (key) => tagged(0xdfff, list(head(0, 0xe000), list(text(key)), map([CANARY, [0xf5]]))),
    ],
    [
      'in a record of the old kind',
      (key) => tagged(105, list(head(0, 0xe000), list(text(key)), map([CANARY, [0xf5]]))),
    ],
    [
      'in a record whose reader was compiled',
      (key) => {
        const structure = tagged(0xdfff, list(head(0, 0xe000), list(text(key)), map([CANARY, [0xf5]])));
        return list(structure, ...Array.from({ length: 5 }, () => tagged(0xe000, list(map([CANARY, [0xf5]])))));
      },
    ],
    [
      'in what is put together of a prefix',
      (key) => tagged(51, list(list([0]), list([0], poison(key)), list(), tagged(225, poison(key)))),
    ],
  ];
  const cases = ways.flatMap(([way, make]) => DANGEROUS_KEYS.map((key) => [key, way, make(key)] as const));

  it.each(cases)('%s, %s', (_key, _way, payload) => {
    const { values, error, complaints } = decoded(payload);
    expect(complaints).toEqual([]);
    expect(values.length === 1 || error instanceof WalRecordError).toBe(true);
    expect(({} as Record<string, unknown>)[CANARY]).toBeUndefined();
  });

  it('by code in a key of a compiled reader', () => {
    const keys = [`a']:globalThis.${CANARY}=1,['b`, `"];globalThis.${CANARY}=1;//`, `\u2028`, '`${globalThis}`'].map(
      text,
    );
    const values = keys.map(() => [0xf6]);
    const first = tagged(0xdfff, list(head(0, 0xe000), list(...keys), ...values));
    const payload = list(first, ...Array.from({ length: 5 }, () => tagged(0xe000, list(...values))));
    expect(decoded(payload)).toMatchObject({ complaints: [], error: expect.any(WalRecordError) });
    expect(CANARY in globalThis).toBe(false);
  });
});

it('the name of what every object has by birth makes no instance', () => {
  expect(decoded(tagged(27, list(text('constructor'), [1]))).complaints).toEqual([]);
});

it('a repaired log holds what was salvaged when it is opened, where only its frames tell of a checkpoint', async () => {
  const frame: FrameSpec = ['checkpoint', 1, checkpointCbor({ lsn: 1, epoch: 1 })];
  const log = filesOf(segmentBytes(1, [['record', 1, 'a']]), segmentBytes(2, [['mark', 1], frame, ['record', 2, 'b']]));
  const damaged = memoryStore({ files: new Map([...log, ['checkpoint.meta', Uint8Array.of(1)]]) });
  const target = memoryStore();
  const { records } = await repairWal(damaged, target);
  const opened = open(memoryStore({ files: target.snapshot() }));
  const kept = 'error' in opened ? opened.error : opened.wal.recordCount;
  expect({ records, kept }).toEqual({ records: 2, kept: 2 });
});

describe('a record leaves nothing behind for the next one', () => {
  const structure = tagged(0xdfff, list(head(0, 0xe000), list(text('a')), [1]));

  it.each([
    ['one that uses its structure', tagged(0xe000, list([2]))],
    ['one that asks for all structures', tagged(0x5368_7264, [0])],
    ['one that refers to its shared value', tagged(29, [0])],
    ['one that refers to its packed table', tagged(6, [0])],
  ])('%s decodes as it does alone', (_what, second) => {
    const first = list(structure, tagged(28, list([1])), tagged(51, list(list([1]), list(), list(), [1])));
    const outcomeOf = (codec: Codec<unknown>): unknown => {
      try {
        return codec.decode(second);
      } catch (error) {
        return (error as Error).message;
      }
    };
    const codec = cborCodec<unknown>();
    expect(() => codec.decode(first)).toThrow(WalRecordError);
    expect(outcomeOf(codec)).toEqual(outcomeOf(cborCodec()));
  });
});

describe('a payload that lies about its size is a WalRecordError', () => {
  it.each<[string, Uint8Array]>([
    ...[2, 3, 4, 5].flatMap((major): [string, Uint8Array][] => [
      [`major type ${major}, 2^32 - 1`, Uint8Array.from(head(major, 2 ** 32 - 1))],
      [`major type ${major}, 2^63`, Uint8Array.of((major << 5) | 27, 0x80, 0, 0, 0, 0, 0, 0, 0)],
      [`major type ${major}, no end`, Uint8Array.of((major << 5) | 31, 0, 0, 0)],
    ]),
    ['each of many arrays as long as the rest', join(...Array.from({ length: 4000 }, (_, at) => head(4, 4000 - at)))],
    ['a reference to nothing', tagged(29, [5])],
    ['a typed array of half an element', tagged(86, join(head(2, 5), new Uint8Array(5)))],
    ['strings bundled behind the end', tagged(0xdff9, list([0x1a, 0x7f, 0xff, 0xff, 0xff], [0]))],
    ['a bundle before the beginning', tagged(0xdff9, list([0x39, 0xff, 0xff], [0]))],
    ['nothing at all', new Uint8Array(0)],
    ['two values', Uint8Array.of(1, 2)],
  ])('%s', (_what, payload) => {
    const { values, error, complaints } = decoded(payload);
    expect(values).toEqual([]);
    expect(error).toBeInstanceOf(WalRecordError);
    expect(complaints).toEqual([]);
  });

  it.each([
    ['arrays', [0x81]],
    ['objects', [0xa1, 0x61, 0x61]],
    ['arrays without a length', [0x9f]],
    ['tags', [0xc1]],
    ['shared values', [0xd8, 0x1c]],
    ['Maps', [0xd9, 0x01, 0x03, 0xa1, 0x61, 0x61]],
    ['Sets', [0xd9, 0x01, 0x02, 0x81]],
  ])('%s nested 200,000 deep; the next record decodes', (_what, opening) => {
    const { error } = decoded(nested(opening, 200_000));
    expect(error).toBeInstanceOf(WalRecordError);
    expect(decoded(map(['a', [1]])).values).toEqual([{ a: 1 }]);
  });
});

describe('a small payload stays small', () => {
  /** Arrays of two, each of them twice the next: 2^depth leaves in 6 bytes a level. */
  const doubled = (depth: number, level = 0): Uint8Array =>
    tagged(28, level === depth ? list([0], [0]) : list(doubled(depth, level + 1), tagged(29, head(0, level + 1))));

  it.each([
    ['a message', tagged(27, list(text('Error'), doubled(14)))],
    ['a date in text', tagged(0, doubled(14))],
    ['a date in seconds', tagged(1, doubled(14))],
    ['a fraction', tagged(4, list(doubled(14), [1]))],
    ['a pattern', tagged(27, list(text('RegExp'), doubled(14)))],
  ])('shared values that double as %s are not written out', (_what, payload) => {
    let complaints: readonly string[] = [];
    const joins = joinsDuring(() => ({ complaints } = decoded(payload)));
    expect(complaints).toEqual([]);
    expect(joins).toBeLessThanOrEqual(payload.length);
  });

  it('shared values that double in checkpoint.meta are not written out', () => {
    const payload = map(['lsn', [1]], ['epoch', [1]], ['transactionId', tagged(1, doubled(14))]);
    const files = new Map([
      ...filesOf(segmentBytes(1, [['record', 1, 'x']])),
      ['checkpoint.meta', checkpointFile(1, payload)],
    ]);
    const joins = joinsDuring(() => open(memoryStore({ files })));
    expect(joins).toBeLessThanOrEqual(payload.length);
  });

  it('a prefix of a packed table is not repeated', () => {
    const prefix = join(head(4, 2000), new Uint8Array(2000));
    const rump = join(...Array.from({ length: 200 }, () => head(6, 225)), [0x80]);
    const payload = tagged(51, list(list([0]), list([0], prefix), list(), rump));
    expect(decoded(payload).complaints).toEqual([]);
  });
});

describe('a length in a frame is bounded before anything is read for it', () => {
  it.each([2 ** 30 - 1, 2 ** 24, 17, 1])('%d more bytes than there are', (more) => {
    const honest = frameBytes('record', 1, 'payload', LOG_ID);
    const lying = join(le(Math.min(2 ** 30 - 1, 7 + more), 4), honest.subarray(4));
    const files = filesOf(join(segmentBytes(1, []), lying));
    const { store, watch } = watchedStore(files);
    const { values, error } = collect(readWal(store, { codec: rawCodec(), maxRecordBytes: 2 ** 30 - 1 }));
    expect({ values, error, complaints: watch.complaints }).toEqual({ values: [], error: undefined, complaints: [] });
  });

  it('checkpoint.meta of 8 MiB is refused after 4 KiB', () => {
    const files = new Map([
      ['checkpoint.meta', join(checkpointFile(0, checkpointCbor({ lsn: 0, epoch: 0 })), new Uint8Array(2 ** 23))],
    ]);
    const { store, watch } = watchedStore(files);
    expect(collect(readWal(store)).error).toMatchObject({ code: 'WAL_CORRUPT', file: 'checkpoint.meta' });
    expect(watch.complaints).toEqual([]);
  });
});

describe('names', () => {
  const log = segmentBytes(1, [['record', 1, 'x']]);

  it.each([...FOREIGN_NAMES, ...IMPOSSIBLE_NAMES].map((name) => [JSON.stringify(name), name]))(
    '%s is left alone',
    (_shown, name) => {
      const files = new Map([
        [segmentFile(0), log],
        [name, Uint8Array.from(log)],
      ]);
      const { store, memory, watch } = watchedStore(files);
      const [wal] = collect(recoverWal<Uint8Array>(store, RAW)).values;
      wal?.append(Uint8Array.of(1)).subscribe();
      void wal?.rotate();
      void wal?.checkpoint();
      wal?.complete();
      expect(memory.snapshot().get(segmentFile(1))).toBeDefined();
      expect(watch.complaints).toEqual([]);
      expect(memory.snapshot().get(name)).toEqual(Uint8Array.from(log));
    },
  );

  it('a log at the last segment number that has a name keeps what it acknowledges, or refuses', () => {
    const last = 999_999_999_999_999;
    expectNothingLost(new Map([[segmentFile(last), segmentBytes(1, [['mark', 0]])]]));
  });
});

describe('the end of all numbers', () => {
  it.each([0, 1, 2])('a log %d below LSN 2^53 - 1 keeps what it acknowledges, or refuses', (below) => {
    const lsn = Number.MAX_SAFE_INTEGER - 1 - below;
    expectNothingLost(
      new Map([
        [segmentFile(1), segmentBytes(lsn + 1, [['mark', lsn]])],
        ['checkpoint.meta', checkpointFile(lsn, checkpointCbor({ lsn, epoch: 1 }))],
      ]),
    );
  });

  it('a headless segment behind one without a record: what is acknowledged is there, or the log refuses', () => {
    expectNothingLost(
      filesOf(
        segmentBytes(1, [
          ['record', 1, 'x'],
          ['mark', 1],
        ]),
        segmentBytes(2, []),
        new Uint8Array(10),
      ),
    );
  });
});

/** Appends with a rotation in between; every record that was acknowledged is there at the next opening, under its own LSN. */
function expectNothingLost(files: Files): void {
  const store = memoryStore({ files });
  const opened = open(store);
  if ('error' in opened) {
    expect(opened.error).toBeInstanceOf(WalError);
    expect(sameFiles(files, store.snapshot())).toBe(true);
    return;
  }
  const { wal } = opened;
  const { lastLsn } = wal;
  const acks: number[] = [];
  for (let value = 1; value <= 4; value += 1) {
    wal.append(Uint8Array.of(value)).subscribe({ next: ({ lsn }) => acks.push(lsn), error: () => undefined });
    wal.rotate().catch(() => undefined);
  }
  wal.close().catch(() => undefined);
  const { values, error } = collect(readWal(memoryStore({ files: store.snapshot() }), { codec: RAW.codec }));
  expect(error).toBeUndefined();
  const expected = acks.map((_lsn, at) => ({ lsn: lastLsn + 1 + at, value: Uint8Array.of(at + 1) }));
  expect(values.filter(({ lsn }) => lsn > lastLsn)).toEqual(expected);
}
