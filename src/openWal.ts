import { concat, concatMap, defer, from, lastValueFrom, map, tap, type Observable } from 'rxjs';
import { afterFailure } from './afterFailure';
import { Diagnostics } from './diagnostics';
import { asIoError } from './ioError';
import { openUntilAborted } from './openUntilAborted';
import { checkOptions, checkSignal, type WalOptions } from './options';
import { recover } from './recover';
import { nodeStore, type NodeStoreOptions } from './store/nodeStore';
import type { SegmentStore } from './store/segmentStore';
import { trackedStore } from './store/trackedStore';
import { LiveWal } from './liveWal';
import { toTheEnd } from './toTheEnd';
import type { Wal } from './wal';
import type { WalRecord } from './walRecord';

/** How a log behaves, how it uses the disk, and who may read the files that it makes. */
export interface OpenWalOptions<T> extends WalOptions<T>, NodeStoreOptions {
  /**
   * Gives the opening up: it ends at its next step, gives the lock back, and rejects with `signal.reason`; what it leaves on disk is what a
   * crash would, and the next opening goes on from there. Once the log is open the signal does nothing; `shutdown$` closes a log.
   *
   * @default never
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the log in a directory, and makes one where there is none. There is no other way in: what you get has been recovered,
 * and every record in it is durable.
 *
 * Rejects with `WalLockedError` (open elsewhere), `WalCorruptError` (damage: file, offset, LSN), `WalVersionError` (a newer format),
 * `WalRecordError` (a record above `maxRecordBytes`), `WalIoError` (a file that cannot be read or made), TypeError or RangeError (a
 * bad option, by name), or `signal.reason`. On disk, nothing has been changed then that another opening would not do again.
 *
 * @param dir made where it is not there.
 * @example
 * await using wal = await openWal<OrderEvent>('/var/lib/orders/wal');
 * wal.read().subscribe(({ value }) => apply(value));
 * wal.append({ type: 'OrderPlaced', id: 42 }).subscribe(({ lsn }) => reply(201, lsn));
 */
export async function openWal<T = WalRecord>(dir: string, options: OpenWalOptions<T> = {}): Promise<Wal<T>> {
  if (typeof dir !== 'string' || dir === '') throw new TypeError(`dir must be a path, not ${JSON.stringify(dir)}`);
  const { fileMode, directoryMode, io, signal: given, ...walOptions } = options;
  const signal = checkSignal(given);
  const store = nodeStore(dir, { fileMode, directoryMode, io });
  const opened$ = signal
    ? openUntilAborted(store, signal, (guarded) => recoverWal(guarded, walOptions))
    : recoverWal(store, walOptions);
  return lastValueFrom(opened$);
}

/**
 * As {@link openWal}, on any store; inside `TestScheduler.run`, in virtual time. Cold: each subscription opens the log.
 *
 * A store whose lock, list and reads take no time, and whose new segment takes 3 frames of time to make:
 *
 * ```
 * recoverWal(store):  ---(w|)
 * ```
 *
 * @throws TypeError or RangeError for a bad option, at once.
 */
export function recoverWal<T = WalRecord>(store: SegmentStore, options: WalOptions<T> = {}): Observable<Wal<T>> {
  const checked = checkOptions(options);
  return defer(() => store.lock()).pipe(
    asIoError('Locking', store.dir),
    concatMap((unlock) => {
      const tracked = trackedStore(store);
      return recover(tracked, checked).pipe(
        map((recovered): Wal<T> => new LiveWal(tracked, unlock, recovered, checked)),
        afterFailure(() => concat(tracked.quiet, unlock())),
      );
    }),
    tap((wal) => new Diagnostics(store.dir).recover(wal)),
    toTheEnd((unwanted) => from(unwanted.close())),
  );
}
