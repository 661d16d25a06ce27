import { Observable, Subscription, takeUntil, type MonoTypeOperatorFunction, type Subscriber } from 'rxjs';

/**
 * Ends a source with its subscriber, also one that hands out everything before `subscribe` returns: `subscriber.add` alone would
 * come too late for it. The `complete` that follows reaches a subscriber that is closed already.
 */
export function whileWanted<T>(subscriber: Subscriber<unknown>): MonoTypeOperatorFunction<T> {
  const unwanted$ = new Observable<void>((stop) => {
    const wanted = new Subscription(() => {
      stop.next();
    });
    subscriber.add(wanted);
    // A subscriber may outlive many sources.
    return () => {
      subscriber.remove(wanted);
    };
  });
  return takeUntil(unwanted$);
}
