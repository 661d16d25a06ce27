import fc from 'fast-check';
import { Subject, from, tap, toArray } from 'rxjs';
import { WalOpenTransactionsError } from '../../src/errors';
import { committed, type CommittedOptions, type TransactionId } from '../../src/operators/committed';
import type { Entry } from '../../src/types';
import { collect } from '../support/logs';
import { expectPicture } from './helpers';

/** A record of a log of somebody's own. */
interface Step {
  readonly is: 'change' | 'commit' | 'abort' | 'reset';
  readonly of?: TransactionId | undefined;
}

const BY_ID: CommittedOptions<Step> = {
  isReset: ({ is }) => is === 'reset',
  isCommit: ({ is }) => is === 'commit',
  isAbort: ({ is }) => is === 'abort',
  transactionOf: (step) => step.of,
};

const letters: Record<string, Step> = {
  // Transaction 1.
  a: { is: 'change', of: 1 },
  b: { is: 'change', of: 1 },
  C: { is: 'commit', of: 1 },
  X: { is: 'abort', of: 1 },
  // Transaction 2.
  d: { is: 'change', of: 2 },
  e: { is: 'change', of: 2 },
  F: { is: 'commit', of: 2 },
  Y: { is: 'abort', of: 2 },
  // None.
  p: { is: 'change' },
  q: { is: 'change' },
  K: { is: 'reset' },
};
const entries = Object.fromEntries(
  Object.entries(letters).map(([letter, value], index): [string, Entry<Step>] => [letter, { lsn: index + 1, value }]),
);

const lettersOf = (word: string): Entry<Step>[] => Array.from(word, (letter) => entries[letter]!);

interface Case {
  readonly source: string;
  readonly subs?: string;
  readonly unsub?: string;
  readonly expected: string;
  readonly failure?: unknown;
}

function expectById(picture: Case, options: Partial<CommittedOptions<Step>> = {}): void {
  expectPicture(committed({ ...BY_ID, ...options }), { ...picture, values: entries, results: entries });
}

describe('committed, by transaction', () => {
  it('lets each transaction out at its own commit, and what belongs to none at once', () => {
    expectById({
      source: '  -a-d-b-p-C---e-F-------d-Y-|',
      subs: '    ^--------------------------!',
      expected: '-------p-(abC)-(deF)-------|',
    });
  });

  it('holds no transaction back for another one that is open', () => {
    expectById({
      source: '  -a-d-F-----',
      expected: '-----(dF)--',
    });
  });

  it('drops at an abort the records of that transaction, and the abort itself', () => {
    expectById({
      source: '  -a-d-Y-b-C----F-|',
      expected: '---------(abC)F-|',
    });
  });

  it('drops at a reset all that are open, and keeps the reset', () => {
    expectById({
      source: '  -a-d-K-C-F-|',
      expected: '-----K-C-F-|',
    });
  });

  it('lets out a commit that commits nothing; an abort of nothing is nothing', () => {
    expectById({
      source: '  -C-Y-C-|',
      expected: '-C---C-|',
    });
  });

  it('begins a transaction anew where its id comes again', () => {
    expectById({
      source: '  -a-C---b-X-b-C---|',
      expected: '---(aC)------(bC)|',
    });
  });

  it('drops at the end, and at an error, those that are still open', () => {
    expectById({ source: '-a-d-p-|', subs: '^------!', expected: '-----p-|' });
    expectById({ source: '-a-d-p-#', subs: '^------!', expected: '-----p-#' });
  });

  it('is empty where its source is, and never ends where its source never does', () => {
    expectById({ source: '|', subs: '(^!)', expected: '|' });
    expectById({ source: '-', subs: '^', expected: '-' });
  });

  it('leaves its source when it is left', () => {
    expectById({
      source: '  -a-C----b-C-',
      subs: '    ^------!',
      expected: '---(aC)',
      unsub: '   -------!',
    });
  });

  it('is one transaction at a time where nothing names one', () => {
    expectById(
      { source: '-a-d-p-C-----b-Y-e-F---|', expected: '-------(adpC)------(eF)|' },
      { transactionOf: undefined },
    );
  });

  it('knows neither abort nor reset where it is not told of any', () => {
    expectById({ source: '-a-X-C-----|', expected: '-----(aXC)-|' }, { isAbort: undefined });
    expectById({ source: '-a-K-C---|', expected: '---K-(aC)|' }, { isReset: undefined });
  });

  it('keeps the order of what is pushed in while a transaction is on its way out', () => {
    const source$ = new Subject<Entry<Step>>();
    const seen: unknown[] = [];
    source$.pipe(committed(BY_ID)).subscribe((entry) => {
      seen.push(entry);
      if (entry === entries['a']) lettersOf('pdF').forEach((each) => source$.next(each));
    });
    lettersOf('abC').forEach((each) => source$.next(each));
    expect(seen).toEqual(lettersOf('abCpdF'));
  });

  it('begins anew for each subscriber', () => {
    const operator = committed(BY_ID);
    const source$ = from(lettersOf('aC'));
    for (let subscriber = 0; subscriber < 2; subscriber += 1) {
      expect(collect(source$.pipe(operator)).values).toEqual([entries['a'], entries['C']]);
    }
  });

  it('hands on what a callback throws', () => {
    const failure = new Error('no');
    const fails = (): never => {
      throw failure;
    };
    for (const name of ['isReset', 'isCommit', 'isAbort', 'transactionOf'] as const) {
      expectById({ source: '-a-', subs: '^!', expected: '-#', failure }, { [name]: fails });
    }
  });
});

describe('what names no transaction', () => {
  const failure = (what: string, lsn: number): TypeError =>
    new TypeError(`transactionOf gave no id for the ${what} at LSN ${lsn}`);

  it('is an error at a commit and at an abort: it would be lost without a word', () => {
    const transactionOf = ({ is, of }: Step): TransactionId | undefined => (is === 'change' ? of : undefined);
    expectById({ source: '-a-C-|', subs: '^--!', expected: '---#', failure: failure('commit', 3) }, { transactionOf });
    expectById({ source: '-a-X-|', subs: '^--!', expected: '---#', failure: failure('abort', 4) }, { transactionOf });
  });

  it.each([
    [{ id: 1 }, 'object'],
    [null, 'null'],
    [true, 'boolean'],
    [Symbol('id'), 'symbol'],
  ])('is an error where it is no id: %p', (id, shown) => {
    const message = `transactionOf must give a string, a number, a bigint or undefined, not ${shown} (LSN 1)`;
    expectById(
      { source: '-a-', expected: '-#', failure: new TypeError(message) },
      { transactionOf: () => id as unknown as TransactionId },
    );
  });
});

describe('maxOpenRecords', () => {
  it('is what may be held for all transactions; one more is an error that names the oldest', () => {
    const failure = new WalOpenTransactionsError(2, 2, 2, { id: 1, firstLsn: 1 });
    expectById({ source: '-a-d-b-', subs: '^----!', expected: '-----#', failure }, { maxOpenRecords: 2 });
  });

  it('is not touched by what has been let go of', () => {
    expectById({ source: '-a-d-C---b-e-X-K-a-p-b-|', expected: '-----(aC)------K---p---|' }, { maxOpenRecords: 3 });
  });

  it('holds without ids, too, and then names none', () => {
    const { error } = collect(
      from([entries['a']!, entries['b']!]).pipe(
        committed<Step>({ isCommit: () => false, maxOpenRecords: 1 }),
        toArray(),
      ),
    );
    expect(error).toMatchObject({ limit: 1, lsn: 2, transactions: 1, oldest: { firstLsn: 1 } });
    expect((error as WalOpenTransactionsError).oldest).not.toHaveProperty('id');
  });
});

describe('options of committed', () => {
  const isCommit = (): boolean => true;

  it.each([
    [{}, new TypeError('isCommit must be a function, not undefined')],
    [null, new TypeError('options must be an object, not null')],
    [{ isCommit: 'commit' }, new TypeError("isCommit must be a function, not 'commit'")],
    [{ isCommit, isAbort: 1 }, new TypeError('isAbort must be a function, not 1')],
    [{ isCommit, isReset: null }, new TypeError('isReset must be a function, not null')],
    [{ isCommit, transactionOf: 'id' }, new TypeError("transactionOf must be a function, not 'id'")],
    [{ isCommit, maxOpenRecords: 0 }, new RangeError('maxOpenRecords must be an integer of at least 1, not 0')],
    [{ isCommit, maxOpenRecords: '1' }, new TypeError("maxOpenRecords must be a number, not '1'")],
    [
      { isCommit, isRollback: isCommit },
      new TypeError('isRollback is no option; there are isReset, isCommit, isAbort, transactionOf, maxOpenRecords'),
    ],
  ])('%o throws at once', (options, error) => {
    expect(() => committed(options as unknown as CommittedOptions<Step>)).toThrow(error);
  });

  it('are looked at once: what is changed later changes nothing', () => {
    const options = { ...BY_ID, isCommit: ({ is }: Step) => is === 'commit' };
    const operator = committed(options);
    options.isCommit = () => false;
    expect(collect(from([entries['C']!]).pipe(operator)).values).toEqual([entries['C']]);
  });
});

/**
 * The model: a record comes out where the first thing behind it that ends its transaction is a commit, at that commit. Written for what it
 * says and not for speed: it looks at the whole log for each entry.
 */
function model(log: readonly Entry<Step>[]): Entry<Step>[] {
  const endOf = ({ lsn, value }: Entry<Step>): Entry<Step> | undefined =>
    log.find(
      (later) =>
        later.lsn > lsn && (later.value.is === 'reset' || (later.value.is !== 'change' && later.value.of === value.of)),
    );
  return log.flatMap((entry) => {
    if (entry.value.is === 'abort') return [];
    if (entry.value.is === 'change') return entry.value.of === undefined ? [entry] : [];
    if (entry.value.is === 'reset') return [entry];
    const mine = log.filter(
      (record) => record.value.is === 'change' && record.value.of !== undefined && endOf(record) === entry,
    );
    return [...mine, entry];
  });
}

describe('committed, held against the model', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ is: fc.constant('change' as const), of: fc.constantFrom(undefined, 1, 2n, 'x', '') }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        is: fc.constantFrom('commit' as const, 'abort' as const),
        of: fc.constantFrom(1, 2n, 'x', ''),
      }),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ is: 'reset' }) },
  );

  it('gives what the model gives for any log, whole or cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const log = steps.map((value, index): Entry<Step> => ({ lsn: index + 1, value }));
        expect(collect(from(log).pipe(committed(BY_ID))).values).toEqual(model(log));
      }),
      { numRuns: 500 },
    );
  });

  it('holds as many records as the model has open, and fails at the first that is one more', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (steps, maxOpenRecords) => {
        const log = steps.map((value, index): Entry<Step> => ({ lsn: index + 1, value }));
        const openAt = (length: number): number => {
          const prefix = log.slice(0, length);
          const ended = (id: TransactionId | undefined, lsn: number): boolean =>
            prefix.some(
              ({ lsn: later, value: { is, of } }) => later > lsn && (is === 'reset' || (is !== 'change' && of === id)),
            );
          return prefix.filter(({ lsn, value: { is, of } }) => is === 'change' && of !== undefined && !ended(of, lsn))
            .length;
        };
        const tooMany = log.find((_entry, index) => openAt(index + 1) > maxOpenRecords);
        let taken = 0;
        const { error } = collect(
          from(log).pipe(
            tap(() => (taken += 1)),
            committed({ ...BY_ID, maxOpenRecords }),
          ),
        );
        expect((error as WalOpenTransactionsError | undefined)?.lsn).toBe(tooMany?.lsn);
        expect(taken).toBe(tooMany?.lsn ?? log.length);
      }),
      { numRuns: 500 },
    );
  });
});
