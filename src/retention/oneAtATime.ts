import { Observable } from 'rxjs';
import { inTurn } from '../inTurn';

/** Hands on what `work` gives, when its turn has come. */
export type OneAtATime = <T>(work: Observable<T>) => Observable<T>;

/**
 * Keeps works apart that must not overlap: each begins, in the order of subscription, when those before it have ended or been left.
 *
 * ```
 * a:           --1-|
 * b:           2-|
 * turn(a):     --1-|
 * turn(b):     ----2-|
 * ```
 *
 * Written out: `concatMap` on a Subject would give what comes of a work to the queue, and not to the one who asked for it, and could not drop one that
 * is no longer wanted.
 */
export function oneAtATime(): OneAtATime {
  const waiting: (() => void)[] = [];
  const turn = inTurn();
  let busy = false;
  const next = (): void => {
    turn(() => {
      if (busy) return;
      const start = waiting.shift();
      busy = start !== undefined;
      start?.();
    });
  };
  return <T>(work: Observable<T>) =>
    new Observable<T>((subscriber) => {
      const start = (): void => {
        subscriber.add(() => {
          busy = false;
          next();
        });
        subscriber.add(work.subscribe(subscriber));
      };
      waiting.push(start);
      next();
      return () => {
        const at = waiting.indexOf(start);
        if (at >= 0) waiting.splice(at, 1);
      };
    });
}
