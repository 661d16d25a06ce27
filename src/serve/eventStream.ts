import type { Writable } from 'node:stream';
import { fromEvent, merge, take, takeUntil, type Observable } from 'rxjs';

/** Events that a client may miss in a row because it does not read, before it is sent away. */
const MAX_MISSED = 30;

/**
 * Writes events to a client as they come. What it has no room for is left out, and not kept: an event is the state of things, and the next one says
 * it anew. A client that has not read for {@link MAX_MISSED} events is sent away; a browser comes back by itself.
 *
 * `f` is an event that fills the client's buffer, `d` the moment it has drained:
 *
 * ```
 * events$:  a--f--b--c-----e
 * drain:    ----------d-----
 * written:  a--f----------e      b and c are missed
 * ```
 */
export function writeEvents(events$: Observable<string>, client: Writable): void {
  let hasRoom = true;
  let missed = 0;
  const gone$ = merge(fromEvent(client, 'close'), fromEvent(client, 'error'), fromEvent(client, 'finish')).pipe(
    take(1),
  );
  const drained = fromEvent(client, 'drain')
    .pipe(takeUntil(gone$))
    .subscribe({
      next: () => {
        hasRoom = true;
        missed = 0;
      },
      error: () => undefined,
    });
  events$.pipe(takeUntil(gone$)).subscribe({
    next: (text) => {
      if (hasRoom) {
        hasRoom = client.write(text);
        return;
      }
      missed += 1;
      if (missed > MAX_MISSED) client.destroy();
    },
    error: () => client.destroy(),
    complete: () => {
      drained.unsubscribe();
      client.end();
    },
  });
}
