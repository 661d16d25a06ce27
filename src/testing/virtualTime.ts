import { deepStrictEqual } from 'node:assert';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';

/**
 * Runs a marble test in virtual time: `TestScheduler.run` with `assert.deepStrictEqual`, so it works under every test runner. A log
 * on a `memoryStore` that is opened inside takes all its time from there.
 *
 * @example
 * it('acknowledges after the fsync', () => {
 *   virtualTime(({ hot, expectObservable }) => {
 *     const { wal } = memoryWal({ plan: marblePlan({ sync: '---|' }) });
 *     hot('       -a').subscribe(wal);
 *     expectObservable(wal.durable$).toBe('0---1', [0, 1]);
 *   });
 * });
 */
export function virtualTime<R>(test: (helpers: RunHelpers) => R): R {
  const scheduler = new TestScheduler((actual, expected) => {
    deepStrictEqual(actual, expected);
  });
  return scheduler.run(test);
}
