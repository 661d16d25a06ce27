import { EMPTY } from 'rxjs';
import { virtualTime } from '../src/testing';
import { toTheEnd } from '../src/toTheEnd';

describe('toTheEnd', () => {
  it('hands on what comes in time', () => {
    virtualTime(({ cold, expectObservable }) => {
      const undone: string[] = [];
      const source$ = cold('--a-|');
      expectObservable(source$.pipe(toTheEnd((late) => (undone.push(late), EMPTY)))).toBe('--a-|');
    });
  });

  it('lets a source that nobody waits for run to its end, and gives what comes then to undo', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const undone: string[] = [];
      const source$ = cold('              ----a|');
      const unsubscribed = '              --!   ';
      const expected = '                  ---   ';
      expectObservable(source$.pipe(toTheEnd((late) => (undone.push(late), EMPTY))), unsubscribed).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe('^----!');
      flush();
      expect(undone).toEqual(['a']);
    });
  });

  it('hands on a failure', () => {
    virtualTime(({ cold, expectObservable }) => {
      expectObservable(cold('--#').pipe(toTheEnd(() => EMPTY))).toBe('--#');
    });
  });
});
