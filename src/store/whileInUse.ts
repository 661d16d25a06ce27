import { retry, throwError, timer, type MonoTypeOperatorFunction } from 'rxjs';

/** What to wait before each further try, in milliseconds: about two seconds in all, which is more than a scanner takes for a file. */
const DELAYS_MS = [10, 20, 40, 80, 160, 320, 640, 640];

/** What Windows says of a file that somebody has open, as libuv names it: a sharing violation, and access that is denied. */
const IN_USE = ['EBUSY', 'EPERM', 'EACCES'];

/**
 * Tries an operation again while somebody else has its file open, where the system refuses it for that (Windows). For what is refused as a
 * whole only: a rename, a removal, an opening. Never for a write or an fsync, of which a failure is final.
 *
 * Once the delays are used up the last error is handed on, as is any other error at once.
 *
 * ```
 * operation:          -#  (EBUSY)        -|
 * whileInUse():       ------(10 ms)------|
 * ```
 *
 * @param codes the errors that mean it.
 */
export function whileInUse<T>(codes: readonly string[] = IN_USE): MonoTypeOperatorFunction<T> {
  return retry({
    count: DELAYS_MS.length,
    delay: (error: NodeJS.ErrnoException, tries) =>
      codes.includes(error.code ?? '') ? timer(DELAYS_MS[tries - 1] ?? 0) : throwError(() => error),
  });
}
