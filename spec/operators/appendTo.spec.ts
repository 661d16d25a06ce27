import { NEVER, Subject, of, take, throwError, type Observable } from 'rxjs';
import { WalPoisonedError, WalRecordError } from '../../src/errors';
import { appendTo } from '../../src/operators/appendTo';
import { rawCodec } from '../../src/codec/rawCodec';
import { fault, marblePlan } from '../../src/testing/marblePlan';
import { memoryWal } from '../../src/testing/memoryWal';
import { virtualTime } from '../../src/testing/virtualTime';
import type { Ack, Codec, Entry } from '../../src/types';
import { bytesOf, expectPicture, synchronousSource, textOf } from './helpers';

/** Letters; refuses x. */
const codec: Codec<string> = {
  encode: (value) => {
    if (value === 'x') throw new WalRecordError('no x');
    return rawCodec().encode(bytesOf(value));
  },
  decode: textOf,
};

/** A log whose acks come as they are told, and what was appended to it. */
function fakeWal(ack: (lsn: number) => Observable<Ack>): { append(value: string): Observable<Ack>; taken: string[] } {
  const taken: string[] = [];
  return {
    taken,
    append: (value) => {
      taken.push(value);
      return ack(taken.length);
    },
  };
}
const atOnce = (lsn: number): Observable<Ack> => of({ lsn, durable: true });
const refusal = new WalRecordError('no x');
const refusesX = (): { append(value: string): Observable<Ack>; taken: string[] } => {
  const wal = fakeWal(atOnce);
  return {
    taken: wal.taken,
    append: (value) => (value === 'x' ? throwError(() => refusal) : wal.append(value)),
  };
};

const entries = {
  A: { lsn: 1, value: 'a' },
  B: { lsn: 2, value: 'b' },
  C: { lsn: 3, value: 'c' },
};

describe('appendTo', () => {
  it('emits each value again once it is acknowledged, with its LSN', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: '----|' }) });
      const source = hot('   --a-b------------|');
      const subs = '         ^----------------!';
      const expected = '     ------A---B------|';
      expectObservable(source.pipe(appendTo(wal))).toBe(expected, entries);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('keeps the order of values that ride on one commit', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: '-----|' }) });
      const source = hot('   abc-----------|');
      const expected = '     -----A----(BC)|';
      expectObservable(source.pipe(appendTo(wal))).toBe(expected, entries);
    });
  });

  it('waits at the end for the acks that are on their way', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: '-----|' }) });
      const source = hot('   -ab|');
      const subs = '         ^--!';
      const expected = '     ------A----(B|)';
      expectObservable(source.pipe(appendTo(wal))).toBe(expected, entries);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('does not hold up the source: every value is appended as it comes', () => {
    virtualTime(({ hot, cold, expectObservable, expectSubscriptions }) => {
      const acks = [
        cold('                -----(A|)', { A: { lsn: 1, durable: true } }),
        cold('                 -----(B|)', { B: { lsn: 2, durable: true } }),
      ];
      const source = hot('   -ab-------------');
      const first = '        -^----!';
      const second = '       --^----!';
      const expected = '     ------AB--------';
      const wal = fakeWal((lsn) => acks[lsn - 1] ?? NEVER);
      expectObservable(source.pipe(appendTo(wal))).toBe(expected, entries);
      expectSubscriptions(acks[0]!.subscriptions).toBe(first);
      expectSubscriptions(acks[1]!.subscriptions).toBe(second);
    });
  });

  it('emits at once what is acknowledged at once', () => {
    expectPicture(appendTo(fakeWal(atOnce)), {
      source: '  -a-b-(c|)',
      subs: '    ^----!',
      expected: '-A-B-(C|)',
      results: entries,
    });
  });

  it('takes an ack that is not of a durable record for an ack: mode nosync says so', () => {
    expectPicture(appendTo(fakeWal((lsn) => of({ lsn, durable: false }))), {
      source: '  -a-|',
      expected: '-A-|',
      results: entries,
    });
  });

  it('ends with an error at a value that the log refuses, and leaves the source', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec });
      const source = hot('   -a-x-b-|');
      const subs = '         ^--!';
      const expected = '     -A-#';
      expectObservable(source.pipe(appendTo(wal))).toBe(expected, entries, refusal);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('appends nothing behind a value that the log refuses, though a source hands out everything at once', () => {
    const wal = refusesX();
    const seen: unknown[] = [];
    synchronousSource(['a', 'x', 'b', 'c'])
      .source$.pipe(appendTo(wal))
      .subscribe({
        next: (entry) => seen.push(entry),
        error: (error: unknown) => seen.push(error),
      });
    expect(seen).toEqual([entries.A, refusal]);
    expect(wal.taken).toEqual(['a']);
  });

  it('ends with an error when the log stops', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: ['--|', '--#'] }, fault('EIO')) });
      const source = hot('   -a--b----c-|');
      const subs = '         ^-----!';
      const expected = '     ---A--#';
      expectObservable(source.pipe(appendTo(wal))).toBe(
        expected,
        entries,
        new WalPoisonedError(fault('EIO'), 'unknown', 2),
      );
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('ends with what append throws', () => {
    const thrown = new TypeError('not a log');
    expectPicture(
      appendTo<string>({
        append: () => {
          throw thrown;
        },
      }),
      {
        source: '  -a-|',
        subs: '    ^!',
        expected: '-#',
        failure: thrown,
      },
    );
  });

  it('appends a value that is pushed in while another one is on its way out', () => {
    const seen: Entry<string>[] = [];
    virtualTime(({ flush }) => {
      const { wal } = memoryWal({ codec });
      const source$ = new Subject<string>();
      source$.pipe(appendTo(wal)).subscribe((entry) => {
        seen.push(entry);
        if (entry.value === 'a') source$.next('b');
      });
      source$.next('a');
      flush();
      source$.next('c');
      flush();
    });
    expect(seen).toEqual([entries.A, entries.B, entries.C]);
  });

  it('ends when the source ends while the last value is on its way out', () => {
    const source$ = new Subject<string>();
    const seen: string[] = [];
    source$.pipe(appendTo(fakeWal(atOnce))).subscribe({
      next: ({ value }) => {
        seen.push(value);
        source$.complete();
      },
      complete: () => seen.push('end'),
    });
    source$.next('a');
    expect(seen).toEqual(['a', 'end']);
  });

  it("passes its source's error on at once, whatever is still to be acknowledged", () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: '-----|' }) });
      const source = hot('   -a-#');
      const subs = '         ^--!';
      const expected = '     ---#';
      expectObservable(source.pipe(appendTo(wal))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('leaves its source when it is left; what was appended stays appended', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal({ codec, plan: marblePlan({ sync: '-----|' }) });
      const source = hot('   -a-b------');
      const subs = '         ^-!';
      const expected = '     ---';
      const unsub = '        --!';
      const durable = '      0-----1---';
      expectObservable(source.pipe(appendTo(wal)), unsub).toBe(expected);
      expectObservable(wal.durable$).toBe(durable, [0, 1]);
      expectSubscriptions(source.subscriptions).toBe(subs);
    });
  });

  it('asks a source that hands out everything at once for no more than is wanted', () => {
    const wal = fakeWal(atOnce);
    const { source$ } = synchronousSource(['a', 'b', 'c']);
    const seen: Entry<string>[] = [];
    source$.pipe(appendTo(wal), take(1)).subscribe((entry) => seen.push(entry));
    expect(seen).toEqual([entries.A]);
    expect(wal.taken).toEqual(['a']);
  });

  it('is empty where its source is', () => {
    expectPicture(appendTo(fakeWal(atOnce)), { source: '|', subs: '(^!)', expected: '|' });
  });

  it('never ends where its source never does', () => {
    expectPicture(appendTo(fakeWal(atOnce)), { source: '-', subs: '^', expected: '-' });
  });

  it('never ends where an ack never comes', () => {
    expectPicture(appendTo(fakeWal(() => NEVER)), { source: '-a|', subs: '^-!', expected: '---' });
  });
});
