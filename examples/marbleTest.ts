// #region marbleTest-code
import { catchError, map, mergeMap, of, type OperatorFunction } from 'rxjs';
import type { Wal } from 'rxwal';

interface Order {
  readonly id: number;
}

/** Confirms an order once it cannot be lost any more. */
const confirm = (wal: Wal<Order>): OperatorFunction<Order, string> =>
  mergeMap((order) =>
    wal.append(order).pipe(
      map(() => `order ${order.id} confirmed`),
      catchError(() => of(`order ${order.id} failed`)),
    ),
  );
// #endregion marbleTest-code

// #region marbleTest
import { fault, marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

function confirmsAfterTheFsync(): void {
  virtualTime(({ hot, expectObservable }) => {
    // A write takes 1 ms and an fsync 2; the second fsync finds the disk full.
    const plan = marblePlan({ write: '-|', sync: ['--|', '--#'] }, fault('ENOSPC'));
    const { wal } = memoryWal<Order>({ plan });

    const orders$ = hot<Order>('-a----b', { a: { id: 1 }, b: { id: 2 } });
    const expected = '          ----A----B';
    expectObservable(orders$.pipe(confirm(wal))).toBe(expected, { A: 'order 1 confirmed', B: 'order 2 failed' });
  });
}
// #endregion marbleTest

export function main(): Promise<void> {
  confirmsAfterTheFsync(); // in a spec: it('confirms after the fsync', confirmsAfterTheFsync)
  console.log('passed: confirms after the fsync');
  return Promise.resolve();
}

if (require.main === module) void main();
