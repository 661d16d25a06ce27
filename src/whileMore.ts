import { Observable, type MonoTypeOperatorFunction, type Subscription } from 'rxjs';
import { whileWanted } from './whileWanted';

/**
 * Subscribes again each time the source completes, for as long as there is more to do.
 *
 * ```
 * source:                  -a|  -b|  -c|
 * more():                     yes  yes  no
 * whileMore(more):         -a---b----c|
 * ```
 *
 * Written out: `repeat` and `expand` go one level deeper into the stack each time where the source takes no time.
 */
export function whileMore<T>(more: () => boolean): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      let current: Subscription | undefined;
      let running = false;
      let again = true;
      const run = (): void => {
        if (running) return;
        running = true;
        while (again && !subscriber.closed) {
          again = false;
          current?.unsubscribe();
          current = source.pipe(whileWanted(subscriber)).subscribe({
            next: (value) => {
              subscriber.next(value);
            },
            error: (error: unknown) => {
              subscriber.error(error);
            },
            complete: () => {
              let isMore: boolean;
              try {
                isMore = more();
              } catch (error) {
                subscriber.error(error);
                return;
              }
              if (!isMore) {
                subscriber.complete();
                return;
              }
              again = true;
              run();
            },
          });
        }
        running = false;
      };
      run();
      return () => current?.unsubscribe();
    });
}
