import { Subject, concatMap, of } from 'rxjs';
import { handOnInTurn, inTurn } from '../src/inTurn';
import { virtualTime } from '../src/testing';

describe('inTurn', () => {
  it('runs a task that is handed in by another behind that one', () => {
    const turn = inTurn();
    const done: string[] = [];
    turn(() => {
      turn(() => done.push('inner'));
      done.push('outer');
    });
    expect(done).toEqual(['outer', 'inner']);
  });
});

describe('handOnInTurn', () => {
  it('keeps the time of every notification', () => {
    virtualTime(({ cold, expectObservable }) => {
      expectObservable(cold('-a--b-|').pipe(handOnInTurn(inTurn()))).toBe('-a--b-|');
      expectObservable(cold('-a--#').pipe(handOnInTurn(inTurn()))).toBe('-a--#');
    });
  });

  it('makes a loop of a chain of inner sources that take no time', () => {
    const turn = inTurn();
    const source$ = new Subject<number>();
    let last = 0;
    source$.pipe(concatMap((n) => of(n).pipe(handOnInTurn(turn)))).subscribe((n) => {
      last = n;
      if (n < 50_000) source$.next(n + 1);
    });
    source$.next(1);
    expect(last).toBe(50_000);
  });
});
