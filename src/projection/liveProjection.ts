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
  endWith,
  filter,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  of,
  startWith,
  take,
  takeUntil,
  throwIfEmpty,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { Awaitable } from '../awaitable';
import { bareBytesOf } from '../codec/bareBytes';
import { WalClosedError, WalProjectionError } from '../errors';
import type { LogNow } from '../logNow';
import { reportUnhandled } from '../outputs';
import { pastTheEnd } from '../read';
import type { SegmentStore } from '../store/segmentStore';
import type { Entry, Reader, TailOptions } from '../types';
import { untilAborted } from '../untilAborted';
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
  /** As `wal.hold`. @param mayGoBack also where the reader stands behind `lsn`. */
  hold(name: string, lsn: number, mayGoBack?: boolean): Observable<unknown>;
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
  readonly #reader: string;

  readonly #states = new ReplaySubject<Projected<S>>(1);
  readonly #applied = new Subject<void>();
  readonly #taken = new Subject<SnapshotOutcome>();
  /** Completes when it has ended and nothing of it is on its way to the disk: before anybody hears of the end. */
  readonly #ended = new AsyncSubject<never>();
  readonly ended$: Observable<never> = this.#ended.asObservable();
  readonly #following = new Subscription();

  #current: Projected<S> | undefined;
  #passedOver: readonly Error[] = [];
  /** LSNs of the snapshots that are kept, the newest first: two at the most. */
  #kept: readonly number[] = [];
  /** LSN of the snapshot that was tried last, or that it began with. */
  #triedLsn: number;
  /** What was durable when it began to follow: shown is the state from there on. */
  #startLsn = Infinity;
  /** `reduce` may be changing the state that it was given. */
  #reducing = false;
  /** A change of the state is to be shown when this turn ends. */
  #showing: Subscription | undefined;
  /** The snapshot that is being taken, and the one that is to be taken behind it for all who have asked meanwhile. */
  #saving: AsyncSubject<number> | undefined;
  #next: AsyncSubject<number> | undefined;
  #ending: Ending | undefined;
  #isOver = false;
  /** Somebody has asked for the state since it failed. */
  #heard = false;

  constructor(log: ProjectedLog<T>, options: CheckedProjectOptions<T, S>) {
    this.name = options.name;
    this.#log = log;
    this.#options = options;
    this.#reader = readerName(options.name);
    this.#triedLsn = options.after;
    this.#snapshots = new Snapshots(log.store, log.logId, options.name);
    const entries$ = this.#begin().pipe(
      concatMap(() => this.#follow()),
      untilAborted(options.signal),
    );
    this.#following.add(
      entries$.subscribe({
        next: (entry) => {
          this.#apply(entry);
        },
        error: (error: unknown) => {
          void this.fail(error);
        },
        complete: () => {
          this.#end({ error: undefined });
        },
      }),
    );
  }

  readonly state$: Observable<Projected<S>> = defer(() => {
    this.#heard = true;
    return this.#states;
  });

  readonly snapshots$: Observable<SnapshotOutcome> = this.#taken.asObservable();

  readonly lag$: Observable<number> = defer(() => {
    const end$ = this.#states.pipe(ignoreElements());
    const isOver$ = end$.pipe(
      catchError(() => EMPTY),
      endWith(true),
    );
    const lags$ = merge(this.#applied, this.#log.durable$.pipe(catchError(() => EMPTY))).pipe(
      startWith(undefined),
      map(() => Math.max(0, this.#log.now().durableLsn - this.lsn)),
      distinctUntilChanged(),
      takeUntil(isOver$),
    );
    return concat(lags$, end$);
  });

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
    return lastValueFrom(this.#ask());
  }

  close(): Promise<void> {
    return lastValueFrom(this.finish(), { defaultValue: undefined });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Stops where it is, takes a last snapshot, and ends. Never fails. Hot. */
  finish(): Observable<never> {
    if (!this.#ending) {
      this.#stop({ error: undefined });
      const last$ = this.#isSaved ? EMPTY : this.#ask();
      last$.subscribe({
        // What became of it is told on `snapshots$`.
        error: () => {
          this.#goOn();
        },
        complete: () => {
          this.#goOn();
        },
      });
    }
    return this.#ended;
  }

  /** Stops where it is, takes no snapshot more, and ends with an error when the one that is under way has been taken. Hot. */
  fail(error: unknown): Observable<never> {
    if (!this.#ending) this.#end({ error });
    return this.#ended;
  }

  get #isSaved(): boolean {
    return !this.#current || this.lsn === (this.#kept[0] ?? this.#options.after);
  }

  /** Finds the state to begin with, and has the log keep what comes behind it. */
  #begin(): Observable<unknown> {
    const { after, version, initial, codec } = this.#options;
    return this.#snapshots.find(version).pipe(
      concatMap(({ snapshot, passedOver }) => {
        this.#passedOver = passedOver;
        if (snapshot) {
          this.#current = { lsn: snapshot.lsn, state: this.#stateOf(snapshot.state, snapshot.lsn, codec) };
          this.#kept = [snapshot.lsn];
          this.#triedLsn = snapshot.lsn;
        } else {
          const state = typeof initial === 'function' ? (initial as () => S)() : initial;
          this.#current = { lsn: after, state };
        }
        const { lastLsn, durableLsn } = this.#log.now();
        if (this.lsn > lastLsn) throw pastTheEnd(this.lsn, lastLsn);
        // It may stand behind where this one begins: another version, or snapshots that are damaged, begin anew.
        const held = this.#log.readers().find(({ name }) => name === this.#reader);
        if (held && held.lsn <= this.lsn) return of(undefined);
        const hold$ = this.#log.hold(this.#reader, Math.min(this.lsn, durableLsn), true);
        return concat(hold$.pipe(ignoreElements()), of(undefined));
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
    this.#startLsn = this.#log.now().durableLsn;
    // Where there is nothing to apply.
    return this.#log.tail({ after: this.lsn, onCaughtUp: () => this.#show() });
  }

  #apply(entry: Entry<T>): void {
    const { lsn } = entry;
    const before = this.#current;
    if (!before || this.#ending) return;
    if (lsn !== before.lsn + 1) {
      void this.fail(new WalProjectionError(this.name, lsn, `LSN ${before.lsn + 1} was to come`, undefined));
      return;
    }
    if (!this.#reduce(before.state, entry)) return;
    this.#applied.next();
    this.#showing ??= this.#log.scheduler.schedule(() => this.#show());
    // Asked for from within reduce, or ended.
    if (this.#next ?? this.#ending) this.#goOn();
    else if (!this.#saving && lsn - this.#triedLsn >= this.#options.snapshotEvery) void this.#save(false);
  }

  /** @returns whether the state has the entry now. */
  #reduce(state: S, entry: Entry<T>): boolean {
    const { lsn } = entry;
    let failure: WalProjectionError | undefined;
    this.#reducing = true;
    try {
      this.#current = { lsn, state: this.#options.reduce(state, entry) };
    } catch (cause) {
      failure = new WalProjectionError(this.name, lsn, 'its reduce threw', cause);
    }
    this.#reducing = false;
    if (!failure) return true;
    // The state may be changed in part: no snapshot of it is taken.
    void this.fail(failure);
    this.#goOn();
    return false;
  }

  /** Shows the state as it is, and says where it is. */
  #show(): void {
    this.#showing = undefined;
    this.#log.progress(this.#reader, this.lsn);
    if (this.#current && this.lsn >= this.#startLsn) this.#states.next(this.#current);
  }

  /** Asks for a snapshot of all that has been applied by now. Hot: what becomes of it. */
  #ask(): Observable<number> {
    if (!this.#saving && !this.#reducing) return this.#save(true);
    return (this.#next ??= new AsyncSubject<number>());
  }

  /** Takes the snapshot that was asked for meanwhile; where none was, ends what is to end. */
  #goOn(): void {
    if (this.#saving || this.#reducing) return;
    const asked = this.#next;
    this.#next = undefined;
    if (asked) {
      // eslint-disable-next-line rxjs-x/throw-error -- handed on as it came
      if (this.#ending?.error !== undefined) asked.error(this.#ending.error);
      else if (this.#isSaved) complete(asked, this.lsn);
      else {
        this.#save(true).subscribe(asked);
        return;
      }
    }
    if (this.#ending) this.#over(this.#ending);
  }

  /**
   * Takes a snapshot of the state as it is now. In this order, so that a crash between any two finds a state to begin with and the log behind it: the snapshot is
   * durable; the log is held from the one before it on; older ones go; the log is checkpointed.
   *
   * @param asked somebody waits for it, and hears of a failure.
   */
  #save(asked: boolean): Observable<number> {
    const { name, version, codec, checkpoint } = this.#options;
    const { lsn } = this;
    const saving = (this.#saving = new AsyncSubject<number>());
    this.#triedLsn = lsn;
    let bytes = 0;
    const work$ = defer(() => {
      const state = bareBytesOf(codec.encode((this.#current as Projected<S>).state));
      bytes = state.length;
      const kept = [lsn, ...this.#kept.filter((other) => other !== lsn)].slice(0, 2);
      return concat(
        this.#snapshots.save({ name, version, lsn, state }),
        defer(() => {
          this.#kept = kept;
          return this.#log.hold(this.#reader, kept[1] ?? this.#heldLsn);
        }),
        // With one snapshot alone, what it was made of may be needed again, and so may those of another version.
        defer(() => (kept.length === 2 ? this.#snapshots.removeAllBut(kept) : EMPTY)),
        defer(() => (kept.length === 2 && checkpoint ? this.#checkpoint() : EMPTY)),
      );
    });
    const tell = (error: unknown): void => {
      this.#saving = undefined;
      if (error !== undefined && !asked && !this.#taken.observed && !this.#ending) reportUnhandled(error);
      this.#taken.next({ lsn, bytes, error });
    };
    work$.pipe(ignoreElements()).subscribe({
      error: (cause: unknown) => {
        tell(cause);
        saving.error(cause);
        this.#goOn();
      },
      complete: () => {
        tell(undefined);
        complete(saving, lsn);
        this.#goOn();
      },
    });
    return saving;
  }

  /** Where the log is held as yet. */
  get #heldLsn(): number {
    return this.#log.readers().find(({ name }) => name === this.#reader)?.lsn ?? this.#options.after;
  }

  /** Up to where every reader has the log. */
  #checkpoint(): Observable<unknown> {
    const { checkpoint } = this.#log.now();
    const lsn = this.#log.readers().reduce((least, reader) => Math.min(least, reader.lsn), this.#heldLsn);
    return lsn > (checkpoint?.lsn ?? 0) ? this.#log.checkpoint(lsn) : EMPTY;
  }

  /** Applies nothing more. */
  #stop(ending: Ending): void {
    this.#ending = ending;
    this.#following.unsubscribe();
  }

  /** Ends as soon as nothing of it is on its way to the disk. */
  #end(ending: Ending): void {
    if (!this.#ending) this.#stop(ending);
    this.#goOn();
  }

  /** State first: who hears of the end may start it again. */
  #over({ error }: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#showing?.unsubscribe();
    this.#log.progress(this.#reader, undefined);
    const heard = this.#states.observed;
    if (error === undefined && this.#showing && this.#current && this.lsn >= this.#startLsn) {
      this.#states.next(this.#current);
    }
    this.#ended.complete();
    this.#heard = heard;
    if (error === undefined) this.#states.complete();
    // eslint-disable-next-line rxjs-x/throw-error -- handed on as it came
    else this.#states.error(error);
    this.#applied.complete();
    this.#taken.complete();
    if (error === undefined || heard) return;
    // A failure may come before whoever has made it can listen.
    this.#log.scheduler.schedule(() => {
      if (!this.#heard) reportUnhandled(error);
    });
  }
}

/** How a projection ends. */
interface Ending {
  readonly error: unknown;
}

function complete<R>(subject: AsyncSubject<R>, result: R): void {
  subject.next(result);
  subject.complete();
}
