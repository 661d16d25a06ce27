import { EMPTY, NEVER, Observable, defer, of, take, throwError } from 'rxjs';
import { virtualTime } from 'rxwal/testing';
import { whileMore } from '../src/whileMore';
import { collect } from './support/logs';

describe('whileMore', () => {
  it('subscribes again when the source completes, for as long as there is more', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('        -a-|      ');
      let left = 3;
      const more = (): boolean => (left -= 1) > 0;
      expectObservable(source.pipe(whileMore(more))).toBe('-a--a--a-|');
      expectSubscriptions(source.subscriptions).toBe(['^--!', '---^--!', '------^--!']);
    });
  });

  it('of nothing, of what never ends, of what fails', () => {
    virtualTime(({ cold, expectObservable }) => {
      expectObservable(EMPTY.pipe(whileMore(() => false))).toBe('|');
      expectObservable(NEVER.pipe(whileMore(() => true))).toBe('-');
      expectObservable(cold('-a#').pipe(whileMore(() => true))).toBe('-a#');
    });
  });

  it('lets go of the source when nobody is left', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('                                   -a-|');
      expectObservable(source.pipe(whileMore(() => true)), '  ^---!').toBe('-a--');
      expectSubscriptions(source.subscriptions).toBe(['        ^--!', '---^!']);
    });
  });

  it('is a loop and no recursion where the source takes no time', () => {
    let left = 100_000;
    const source = defer(() => of(left));
    const { values, error, done } = collect(source.pipe(whileMore(() => (left -= 1) > 0)));
    expect([values.length, error, done]).toEqual([100_000, undefined, true]);
  });

  it('what `more` throws is an error', () => {
    const more = (): boolean => {
      throw new Error('no');
    };
    expect(collect(of(1).pipe(whileMore(more))).error).toEqual(new Error('no'));
    const bad = new Error('bad');
    expect(collect(throwError(() => bad).pipe(whileMore(more))).error).toBe(bad);
  });

  it('stops a source that takes no time when nobody wants more', () => {
    let asked = 0;
    const source = new Observable<number>((subscriber) => {
      for (; !subscriber.closed && asked < 100; asked += 1) subscriber.next(asked);
    });
    expect(
      collect(
        source.pipe(
          whileMore(() => true),
          take(2),
        ),
      ).values,
    ).toEqual([0, 1]);
    expect(asked).toBeLessThan(3);
  });

  it('stops in the middle of what takes no time', () => {
    let rounds = 0;
    const source = new Observable<number>((subscriber) => {
      rounds += 1;
      subscriber.next(rounds);
      subscriber.complete();
    });
    const seen: number[] = [];
    const subscription = source.pipe(whileMore(() => rounds < 50)).subscribe((value) => {
      seen.push(value);
      if (value === 3) rounds = 50;
    });
    subscription.unsubscribe();
    expect(seen).toEqual([1, 2, 3]);
  });
});
