import {
  WalBackpressureError,
  WalClosedError,
  WalCorruptError,
  WalError,
  WalIoError,
  WalLockedError,
  WalOpenTransactionsError,
  WalPoisonedError,
  WalRecordError,
  WalTruncatedError,
  WalVersionError,
  type WalErrorCode,
} from 'rxwal';
import { fault } from 'rxwal/testing';

const cause = fault('EIO');

interface Row {
  readonly error: WalError;
  readonly type: new (...args: never[]) => WalError;
  readonly code: WalErrorCode;
  readonly fields: object;
  /** What the message must say: where, why, and what now. */
  readonly says: readonly (string | RegExp)[];
}

const rows: Record<string, Row> = {
  WalCorruptError: {
    error: new WalCorruptError({ file: 'wal_00000003.log', offset: 4096, lsn: 17, reason: 'two and two make five' }),
    type: WalCorruptError,
    code: 'WAL_CORRUPT',
    fields: { file: 'wal_00000003.log', offset: 4096, lsn: 17, reason: 'two and two make five' },
    says: ['wal_00000003.log', 'byte 4096', 'LSN 17', 'two and two make five', 'Nothing was changed'],
  },
  WalPoisonedError: {
    error: new WalPoisonedError(cause, 'unknown', 17),
    type: WalPoisonedError,
    code: 'WAL_POISONED',
    fields: { outcome: 'unknown', lsn: 17, cause },
    says: [cause.message, 'LSN 17', /may or may not/, /Close the log and open it again/],
  },
  WalClosedError: {
    error: new WalClosedError('append'),
    type: WalClosedError,
    code: 'WAL_CLOSED',
    fields: {},
    says: ['append', /closing or closed/, /Open it again/],
  },
  WalLockedError: {
    error: new WalLockedError('/var/lib/app', { pid: 42, host: 'alpha', since: '2026-01-02T03:04:05.000Z' }),
    type: WalLockedError,
    code: 'WAL_LOCKED',
    fields: { dir: '/var/lib/app', holder: { pid: 42, host: 'alpha', since: '2026-01-02T03:04:05.000Z' } },
    says: ['/var/lib/app', 'process 42', 'alpha', '2026-01-02T03:04:05.000Z', /close that one first/],
  },
  WalBackpressureError: {
    error: new WalBackpressureError('maxPendingBytes', 1000, 990),
    type: WalBackpressureError,
    code: 'WAL_BACKPRESSURE',
    fields: { limitName: 'maxPendingBytes', limit: 1000, pending: 990 },
    says: ['990 bytes', 'maxPendingBytes is 1000', /not taken/, /Wait for acks/],
  },
  WalRecordError: {
    error: new WalRecordError('The value cannot be encoded: no', { cause }),
    type: WalRecordError,
    code: 'WAL_RECORD',
    fields: { cause },
    says: ['The value cannot be encoded: no'],
  },
  WalVersionError: {
    error: new WalVersionError('wal_00000003.log', 'format version 2'),
    type: WalVersionError,
    code: 'WAL_VERSION',
    fields: { file: 'wal_00000003.log' },
    says: ['wal_00000003.log', 'format version 2', 'Nothing was changed', /use a version of rxwal that knows it/],
  },
  WalTruncatedError: {
    error: new WalTruncatedError(2, 5),
    type: WalTruncatedError,
    code: 'WAL_TRUNCATED',
    fields: { askedLsn: 2, firstLsn: 5 },
    says: ['LSN 2', /removed by a checkpoint/, 'LSN 5'],
  },
  WalOpenTransactionsError: {
    error: new WalOpenTransactionsError(1000, 1400, 3, { id: 'order 7', firstLsn: 12 }),
    type: WalOpenTransactionsError,
    code: 'WAL_OPEN_TRANSACTIONS',
    fields: { limit: 1000, lsn: 1400, transactions: 3, oldest: { id: 'order 7', firstLsn: 12 } },
    says: ['1000 records', '3 open', 'LSN 1400', "'order 7'", 'LSN 12', /raise maxOpenRecords/],
  },
  WalIoError: {
    error: new WalIoError('Reading', 'wal_00000003.log', cause),
    type: WalIoError,
    code: 'WAL_IO',
    fields: { operation: 'Reading', file: 'wal_00000003.log', cause },
    says: ['Reading wal_00000003.log', cause.message],
  },
};

describe.each(Object.entries(rows))('%s', (name, { error, type, code, fields, says }) => {
  it('is an Error, a WalError and itself', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(WalError);
    expect(error).toBeInstanceOf(type);
    expect(error.name).toBe(name);
  });

  it(`has the code ${code}`, () => {
    expect(error.code).toBe(code);
  });

  it('says in fields what a program needs', () => {
    expect(error).toMatchObject(fields);
  });

  it('says in its message what a person needs', () => {
    for (const part of says) expect(error.message).toMatch(part);
    expect(String(error)).toBe(`${name}: ${error.message}`);
  });
});

describe('the codes', () => {
  it('are these, one for each error', () => {
    const codes = Object.values(rows).map(({ error }) => error.code);
    expect(codes.sort()).toEqual([
      'WAL_BACKPRESSURE',
      'WAL_CLOSED',
      'WAL_CORRUPT',
      'WAL_IO',
      'WAL_LOCKED',
      'WAL_OPEN_TRANSACTIONS',
      'WAL_POISONED',
      'WAL_RECORD',
      'WAL_TRUNCATED',
      'WAL_VERSION',
    ]);
  });
});

describe('an error that knows less', () => {
  it('names no LSN where none can be named', () => {
    const { message } = new WalCorruptError({ file: 'checkpoint.meta', offset: 0, lsn: 0, reason: 'it is not whole' });
    expect(message).toBe('checkpoint.meta is damaged at byte 0: it is not whole. Nothing was changed.');
  });

  it('keeps the cause of damage, where there is one', () => {
    const place = { file: 'wal_00000000.log', offset: 32, lsn: 1, reason: 'no' };
    expect(new WalCorruptError(place, { cause }).cause).toBe(cause);
    expect(new WalCorruptError(place).cause).toBeUndefined();
  });

  it('names another process where the holder of a lock is not known', () => {
    expect(new WalLockedError('/var/lib/app', undefined).message).toMatch('another process');
  });

  it('says that a record was not written, where that is certain', () => {
    const error = new WalPoisonedError(cause, 'not written');
    expect(error.message).toMatch('this record was not written');
    expect(error).toMatchObject({ outcome: 'not written', lsn: 0 });
  });

  it('shows a cause that is no Error as it is', () => {
    expect(new WalPoisonedError('the disk said no', 'unknown').message).toMatch('(the disk said no)');
    expect(new WalIoError('Reading', 'LOCK', 'the disk said no').message).toMatch('the disk said no');
  });
});
