import { EMPTY, NEVER, concat, ignoreElements, throwError, timer, type Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { MemoryStoreOptions, StoreOperation, StoreOperationKind } from './memoryStore';

/** How operations of one kind go: always so, or the first so, the second so, and the last of them for all that follow. */
export type MarbleTimeline = string | readonly string[];

/**
 * Latencies and faults of a memory store, written as marbles: `|` ends the operation, `#` fails it, a frame before it is a
 * millisecond of virtual time (`'20ms |'` is read too). Kinds that are not named take no time.
 *
 * ```
 * write: '--|'            every write takes 2
 * sync:  ['---|', '--#']  the first fsync takes 3, every later one fails after 2
 * lock:  '-'              never comes back
 * ```
 *
 * @throws TypeError, when the operation comes, for marbles that hold a value.
 * @param failure what a `#` fails with. Default: `fault('EIO')`.
 * @example
 * memoryStore({ plan: marblePlan({ write: '--|', sync: ['---|', '--#'] }, fault('ENOSPC')) })
 */
export function marblePlan(
  timelines: Partial<Record<StoreOperationKind, MarbleTimeline>>,
  failure: unknown = fault('EIO'),
): NonNullable<MemoryStoreOptions['plan']> {
  const seen = new Map<StoreOperationKind, number>();
  return ({ kind }: StoreOperation) => {
    const timeline = timelines[kind];
    if (timeline === undefined) return undefined;
    const nth = seen.get(kind) ?? 0;
    seen.set(kind, nth + 1);
    const marbles = typeof timeline === 'string' ? timeline : timeline[Math.min(nth, timeline.length - 1)];
    return marbles === undefined ? undefined : take(marbles, failure);
  };
}

/** An error as the operating system reports it: `code`, and a message that says that a test asked for it. */
export function fault(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: a fault that the test injected`), { code });
}

/** Lasts as long as the marbles say and ends as they do. */
function take(marbles: string, failure: unknown): Observable<never> {
  const [first] = TestScheduler.parseMarbles(marbles, undefined, failure, false, true);
  if (!first) return NEVER;
  const { frame, notification } = first;
  if (notification.kind === 'N') throw new TypeError(`'${marbles}': an operation has no values, only its end, | or #`);
  const end = notification.kind === 'E' ? throwError(() => failure) : EMPTY;
  return frame === 0 ? end : concat(timer(frame).pipe(ignoreElements()), end);
}
