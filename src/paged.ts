import { Observable, Subject, takeUntil } from 'rxjs';
import type { PlacedRun, ReadingPlace } from './read';
import { whileWanted } from './whileWanted';

/** Where a reader goes on: behind the record `lsn`, which ends at `place`. Both absent: from its beginning. */
export interface Resumption {
  readonly lsn: number | undefined;
  readonly place: ReadingPlace | undefined;
}

/**
 * Reads while it is wanted. While it is not, nothing is kept open: the file may be removed meanwhile, and whoever has forgotten the reader has not used up a
 * descriptor. It goes on at the place where it was.
 *
 * ```
 * wanted$:  t--f----t-----
 * read():   --1            behind nothing
 *                   --2|   behind 1
 * paged():  --1-------2|
 * ```
 *
 * Written out: `switchMap` would cut a run in the middle, where it is the reader of its first record that wants no more for now.
 */
export function paged(
  read: (from: Resumption) => Observable<PlacedRun>,
  wanted$: Observable<boolean>,
): Observable<PlacedRun> {
  return new Observable<PlacedRun>((subscriber) => {
    let from: Resumption = { lsn: undefined, place: undefined };
    let wanted = true;
    /** Ends the reading that is under way, also one that hands out everything before `subscribe` returns. */
    let letGo$: Subject<void> | undefined;

    const start = (): void => {
      if (letGo$ || !wanted || subscriber.closed) return;
      const stop$ = (letGo$ = new Subject<void>());
      let stopped = false;
      const runs$ = read(from).pipe(whileWanted(subscriber), takeUntil(stop$));
      runs$.subscribe({
        next: (run) => {
          from = { lsn: run.lastLsn, place: run.place };
          subscriber.next(run);
          if (wanted) return;
          stopped = true;
          letGo$ = undefined;
          stop$.next();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          if (!stopped) subscriber.complete();
        },
      });
    };
    subscriber.add(
      wanted$.subscribe({
        next: (isWanted) => {
          wanted = isWanted;
          start();
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
      }),
    );
    start();
  });
}
