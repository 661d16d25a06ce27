import {
  AsyncSubject,
  EMPTY,
  ReplaySubject,
  Subject,
  Subscription,
  catchError,
  concat,
  concatMap,
  defer,
  distinctUntilChanged,
  filter,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  of,
  startWith,
  take,
  throwIfEmpty,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { Awaitable } from '../awaitable';
import { WalClosedError, WalProjectionError } from '../errors';
import type { LogNow } from '../logNow';
import { reportUnhandled } from '../outputs';
import type { SegmentStore } from '../store/segmentStore';
import type { Entry, Reader, TailOptions } from '../types';
import type { CheckedProjectOptions } from './projectOptions';
import type { Projected, Projection, SnapshotOutcome } from './projection';
import { Snapshots } from './snapshots';

/** What a projection needs of its log. */
export interface ProjectedLog<T> {
  readonly store: SegmentStore;
  readonly logId: Uint8Array;
  readonly scheduler: SchedulerLike;
  readonly durable$: Observable<number>;
  readonly now: () => LogNow;
  readonly readers: () => readonly Reader[];
  tail(options: TailOptions): Observable<Entry<T>>;
  /** As `wal.hold`. */
  hold(name: string, lsn: number): Observable<unknown>;
  /** Where the reader of that name is, whatever it holds the log for; `undefined`: it takes nothing more. */
  progress(name: string, lsn: number | undefined): void;
  /** As `wal.checkpoint`. Nothing on a log that is closing. */
  checkpoint(lsn: number): Observable<unknown>;
}

/** The name of the reader that holds the log for a projection. */
export function readerName(projection: string): string {
  return `projection:${projection}`;
}

/** The projection behind the interface: from the newest valid snapshot on, entry by entry. */
export class LiveProjection<T, S> implements Projection<S> {
  readonly name: string;
  readonly #log: ProjectedLog<T>;
  readonly #options: CheckedProjectOptions<T, S>;
  readonly #snapshots: Snapshots;

  readonly #states = new ReplaySubject<Projected<S>>(1);
  readonly #applied = new Subject<void>();
  readonly #taken = new Subject<SnapshotOutcome>();
  /** Completes when it has ended. */
  readonly #ended = new AsyncSubject<never>();
  readonly ended$: Observable<never> = this.#ended.asObservable();
  readonly #following = new Subscription();

  #current: Projected<S> | undefined;
  #passedOver: readonly Error[] = [];
  /** LSNs of the snapshots that are kept, the newest first: two at the most. */
  #kept: readonly number[] = [];
  #caughtUp = false;
  /** A change of the state is to be shown when this turn ends. */
  #showing: Subscription | undefined;
  #saving: AsyncSubject<number> | undefined;
  #ending = false;
  /** Somebody has asked for the state, and so hears of a failure. */
  #heard = false;

  constructor(log: ProjectedLog<T>, options: CheckedProjectOptions<T, S>) {
    this.name = options.name;
    this.#log = log;
    this.#options = options;
    this.#snapshots = new Snapshots(log.store, log.logId, options.name);
    const entries$ = this.#begin().pipe(concatMap(() => this.#follow()));
    this.#following.add(
      entries$.subscribe({
        next: (entry) => {
          this.#apply(entry);
        },
        error: (error: unknown) => {
          this.#fail(error);
        },
        complete: () => {
          this.#end();
        },
      }),
    );
  }

  readonly state$: Observable<Projected<S>> = defer(() => {
    this.#heard = true;
    return this.#states;
  });

  get snapshots$(): Observable<SnapshotOutcome> {
    return this.#taken.asObservable();
  }

  /** Ends, and fails, with the projection. */
  readonly lag$: Observable<number> = defer(() =>
    merge(this.#applied, this.#log.durable$.pipe(catchError(() => EMPTY))).pipe(
      startWith(undefined),
      map(() => Math.max(0, this.#log.now().durableLsn - this.lsn)),
      distinctUntilChanged(),
    ),
  );

  get current(): Projected<S> | undefined {
    return this.#current;
  }

  get lsn(): number {
    return this.#current?.lsn ?? this.#options.after;
  }

  get passedOver(): readonly Error[] {
    return this.#passedOver;
  }

  at(lsn: number): Awaitable<Projected<S>> {
    return new Awaitable(
      this.state$.pipe(
        filter((shown) => shown.lsn >= lsn),
        take(1),
        throwIfEmpty(() => new WalClosedError(`projection ${this.name}, before LSN ${lsn}`)),
      ),
    );
  }

  snapshot(): Promise<number> {
    if (this.#ending || !this.#current) return Promise.reject(new WalClosedError(`projection ${this.name}`));
    const now$ = this.#saving
      ? concat(
          this.#saving.pipe(
            ignoreElements(),
            catchError(() => EMPTY),
          ),
          defer(() => this.#save()),
        )
      : this.#save();
    return lastValueFrom(now$);
  }

  close(): Promise<void> {
    this.finish().subscribe({ error: () => undefined });
    return lastValueFrom(this.#ended, { defaultValue: undefined });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Stops where it is, takes a last snapshot, and ends. Never fails. */
  finish(): Observable<never> {
    return defer(() => {
      if (this.#ending) return this.#ended;
      this.#ending = true;
      this.#following.unsubscribe();
      const underWay =
        this.#saving?.pipe(
          ignoreElements(),
          catchError(() => EMPTY),
        ) ?? EMPTY;
      const last = defer(() =>
        this.#isSaved
          ? EMPTY
          : this.#save().pipe(
              ignoreElements(),
              catchError(() => EMPTY),
            ),
      );
      return concat(
        underWay,
        last,
        defer(() => {
          this.#end();
          return EMPTY;
        }),
      );
    });
  }

  get #isSaved(): boolean {
    return !this.#current || this.lsn === (this.#kept[0] ?? this.#options.after);
  }

  /** Finds the state to begin with, and has the log keep what comes behind it. */
  #begin(): Observable<unknown> {
    const { name, after, version, initial, codec } = this.#options;
    const reader = readerName(name);
    return this.#snapshots.find(version).pipe(
      concatMap(({ snapshot, passedOver }) => {
        this.#passedOver = passedOver;
        if (snapshot) {
          this.#current = { lsn: snapshot.lsn, state: this.#stateOf(snapshot.state, snapshot.lsn, codec) };
          this.#kept = [snapshot.lsn];
        } else {
          const state = typeof initial === 'function' ? (initial as () => S)() : initial;
          this.#current = { lsn: after, state };
        }
        const isHeld = this.#log.readers().some((held) => held.name === reader);
        return isHeld ? of(undefined) : concat(this.#log.hold(reader, this.lsn).pipe(ignoreElements()), of(undefined));
      }),
    );
  }

  #stateOf(bytes: Uint8Array, lsn: number, codec: CheckedProjectOptions<T, S>['codec']): S {
    try {
      return codec.decode(bytes);
    } catch (cause) {
      const reason = 'its snapshot does not decode: give the projection another version where its codec has changed';
      throw new WalProjectionError(this.name, lsn, reason, cause);
    }
  }

  #follow(): Observable<Entry<T>> {
    return this.#log.tail({
      after: this.lsn,
      onCaughtUp: () => {
        this.#caughtUp = true;
        this.#show();
      },
    });
  }

  #apply(entry: Entry<T>): void {
    const { lsn } = entry;
    const before = this.#current;
    if (!before || this.#ending) return;
    if (lsn !== before.lsn + 1) {
      this.#fail(new WalProjectionError(this.name, lsn, `LSN ${before.lsn + 1} was to come`, undefined));
      return;
    }
    try {
      this.#current = { lsn, state: this.#options.reduce(before.state, entry) };
    } catch (cause) {
      this.#fail(new WalProjectionError(this.name, lsn, 'its reduce threw', cause));
      return;
    }
    this.#applied.next();
    this.#showing ??= this.#log.scheduler.schedule(() => this.#show());
    if (!this.#saving && lsn - (this.#kept[0] ?? this.#options.after) >= this.#options.snapshotEvery) {
      this.#save().subscribe({ error: () => undefined });
    }
  }

  /** Shows the state as it is, and says where it is. */
  #show(): void {
    this.#showing = undefined;
    this.#log.progress(readerName(this.name), this.lsn);
    if (this.#current && this.#caughtUp) this.#states.next(this.#current);
  }

  /**
   * Takes a snapshot of the state as it is now. In this order, so that a crash between any two finds a state to begin with and the log behind it: the snapshot is
   * durable; the log is held from the one before it on; older ones go; the log is checkpointed.
   */
  #save(): Observable<number> {
    const { name, version, codec, checkpoint } = this.#options;
    const { lsn } = this;
    const saving = (this.#saving = new AsyncSubject<number>());
    let bytes = 0;
    const work = defer(() => {
      const state = codec.encode((this.#current as Projected<S>).state);
      bytes = state.length;
      const kept = [lsn, ...this.#kept.filter((other) => other !== lsn)].slice(0, 2);
      return concat(
        this.#snapshots.save({ name, version, lsn, state }),
        defer(() => {
          this.#kept = kept;
          return this.#log.hold(readerName(name), kept[1] ?? this.#heldLsn);
        }),
        defer(() => this.#snapshots.removeAllBut(kept)),
        defer(() => (checkpoint ? this.#checkpoint() : EMPTY)),
      );
    });
    const tell = (error: unknown): void => {
      this.#saving = undefined;
      if (error !== undefined && !this.#taken.observed) reportUnhandled(error);
      this.#taken.next({ lsn, bytes, error });
    };
    work.pipe(ignoreElements()).subscribe({
      error: (cause: unknown) => {
        tell(cause);
        saving.error(cause);
      },
      complete: () => {
        tell(undefined);
        saving.next(lsn);
        saving.complete();
      },
    });
    return saving;
  }

  /** Where the log is held as yet. */
  get #heldLsn(): number {
    const reader = readerName(this.name);
    return this.#log.readers().find((held) => held.name === reader)?.lsn ?? this.#options.after;
  }

  /** Up to where every reader has the log. */
  #checkpoint(): Observable<unknown> {
    const { checkpoint } = this.#log.now();
    const lsn = this.#log.readers().reduce((least, reader) => Math.min(least, reader.lsn), this.#heldLsn);
    return lsn > (checkpoint?.lsn ?? 0) ? this.#log.checkpoint(lsn) : EMPTY;
  }

  #fail(error: unknown): void {
    if (this.#ended.closed || this.#ending) return;
    this.#ending = true;
    this.#following.unsubscribe();
    this.#showing?.unsubscribe();
    this.#log.progress(readerName(this.name), undefined);
    this.#states.error(error);
    this.#ended.complete();
    // A failure may come before whoever has made it can listen.
    this.#log.scheduler.schedule(() => {
      if (!this.#heard) reportUnhandled(error);
    });
  }

  #end(): void {
    this.#ending = true;
    if (this.#showing) {
      this.#showing.unsubscribe();
      this.#show();
    }
    this.#log.progress(readerName(this.name), undefined);
    this.#states.complete();
    this.#applied.complete();
    this.#taken.complete();
    this.#ended.complete();
  }
}
