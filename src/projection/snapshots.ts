import {
  catchError,
  concat,
  concatMap,
  defer,
  from,
  ignoreElements,
  map,
  of,
  take,
  throwError,
  type Observable,
} from 'rxjs';
import { afterFailure } from '../afterFailure';
import { WalCorruptError, WalVersionError } from '../errors';
import { decodeSnapshot, encodeSnapshot, snapshotName, snapshotOf, type Snapshot } from '../format/snapshot';
import { asIoError } from '../ioError';
import { withFile } from '../reading/segmentFrames';
import { replaceFile } from '../store/replaceFile';
import { TEMPORARY_SUFFIX, type SegmentStore } from '../store/segmentStore';

/** What looking for a projection's snapshots has found. */
export interface Found {
  /** The newest one that is whole and of this version. */
  readonly snapshot: Snapshot | undefined;
  /** Why newer ones were passed over, the newest first. */
  readonly passedOver: readonly Error[];
}

/** The snapshots of one projection, in the directory of its log. */
export class Snapshots {
  constructor(
    private readonly store: SegmentStore,
    private readonly logId: Uint8Array,
    private readonly name: string,
  ) {}

  /** The newest valid snapshot. Fails with `WalIoError` where one cannot be read: that says nothing about what is in it. */
  find(version: number): Observable<Found> {
    return this.#files().pipe(
      concatMap((files) => {
        const passedOver: Error[] = [];
        const valid$ = from(files).pipe(
          concatMap((file) =>
            this.#read(file).pipe(
              map((snapshot) => {
                if (snapshot.version === version) return snapshot;
                passedOver.push(
                  new Error(`${file} is of version ${snapshot.version}, and the projection of ${version}`),
                );
                return undefined;
              }),
              catchError((error: unknown) => {
                if (!(error instanceof WalCorruptError || error instanceof WalVersionError))
                  return throwError(() => error);
                passedOver.push(error);
                return of(undefined);
              }),
            ),
          ),
          concatMap((snapshot) => (snapshot ? [snapshot] : [])),
          take(1),
        );
        return concat(valid$, of(undefined)).pipe(
          take(1),
          map((snapshot) => ({ snapshot, passedOver })),
        );
      }),
    );
  }

  /** Writes a snapshot, whole or not at all: temporary file, fsync, rename, fsync of the directory. Fails with `WalIoError`. */
  save(snapshot: Snapshot): Observable<never> {
    const file = snapshotName(this.name, snapshot.lsn);
    const pieces = encodeSnapshot(snapshot, this.logId);
    return replaceFile(this.store, file, (open) => open.write(pieces, 0)).pipe(
      // As large as the state, and of a name that no later one takes.
      afterFailure(() => this.store.remove(file + TEMPORARY_SUFFIX)),
      asIoError('Saving', file),
    );
  }

  /** Removes all but those of these LSNs. Fails with `WalIoError`. */
  removeAllBut(kept: readonly number[]): Observable<never> {
    return this.#files().pipe(
      concatMap((files) => {
        const keep = kept.map((lsn) => snapshotName(this.name, lsn));
        const removals = files
          .filter((file) => !keep.includes(file))
          .map((file) => this.store.remove(file).pipe(asIoError('Removing', file), ignoreElements()));
        if (removals.length === 0) return of();
        return concat(...removals, this.store.syncDir().pipe(asIoError('Syncing', this.store.dir), ignoreElements()));
      }),
    );
  }

  /** Names, the newest first. */
  #files(): Observable<readonly string[]> {
    return defer(() => this.store.list()).pipe(
      asIoError('Listing', this.store.dir),
      map((names) => {
        const ours = names.flatMap((file) => {
          const of = snapshotOf(file);
          return of?.name === this.name ? [{ file, lsn: of.lsn }] : [];
        });
        return ours.sort((a, b) => b.lsn - a.lsn).map(({ file }) => file);
      }),
    );
  }

  #read(file: string): Observable<Snapshot> {
    return withFile(this.store, file, (open) => open.size().pipe(concatMap((size) => open.read(0, size)))).pipe(
      asIoError('Reading', file),
      map((bytes) => decodeSnapshot(bytes, file, this.logId)),
    );
  }
}
