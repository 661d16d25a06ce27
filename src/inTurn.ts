import { Observable, type MonoTypeOperatorFunction } from 'rxjs';

/** Runs a task, or queues it where another is running. */
export type Turn = (task: () => void) => void;

/**
 * Runs tasks one after the other: one that is handed in while another runs waits until that is done. For state that must not
 * change while it is being shown to somebody who may call back.
 */
export function inTurn(): Turn {
  const waiting: (() => void)[] = [];
  let busy = false;
  return (task) => {
    waiting.push(task);
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) next();
    busy = false;
  };
}

/**
 * Hands on each notification in its turn: what is caused by one of them, and comes before it has been dealt with, waits. So a chain
 * of sources that take no time is a loop and no recursion.
 *
 * Written out: `observeOn(queueScheduler)` does the same on a queue that the whole process shares, where somebody else's exception
 * throws away what of ours is waiting.
 */
export function handOnInTurn<T>(turn: Turn): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) =>
      source.subscribe({
        next: (value) => {
          turn(() => {
            subscriber.next(value);
          });
        },
        error: (error: unknown) => {
          turn(() => {
            subscriber.error(error);
          });
        },
        complete: () => {
          turn(() => {
            subscriber.complete();
          });
        },
      }),
    );
}
