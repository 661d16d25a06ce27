import { config } from 'rxjs';
import { WalBackpressureError, WalRecordError, type WalError } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** Errors that RxJS reports because nobody handles them. */
const unhandled: unknown[] = [];
beforeEach(() => {
  unhandled.length = 0;
  config.onUnhandledError = (error: unknown) => unhandled.push(error);
});
afterEach(() => {
  config.onUnhandledError = null;
});

const cycle: { self?: unknown } = {};
cycle.self = cycle;

/** Values that no record can be made of, and the options that say so. */
const refused: [string, unknown, RegExp][] = [
  ['a function', () => 1, /cannot be encoded/],
  ['a function inside', { callback: () => 1 }, /cannot be encoded/],
  ['a symbol', Symbol('s'), /cannot be encoded/],
  ['a value that refers to itself', cycle, /refers to itself/],
  [
    'a getter that throws',
    Object.defineProperty({}, 'x', {
      get: () => {
        throw new Error('no x');
      },
      enumerable: true,
    }),
    /no x/,
  ],
  ['a value that takes more than maxRecordBytes', 'x'.repeat(100), /102 bytes and maxRecordBytes is 50/],
  ['a value on which isCommit throws', 'isCommit throws', /isCommit says no/],
];

const options = {
  maxRecordBytes: 50,
  isCommit: (value: unknown) => {
    if (value === 'isCommit throws') throw new Error('isCommit says no');
    return true;
  },
};

describe.each(refused)('%s', (_, bad, message) => {
  it('fails its own append with WalRecordError', () => {
    const { wal } = memoryWal<unknown>(options);
    const errors: unknown[] = [];
    wal.append(bad).subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.any(WalRecordError)]);
    expect((errors[0] as WalError).message).toMatch(message);
  });

  it('goes to rejected$ with its error, from append and from next', () => {
    const { wal } = memoryWal<unknown>(options);
    const rejected: unknown[] = [];
    wal.rejected$.subscribe((rejection) => rejected.push(rejection));
    void wal.append(bad);
    wal.next(bad);
    const rejection = { value: bad, error: expect.any(WalRecordError) };
    expect(rejected).toEqual([rejection, rejection]);
  });

  it('takes no LSN, and its neighbours are not touched', () => {
    virtualTime(({ expectObservable, flush }) => {
      const { wal } = memoryWal<unknown>({ ...options, plan: marblePlan({ sync: '---|' }) });
      const a$ = wal.append('a');
      void wal.append(bad);
      const b$ = wal.append('b');
      expectObservable(a$).toBe('---(1|)', { 1: { lsn: 1, durable: true } });
      expectObservable(b$).toBe('---(2|)', { 2: { lsn: 2, durable: true } });
      flush();
      const values: unknown[] = [];
      wal.read().subscribe(({ value }) => values.push(value));
      expect(values).toEqual(['a', 'b']);
    });
  });

  it('is an unhandled error where next was given it and nobody listens to rejected$', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<unknown>(options);
      wal.next(bad);
      flush();
      expect(unhandled).toEqual([expect.any(WalRecordError)]);
    });
  });
});

describe('a refusal', () => {
  it('is in the Observable of append for every subscriber, at once and late', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<unknown>();
      const ack$ = wal.append(() => 1);
      const error = expect.any(WalRecordError) as Error;
      const errors: unknown[] = [];
      ack$.subscribe({ error: (cause: unknown) => errors.push(cause) });
      ack$.subscribe({ error: (cause: unknown) => errors.push(cause) });
      expect(errors).toEqual([error, error]);
      expectObservable(wal.acks$).toBe('-');
    });
  });

  it('of append is not reported as unhandled: its Observable has it', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<unknown>();
      wal.append(() => 1).subscribe({ error: () => undefined });
      flush();
      expect(unhandled).toEqual([]);
    });
  });

  it('of next is not reported as unhandled where somebody listens to rejected$', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<unknown>();
      wal.rejected$.subscribe();
      wal.next(() => 1);
      flush();
      expect(unhandled).toEqual([]);
    });
  });

  it('of next does not end the subscription of the log to its events', () => {
    virtualTime(({ hot, expectObservable, flush }) => {
      const { wal } = memoryWal<unknown>();
      wal.rejected$.subscribe();
      hot('                      a-x-b-|', { a: 'a', x: () => 1, b: 'b' }).subscribe(wal);
      expectObservable(wal.durable$).toBe('(01)2-|', [0, 1, 2]);
      flush();
      expect(wal.lastLsn).toBe(2);
    });
  });

  it('for want of room goes to rejected$ too', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---|' }), maxPendingRecords: 1 });
      hot('                         ab--c').subscribe(wal);
      expectObservable(wal.rejected$).toBe('-x', {
        x: { value: 'b', error: new WalBackpressureError('maxPendingRecords', 1, 1) },
      });
      expectObservable(wal.durable$).toBe('0--1---2', [0, 1, 2]);
    });
  });

  it('names the codec where one of its own throws something else', () => {
    const { wal } = memoryWal<string>({
      codec: {
        encode: () => {
          // eslint-disable-next-line @typescript-eslint/only-throw-error -- as a codec of somebody else may
          throw 'no letters today';
        },
        decode: () => '',
      },
    });
    const errors: unknown[] = [];
    wal.append('a').subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.objectContaining({ code: 'WAL_RECORD', cause: 'no letters today' })]);
  });

  it('of isCommit does not say that the value cannot be encoded', () => {
    const { wal } = memoryWal<unknown>(options);
    const errors: unknown[] = [];
    wal.append('isCommit throws').subscribe({ error: (error: unknown) => errors.push(error) });
    expect((errors[0] as WalError).message).not.toMatch(/encode/);
  });
});

describe('rejected$', () => {
  it('has nothing of what was taken', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>();
      hot('a-b-c-|').subscribe(wal);
      expectObservable(wal.rejected$).toBe('------|');
    });
  });
});
