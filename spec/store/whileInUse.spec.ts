import { defer, throwError, timer, concatMap, of } from 'rxjs';
import { fault, virtualTime } from 'rxwal/testing';
import { whileInUse } from '../../src/store/whileInUse';

describe('whileInUse', () => {
  it('tries again while the file is in use, later each time, and hands on what comes then', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const outcomes = ['EBUSY', 'EPERM', 'EACCES', undefined];
      const operation$ = cold('-|');
      const tries$ = defer(() => {
        const code = outcomes.shift();
        return code === undefined ? of('done') : timer(1).pipe(concatMap(() => throwError(() => fault(code))));
      });
      // Three tries of 1 ms; 10, 20 and 40 ms between them.
      expectObservable(tries$.pipe(whileInUse())).toBe('73ms (a|)', { a: 'done' });
      expectObservable(operation$.pipe(whileInUse())).toBe('-|');
      expectSubscriptions(operation$.subscriptions).toBe('^!');
    });
  });

  it('gives up after about two seconds, with the last error', () => {
    virtualTime(({ expectObservable, flush }) => {
      let tries = 0;
      const operation$ = defer(() => throwError(() => fault((tries += 1) < 9 ? 'EBUSY' : 'EPERM')));
      expectObservable(operation$.pipe(whileInUse())).toBe('1910ms #', undefined, fault('EPERM'));
      flush();
      expect(tries).toBe(9);
    });
  });

  it.each(['ENOENT', 'EIO', 'ENOSPC', ''])('hands %p on at once', (code) => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const operation$ = cold('--#', undefined, fault(code));
      expectObservable(operation$.pipe(whileInUse())).toBe('--#', undefined, fault(code));
      expectSubscriptions(operation$.subscriptions).toBe('^-!');
    });
  });

  it('waits for the codes that it is given, and no others', () => {
    virtualTime(({ cold, expectObservable }) => {
      expectObservable(cold('#', undefined, fault('EPERM')).pipe(whileInUse(['EBUSY']))).toBe(
        '#',
        undefined,
        fault('EPERM'),
      );
    });
  });

  it('stops when nobody waits any more', () => {
    virtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const operation$ = cold('-#', undefined, fault('EBUSY'));
      expectObservable(operation$.pipe(whileInUse()), '^ 14ms !').toBe('-');
      expectSubscriptions(operation$.subscriptions).toBe(['^!', '-----------^!']);
    });
  });
});
