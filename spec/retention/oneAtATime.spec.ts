import { EMPTY, NEVER, Subject, merge, of, throwError } from 'rxjs';
import { virtualTime } from 'rxwal/testing';
import { oneAtATime } from '../../src/retention/oneAtATime';

describe('oneAtATime', () => {
  it('begins each when those before it have ended', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = oneAtATime();
      const a = cold('  --1-|');
      const b = cold('  2-|');
      const subsA = '   ^---!';
      const subsB = '   ----^-!';
      const expectA = ' --1-|';
      const expectB = ' ----2-|';
      expectObservable(turn(a)).toBe(expectA);
      expectObservable(turn(b)).toBe(expectB);
      expectSubscriptions(a.subscriptions).toBe(subsA);
      expectSubscriptions(b.subscriptions).toBe(subsB);
    });
  });

  it('hands on an error, and goes on with the next', () => {
    virtualTime(({ cold, expectObservable }) => {
      const turn = oneAtATime();
      expectObservable(turn(cold('--#'))).toBe('--#');
      expectObservable(turn(cold('1-|'))).toBe('--1-|');
    });
  });

  it('one that is left makes room', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = oneAtATime();
      const a = cold('  ------|');
      const unsub = '   --!';
      const subsA = '   ^-!';
      const expected = '--1|';
      expectObservable(turn(a), unsub).toBe('---');
      expectObservable(turn(cold('1|'))).toBe(expected);
      expectSubscriptions(a.subscriptions).toBe(subsA);
    });
  });

  it('one that is left while it waits is never begun', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const turn = oneAtATime();
      const b = cold('1|');
      expectObservable(turn(cold('---|'))).toBe('---|');
      expectObservable(turn(b), '-!').toBe('--');
      expectObservable(turn(cold('2|'))).toBe('---2|');
      expectSubscriptions(b.subscriptions).toBe([]);
    });
  });

  it('one that never ends lets nothing past it', () => {
    virtualTime(({ expectObservable }) => {
      const turn = oneAtATime();
      expectObservable(turn(NEVER)).toBe('-');
      expectObservable(turn(of(1))).toBe('-');
    });
  });

  it('empty works take no time', () => {
    virtualTime(({ expectObservable }) => {
      const turn = oneAtATime();
      expectObservable(merge(turn(EMPTY), turn(of('a')), turn(EMPTY))).toBe('(a|)');
    });
  });

  it('one that is asked for from within another waits for its end', () => {
    const turn = oneAtATime();
    const order: string[] = [];
    const inner = turn(of('inner'));
    const source$ = new Subject<string>();
    turn(source$).subscribe({
      next: (value) => {
        order.push(value);
        // eslint-disable-next-line rxjs-x/no-nested-subscribe -- that is what it is about
        inner.subscribe((within) => order.push(within));
        order.push('asked');
      },
      complete: () => order.push('end'),
    });
    source$.next('outer');
    source$.complete();
    expect(order).toEqual(['outer', 'asked', 'end', 'inner']);
  });

  it('many that take no time are a loop and no recursion', () => {
    const turn = oneAtATime();
    const gate$ = new Subject<never>();
    let count = 0;
    turn(gate$).subscribe();
    for (let nth = 0; nth < 100_000; nth += 1) turn(of(nth)).subscribe(() => (count += 1));
    gate$.complete();
    expect(count).toBe(100_000);
  });

  it('a work that throws when it is subscribed is an error of its own', () => {
    const turn = oneAtATime();
    const errors: unknown[] = [];
    turn(throwError(() => new Error('no'))).subscribe({ error: (error: unknown) => errors.push(error) });
    turn(of(1)).subscribe((value) => errors.push(value));
    expect(errors).toEqual([new Error('no'), 1]);
  });
});
