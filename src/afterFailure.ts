import {
  catchError,
  concat,
  defer,
  ignoreElements,
  throwError,
  type MonoTypeOperatorFunction,
  type Observable,
} from 'rxjs';

/**
 * Puts things in order after a failure, and then fails with it: what goes wrong in between is not told in its place.
 *
 * ```
 * source:                 --a--#
 * tidy:                        --|
 * afterFailure(tidy):     --a----#
 * ```
 */
export function afterFailure<T>(tidy: () => Observable<unknown>): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) => {
    const failed = throwError(() => error);
    return concat(defer(tidy).pipe(ignoreElements()), failed).pipe(catchError(() => failed));
  });
}
