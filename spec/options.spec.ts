import { Encoder } from 'cbor-x';
import { NEVER, asyncScheduler } from 'rxjs';
import { cborCodec, openWal, readWal, recoverWal, repairWal, type WalOptions } from 'rxwal';
import { memoryStore, memoryWal, powerCuts } from 'rxwal/testing';
import { checkOptions } from '../src/options';

type Bad = [keyof WalOptions<unknown>, unknown, ErrorConstructor, string];

describe('a misspelt option is refused by its name', () => {
  const { wal } = memoryWal<number>();

  it.each<[what: string, call: () => unknown, message: string]>([
    ['read', () => wal.read({ aftr: 5 } as never), 'aftr is no option; there are after, until'],
    [
      'readWal',
      () => readWal(memoryStore(), { aftr: 5 } as never),
      'aftr is no option; there are after, until, recovery',
    ],
  ])('of %s', (_what, call, message) => {
    expect(call).toThrow(TypeError);
    expect(call).toThrow(message);
  });

  it.each<[mark: unknown, message: string]>([
    [1000, 'mark must be an object, not 1000'],
    [{ lns: 1 }, 'lns is no option; there are lsn, epoch, transactionId'],
    [{ lsn: 1n }, 'lsn must be a number, not 1n'],
  ])('of checkpoint: %p, which removes nothing', async (mark, message) => {
    await expect(wal.checkpoint(mark as never)).rejects.toThrow(new TypeError(message));
    expect(wal.lastCheckpoint).toBeUndefined();
  });

  it('of repairWal and powerCuts', async () => {
    await expect(repairWal(memoryStore(), memoryStore(), { aftr: 1 } as never)).rejects.toThrow('aftr is no option');
    await expect(powerCuts({ use: () => undefined, check: () => undefined }, { state: 1 } as never)).rejects.toThrow(
      'state is no option',
    );
    await expect(powerCuts({ use: () => undefined } as never)).rejects.toThrow('a function use and a function check');
  });

  it('and readWal takes the options that the log was opened with', () => {
    expect(() =>
      readWal(memoryStore(), { durability: { mode: 'nosync' }, preallocateBytes: 0 } as never),
    ).not.toThrow();
  });
});

describe('the defaults', () => {
  it('are these', () => {
    expect(checkOptions()).toEqual({
      durability: { mode: 'sync' },
      codec: expect.objectContaining({ encode: expect.any(Function), decode: expect.any(Function) }),
      maxSegmentBytes: 67_108_864,
      maxRecordBytes: 16_777_216,
      maxPendingBytes: 67_108_864,
      maxPendingRecords: 1_048_576,
      preallocateBytes: 262_144,
      isCommit: undefined,
      shutdown$: undefined,
      scheduler: undefined,
    });
  });

  it('stand in for an option that is undefined', () => {
    const names = Object.keys(checkOptions()) as (keyof WalOptions<unknown>)[];
    const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
    const { codec, ...rest } = checkOptions(nothing);
    expect(checkOptions()).toMatchObject(rest);
    expect(codec).toBeDefined();
  });
});

describe('a good option', () => {
  const codec = cborCodec<unknown>();
  const isCommit = () => true;

  it.each<WalOptions<unknown>>([
    { durability: { mode: 'nosync' } },
    { durability: { mode: 'batch', maxDelayMs: 0, maxRecords: 1 } },
    { durability: { mode: 'batch', maxDelayMs: 0.5, maxRecords: 1000 } },
    { durability: { mode: 'adaptive', targetIntervalMs: 0 } },
    { durability: { mode: 'adaptive', targetIntervalMs: 2_147_483_647 } },
    { isCommit },
    { codec },
    { maxSegmentBytes: 64 },
    { maxRecordBytes: 1 },
    { maxRecordBytes: 1_073_741_823 },
    { maxPendingBytes: 1 },
    { maxPendingRecords: 1 },
    { preallocateBytes: 0 },
    { shutdown$: NEVER },
    { scheduler: asyncScheduler },
  ])('is taken as it is: %o', (options) => {
    expect(checkOptions(options)).toMatchObject(options);
  });

  it('durability is copied: what becomes of the object later does not matter', () => {
    const durability = { mode: 'batch' as const, maxDelayMs: 5, maxRecords: 7 };
    const { wal } = memoryWal({ durability });
    durability.maxDelayMs = 99;
    expect(wal.durability).toEqual({ mode: 'batch', maxDelayMs: 5, maxRecords: 7 });
  });
});

const modes = "durability.mode must be 'sync', 'batch', 'adaptive' or 'nosync'";
const bad: Bad[] = [
  ['durability', { mode: 'fast' }, TypeError, `${modes}, not 'fast'`],
  ['durability', {}, TypeError, `${modes}, not undefined`],
  ['durability', { mode: 'batch' }, TypeError, 'durability.maxDelayMs must be a number of milliseconds, not undefined'],
  [
    'durability',
    { mode: 'batch', maxDelayMs: '10', maxRecords: 1 },
    TypeError,
    "durability.maxDelayMs must be a number of milliseconds, not '10'",
  ],
  [
    'durability',
    { mode: 'batch', maxDelayMs: -1, maxRecords: 1 },
    RangeError,
    'durability.maxDelayMs must be from 0 to 2147483647 milliseconds, not -1',
  ],
  [
    'durability',
    { mode: 'batch', maxDelayMs: NaN, maxRecords: 1 },
    RangeError,
    'durability.maxDelayMs must be from 0 to 2147483647 milliseconds, not NaN',
  ],
  [
    'durability',
    { mode: 'batch', maxDelayMs: Infinity, maxRecords: 1 },
    RangeError,
    'durability.maxDelayMs must be from 0 to 2147483647 milliseconds, not Infinity',
  ],
  ['durability', { mode: 'batch', maxDelayMs: 1 }, TypeError, 'durability.maxRecords must be a number, not undefined'],
  [
    'durability',
    { mode: 'batch', maxDelayMs: 1, maxRecords: 0 },
    RangeError,
    'durability.maxRecords must be an integer of at least 1, not 0',
  ],
  [
    'durability',
    { mode: 'batch', maxDelayMs: 1, maxRecords: 1.5 },
    RangeError,
    'durability.maxRecords must be an integer of at least 1, not 1.5',
  ],
  [
    'durability',
    { mode: 'adaptive' },
    TypeError,
    'durability.targetIntervalMs must be a number of milliseconds, not undefined',
  ],
  [
    'durability',
    { mode: 'adaptive', targetIntervalMs: 2_147_483_648 },
    RangeError,
    'durability.targetIntervalMs must be from 0 to 2147483647 milliseconds, not 2147483648',
  ],
  ['isCommit', true, TypeError, 'isCommit must be a function, not true'],
  ['isCommit', null, TypeError, 'isCommit must be a function, not null'],
  ['codec', 'cbor', TypeError, "codec must be an object with encode and decode, not 'cbor'"],
  ['codec', {}, TypeError, 'codec must be an object with encode and decode, not object'],
  ['codec', { encode: () => Buffer.of() }, TypeError, 'codec must be an object with encode and decode, not object'],
  ['maxSegmentBytes', 63, RangeError, 'maxSegmentBytes must be an integer of at least 64, not 63'],
  ['maxSegmentBytes', '1MB', TypeError, "maxSegmentBytes must be a number, not '1MB'"],
  ['maxSegmentBytes', 10n, TypeError, 'maxSegmentBytes must be a number, not 10n'],
  ['maxSegmentBytes', Infinity, RangeError, 'maxSegmentBytes must be an integer of at least 64, not Infinity'],
  ['maxRecordBytes', 0, RangeError, 'maxRecordBytes must be an integer from 1 to 1073741823, not 0'],
  ['maxRecordBytes', 2 ** 30, RangeError, 'maxRecordBytes must be an integer from 1 to 1073741823, not 1073741824'],
  ['maxPendingBytes', 0, RangeError, 'maxPendingBytes must be an integer of at least 1, not 0'],
  ['maxPendingBytes', {}, TypeError, 'maxPendingBytes must be a number, not object'],
  ['maxPendingRecords', NaN, RangeError, 'maxPendingRecords must be an integer of at least 1, not NaN'],
  [
    'maxPendingRecords',
    2 ** 53,
    RangeError,
    'maxPendingRecords must be an integer of at least 1, not 9007199254740992',
  ],
  ['preallocateBytes', -1, RangeError, 'preallocateBytes must be an integer of at least 0, not -1'],
  ['preallocateBytes', false, TypeError, 'preallocateBytes must be a number, not false'],
  ['shutdown$', 5, TypeError, 'shutdown$ must be an Observable, not 5'],
  ['shutdown$', {}, TypeError, 'shutdown$ must be an Observable, not object'],
  ['shutdown$', null, TypeError, 'shutdown$ must be an Observable, not null'],
];

describe('a bad option', () => {
  it.each(bad)('%s: %p is refused, with its name and the value', (name, value, type, message) => {
    expect(() => recoverWal(memoryStore(), { [name]: value })).toThrow(new type(message));
  });

  it.each([
    ['sync', "'sync'"],
    [5, '5'],
    [true, 'true'],
  ])('durability: %p is a TypeError that names it and the value', (value, shown) => {
    const open = () => recoverWal(memoryStore(), { durability: value as never });
    expect(open).toThrow(TypeError);
    expect(open).toThrow(new RegExp(`^durability must be .*, not ${shown}$`));
  });

  it.each([5, {}, 'async'])('scheduler: %p is a TypeError that names it', (value) => {
    const open = () => recoverWal(memoryStore(), { scheduler: value as never });
    expect(open).toThrow(TypeError);
    expect(open).toThrow(/^scheduler must be/);
  });

  it('rejects the promise of openWal, before the disk is touched', async () => {
    await expect(openWal('/no/such/place', { maxPendingRecords: 0 })).rejects.toThrow(
      new RangeError('maxPendingRecords must be an integer of at least 1, not 0'),
    );
  });

  it('takes no lock', () => {
    const store = memoryStore();
    expect(() => recoverWal(store, { maxSegmentBytes: 1 })).toThrow(RangeError);
    expect(store.operations).toEqual([]);
  });
});

describe('dir', () => {
  it.each([
    ['', '""'],
    [undefined, 'undefined'],
    [5, '5'],
    [null, 'null'],
  ])('of %p rejects the promise of openWal', async (dir, shown) => {
    await expect(openWal(dir as string)).rejects.toThrow(new TypeError(`dir must be a path, not ${shown}`));
  });
});

describe('a codec that remembers', () => {
  it('is refused: an Encoder of cbor-x with structures', () => {
    expect(() => recoverWal(memoryStore(), { codec: new Encoder({ structures: [] }) })).toThrow(
      new TypeError(
        'codec keeps a dictionary (structures, sequential), and every record of a log must decode alone: use cborCodec(options)',
      ),
    );
  });

  it('is refused: an Encoder of cbor-x that is sequential', () => {
    expect(() => recoverWal(memoryStore(), { codec: new Encoder({ sequential: true }) })).toThrow(TypeError);
  });

  it('is refused as options of cborCodec, too', () => {
    expect(() => cborCodec({ structures: [] })).toThrow(TypeError);
  });
});

describe('options of a read', () => {
  const { wal } = memoryWal();

  it.each([
    [{ after: -1 }, new RangeError('after must be an integer of at least 0, not -1')],
    [{ after: 1.5 }, new RangeError('after must be an integer of at least 0, not 1.5')],
    [{ after: '1' as never }, new TypeError("after must be a number, not '1'")],
    [{ until: -1 }, new RangeError('until must be an integer of at least 0, not -1')],
    [{ until: NaN }, new RangeError('until must be an integer of at least 0, not NaN')],
  ])('%o throws at once, for an open log and for readWal', (options, error) => {
    expect(() => wal.read(options)).toThrow(error);
    expect(() => readWal(memoryStore(), options)).toThrow(error);
  });

  it('until may be Infinity', () => {
    expect(() => wal.read({ until: Infinity })).not.toThrow();
  });
});
