import { defer, fromEvent, mergeMap, of, takeUntil, throwError, type MonoTypeOperatorFunction } from 'rxjs';

/**
 * Ends a source with the signal's reason when the signal is aborted: the source is left, and the error is `signal.reason` as it is, as
 * everywhere in Node. A signal that is aborted already ends it before the source is subscribed. Without a signal the source is handed
 * on as it is.
 *
 * The one listener that this puts on the signal goes when the stream ends or is left, so a signal may live as long as the process.
 *
 * ```
 * source:                  --1--2--3--|
 * signal:                  ------x
 * untilAborted(signal):    --1--2#
 * ```
 */
export function untilAborted<T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> {
  if (!signal) return (source) => source;
  const aborted$ = defer(() => (signal.aborted ? of(undefined) : fromEvent(signal, 'abort'))).pipe(
    mergeMap(() => throwError((): unknown => signal.reason)),
  );
  return takeUntil(aborted$);
}
