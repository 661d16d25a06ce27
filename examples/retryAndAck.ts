// #region retryAndAck-code
import {
  catchError,
  connect,
  defaultIfEmpty,
  defer,
  map,
  merge,
  mergeMap,
  of,
  retry,
  skip,
  take,
  takeUntil,
  throwError,
  timer,
  type MonoTypeOperatorFunction,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { WalBackpressureError, WalPoisonedError, type Wal } from 'rxwal';

interface Order {
  readonly id: number;
}

/** Emits at the next ack, or at the end of the log, whichever way that ends: the append itself says best what has become of it. */
const nextAckOrEnd = (wal: Wal<Order>): Observable<unknown> =>
  wal.durable$.pipe(
    skip(1),
    catchError(() => of('stopped')),
    defaultIfEmpty('closed'),
    take(1),
  );

/** Appends; where too much is waiting for the disk, again when it has taken something. Any other refusal is final. */
const appendPatiently = (wal: Wal<Order>, order: Order): Observable<string> =>
  defer(() => wal.append(order)).pipe(
    retry({
      delay: (refusal: unknown) =>
        refusal instanceof WalBackpressureError ? nextAckOrEnd(wal) : throwError(() => refusal),
    }),
    map(({ lsn }) => `order ${order.id} is record ${lsn}`),
  );

/** Says so where an answer takes longer than `ms` milliseconds, and waits on: an append cannot be taken back. */
const noticeAfter = (ms: number, notice: string): MonoTypeOperatorFunction<string> =>
  connect((answer$) =>
    merge(
      answer$,
      timer(ms).pipe(
        map(() => notice),
        takeUntil(answer$),
      ),
    ),
  );

/** Confirms orders, each once it cannot be lost any more. Eight of them at most wait for the disk or for their turn. */
const confirm = (wal: Wal<Order>): OperatorFunction<Order, string> =>
  mergeMap((order) => appendPatiently(wal, order).pipe(noticeAfter(5, `order ${order.id} takes longer`)), 8);
// #endregion retryAndAck-code

// #region retryAndAck-backpressure
import { fault, marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

function waitsForItsTurn(): void {
  virtualTime(({ hot, expectObservable }) => {
    // One record may wait, and an fsync takes 2 ms. All three orders come at once.
    const { wal } = memoryWal<Order>({ maxPendingRecords: 1, plan: marblePlan({ sync: '--|' }) });
    const orders$ = hot<Order>('--(abc)', { a: { id: 1 }, b: { id: 2 }, c: { id: 3 } });
    const expected = '          ----A-BxC';
    expectObservable(orders$.pipe(confirm(wal))).toBe(expected, {
      A: 'order 1 is record 1',
      B: 'order 2 is record 2',
      x: 'order 3 takes longer',
      C: 'order 3 is record 3',
    });
    // A record that is refused is not there: three orders, three records.
    expectObservable(wal.durable$).toBe('0---1-2-3', [0, 1, 2, 3]);
  });
}
// #endregion retryAndAck-backpressure

// #region retryAndAck-slow
function saysThatTheDiskIsSlow(): void {
  virtualTime(({ hot, expectObservable }) => {
    // The first fsync takes 9 ms. What is appended meanwhile shares the second one, which takes 2.
    const { wal } = memoryWal<Order>({ plan: marblePlan({ sync: ['9ms |', '--|'] }) });
    const orders$ = hot<Order>('-a--b', { a: { id: 1 }, b: { id: 2 } });
    const expected = '          ------x--yA-B';
    expectObservable(orders$.pipe(confirm(wal))).toBe(expected, {
      x: 'order 1 takes longer',
      y: 'order 2 takes longer',
      A: 'order 1 is record 1',
      B: 'order 2 is record 2',
    });
  });
}
// #endregion retryAndAck-slow

// #region retryAndAck-failing
function triesNothingAgainOnABrokenDisk(): void {
  virtualTime(({ hot, expectObservable }) => {
    // The fsync fails after 3 ms, and the log stops. Order 2 was waiting for its turn.
    const { wal, store } = memoryWal<Order>({ maxPendingRecords: 1, plan: marblePlan({ sync: '---#' }, fault('EIO')) });
    const before = store.operations.length;
    const outcomeOf = (order: Order) =>
      appendPatiently(wal, order).pipe(
        catchError((error: unknown) => of([order.id, error instanceof WalPoisonedError && error.outcome])),
      );
    const orders$ = hot<Order>('-(ab)', { a: { id: 1 }, b: { id: 2 } });
    const expected = '          ----(BA)';
    expectObservable(orders$.pipe(mergeMap(outcomeOf))).toBe(expected, {
      A: [1, 'unknown'],
      B: [2, 'not written'],
    });
    // And no fsync is tried again.
    const fsyncs$ = timer(20).pipe(
      map(() => store.operations.slice(before).filter(({ kind }) => kind === 'sync').length),
    );
    expectObservable(fsyncs$).toBe('20ms (n|)', { n: 1 });
  });
}

function appendsNothingForWhoHasLeft(): void {
  virtualTime(({ hot, expectObservable }) => {
    const { wal } = memoryWal<Order>({ maxPendingRecords: 1, plan: marblePlan({ sync: '---|' }) });
    const orders$ = hot<Order>('--(ab)', { a: { id: 1 }, b: { id: 2 } });
    // Who leaves while order 2 waits for its turn takes it back. Order 1 had been appended, and becomes durable.
    const subscription = '      ^--!';
    expectObservable(orders$.pipe(confirm(wal)), subscription).toBe('-');
    expectObservable(wal.durable$).toBe('0----1-------', [0, 1]);
  });
}
// #endregion retryAndAck-failing

export function main(): Promise<void> {
  // In a spec: it('waits for its turn', waitsForItsTurn), and so on.
  for (const test of [
    waitsForItsTurn,
    saysThatTheDiskIsSlow,
    triesNothingAgainOnABrokenDisk,
    appendsNothingForWhoHasLeft,
  ]) {
    test();
    console.log(`passed: ${test.name}`);
  }
  return Promise.resolve();
}

if (require.main === module) void main();
