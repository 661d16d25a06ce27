import { join } from 'node:path';
import type { Writable } from 'node:stream';
import {
  AsyncSubject,
  BehaviorSubject,
  EMPTY,
  NEVER,
  Subject,
  concat,
  firstValueFrom,
  from,
  lastValueFrom,
  takeUntil,
  tap,
  type Observable,
  type Observer,
  type Subscription,
} from 'rxjs';
import { AckQueue } from './ackQueue';
import { inNextTurn, monotonicScheduler } from './clock';
import { Diagnostics } from './diagnostics';
import { Door } from './door';
import type { Entries } from './entries';
import { WalBackpressureError, WalClosedError, WalIoError, WalPoisonedError, type WalError } from './errors';
import { bytesBetween } from './format/bytesBetween';
import { encodeCheckpointFile } from './format/checkpoint';
import { FRAME_OVERHEAD_BYTES } from './format/frame';
import { group, type Group } from './group';
import { asIoError } from './ioError';
import { line } from './line';
import type { LogNow } from './logNow';
import { LogReader } from './logReader';
import { MEASURED_COMMITS } from './metrics/measuredCommits';
import { checkpoint, type CheckpointOptions, type CheckpointOutcome } from './operators/checkpoint';
import { checkNames, integer, type CheckedOptions } from './options';
import { Outputs, reportUnhandled } from './outputs';
import { PendingAck, type AckSource } from './pendingAck';
import type { Projection, ProjectOptions } from './projection/projection';
import { Projections } from './projection/projections';
import type { Recovered } from './recover';
import { rejection } from './rejection';
import { checkReaderName } from './retention/checkReaderName';
import { Retainer } from './retention/retainer';
import { saveCheckpoint } from './saveCheckpoint';
import { segmentName, type Unlock } from './store/segmentStore';
import type { TrackedStore } from './store/trackedStore';
import { Turns } from './turns';
import type {
  Ack,
  Barrier,
  Checkpoint,
  Commit,
  Durability,
  Payload,
  ReadOptions,
  Reader,
  Recovery,
  Retention,
  Rejection,
  SegmentInfo,
  TailOptions,
  WalState,
  WalStats,
} from './types';
import type { CheckpointMark, Wal } from './wal';
import { walWritable, type WalWritableOptions } from './writable';

/** The door, the Subject, the line behind it, and the way out. */
export class LiveWal<T> implements Wal<T> {
  readonly recovery: Recovery;
  readonly durability: Durability;

  readonly #store: TrackedStore;
  readonly #diagnostics: Diagnostics;
  readonly #unlock: Unlock;
  readonly #options: CheckedOptions<T>;
  readonly #logId: Uint8Array;
  /** Oldest first; the last one is, or is about to be, written. */
  readonly #segments: SegmentInfo[];

  readonly #source = new Door<T | Group<T>>();
  readonly #shutdown$ = new Subject<void>();
  /** Not there yet where it emits at once. */
  readonly #shutdownSubscription: Subscription | undefined;
  readonly #barriers$ = new Subject<Barrier>();
  readonly #background$ = new BehaviorSubject(true);
  readonly #settled$ = new Subject<void>();

  readonly #outputs: Outputs<T>;
  readonly #retainer: Retainer;
  readonly #projections: Projections<T>;
  /** Completes when the log is closed and its lock given back; fails where it had stopped. */
  readonly #ended$ = new AsyncSubject<void>();

  readonly #queue: AckQueue;
  readonly #reader: LogReader<T>;
  readonly #acks: AckSource = {
    waitFor: (lsn, observer) => {
      if (this.#failure && lsn > this.#ackedLsn) observer.error(this.#poisoned(lsn));
      else this.#queue.wait(lsn, observer);
    },
  };
  readonly #turns = new Turns<Barrier, Commit>();
  readonly #checkpoints = new Turns<Checkpoint, Checkpoint>();

  #lastLsn: number;
  #durableLsn: number;
  /** Up to here acks are due: the durable LSN, in mode `nosync` the written one. */
  #ackedLsn: number;
  #pendingBytes = 0;
  /** The batch on its way to the disk: its last LSN and its bytes. */
  #handedLsn: number;
  #handedBytes = 0;
  #inFlight = false;
  /** A record was refused for want of room while a batch was on its way. */
  #full = false;
  /** What became of the value that is being appended. */
  #verdict: number | WalError | undefined;
  /** Within `append`, whose caller will hear what becomes of it. */
  #appending = false;
  /** Since the log was opened. */
  readonly #counts = { rotations: 0, checkpoints: 0, rejected: 0 };
  #asked: Checkpoint | undefined;
  /** LSN of the application's last checkpoint; at first of the one that the log was opened with. */
  #markedLsn: number;
  #saved: Checkpoint | undefined;
  #failure: { readonly cause: unknown } | undefined;
  #sourceError: { readonly error: unknown } | undefined;
  #closing = false;
  /** While the failure is told: a close that comes from one who hears of it waits until all have. */
  #stopping = false;
  #released = false;

  constructor(store: TrackedStore, unlock: Unlock, recovered: Recovered, options: CheckedOptions<T>) {
    this.#store = store;
    this.#diagnostics = new Diagnostics(store.dir);
    this.#unlock = unlock;
    this.#options = options;
    this.#logId = recovered.logId;
    this.#segments = [...recovered.segments];
    this.recovery = recovered.recovery;
    this.durability = options.durability;
    this.#lastLsn = recovered.lastLsn;
    this.#durableLsn = recovered.lastLsn;
    this.#ackedLsn = recovered.lastLsn;
    this.#handedLsn = recovered.lastLsn;
    this.#asked = recovered.checkpoint;
    this.#markedLsn = recovered.checkpoint?.lsn ?? 0;
    this.#saved = recovered.checkpoint;
    this.#outputs = new Outputs(recovered.lastLsn);
    const ack = (lsn: number): Ack => ({ lsn, durable: lsn <= this.#durableLsn });
    const later = (work: () => void): void => {
      if (options.scheduler) options.scheduler.schedule(work);
      else inNextTurn(work);
    };
    this.#queue = new AckQueue(recovered.lastLsn, ack, this.#outputs.acks, later);
    const now = (): LogNow => this.#now();
    const { logId } = recovered;
    const { codec, maxRecordBytes, scheduler } = options;
    this.#reader = new LogReader({
      store,
      logId,
      codec,
      maxRecordBytes,
      segments: this.#segments,
      now,
      goneLsn: () => this.#retainer.goneLsn,
      later,
    });
    this.#retainer = new Retainer({
      store,
      recovered,
      retention: options.retention,
      scheduler,
      removal: this.#removal(),
      logNow: now,
      makeDurable: () => this.#makeDurable(),
      checkpointAt: (lsn, endSegment) => this.#checkpointAt(lsn, endSegment),
    });
    this.#projections = new Projections({
      store,
      logId,
      scheduler: scheduler ?? monotonicScheduler,
      durable$: this.durable$,
      now,
      readers: () => this.readers,
      tail: (wanted) => this.tail(wanted),
      hold: (name, lsn, mayGoBack) => this.#retainer.hold(name, lsn, mayGoBack),
      progress: (name, lsn) => {
        this.#retainer.progress(name, lsn);
      },
      checkpoint: (lsn) => (this.#refusal('checkpoint') ? EMPTY : this.#checkpointAt(lsn, false)),
    });
    this.#run(recovered);
    this.#shutdownSubscription = from(options.shutdown$ ?? NEVER).subscribe({
      next: () => {
        this.complete();
      },
      error: (error: unknown) => {
        this.error(error);
      },
      complete: () => {
        this.complete();
      },
    });
  }

  #now(): LogNow {
    return {
      firstLsn: this.firstLsn,
      lastLsn: this.#lastLsn,
      durableLsn: this.#durableLsn,
      checkpoint: this.#saved,
      askedLsn: this.#asked?.lsn ?? 0,
      isClosed: this.#released && !this.#failure,
    };
  }

  /** The line, from the Subject to the checkpoints. The shutdown subject completes the source, so what is behind it drains. */
  #run(recovered: Recovered): void {
    const accepted$ = this.#source.pipe(takeUntil(this.#shutdown$));
    accepted$
      .pipe(
        line({
          options: this.#options,
          recovered: {
            ...recovered,
            createSegment: (info) =>
              recovered.createSegment(info).pipe(
                tap(() => {
                  this.#segments.push(info);
                  this.#retainer.onSegment(info);
                  this.#counts.rotations += 1;
                  this.#diagnostics.rotate(info);
                }),
              ),
          },
          scheduler: this.#options.scheduler ?? monotonicScheduler,
          settled$: this.#settled$,
          barriers$: this.#barriers$,
          background$: this.#background$,
          onRejected: ({ error }) => {
            this.#verdict = error;
          },
          admit: (payload) => this.#admit(payload),
          onFrame: ({ lsn, start, end, records }) => {
            const lastLsn = records === undefined ? lsn : lsn + records - 1;
            this.#lastLsn = lastLsn;
            this.#pendingBytes += end - start;
            this.#verdict = lastLsn;
          },
          onBatch: (leaving) => {
            const { records, lastLsn, bytes } = leaving;
            if (records > 0) this.#handedLsn = lastLsn;
            this.#handedBytes = bytes;
            this.#inFlight = true;
            this.#reader.tails.keep(leaving);
          },
        }),
        tap((done) => {
          this.#onCommit(done);
        }),
        checkpoint({
          save: (asked) => concat(this.#retainer.settled, saveCheckpoint(this.#store, asked, this.#logId)),
          ...this.#removal(),
          floor: (asked) => this.#retainer.floor(asked),
          exclusively: this.#retainer.exclusively,
        }),
      )
      .subscribe({
        next: (outcome) => {
          this.#onCheckpoint(outcome);
        },
        error: (cause: unknown) => {
          this.#poison(cause);
        },
        complete: () => {
          this.#release();
        },
      });
  }

  /** How segments go. */
  #removal(): Pick<CheckpointOptions, 'remove' | 'syncDir' | 'segments'> {
    return {
      remove: ({ sequence }) => {
        this.#retainer.onRemoving();
        const name = segmentName(sequence);
        return this.#store.remove(name).pipe(asIoError('Removing', name));
      },
      syncDir: () => this.#store.syncDir().pipe(asIoError('Syncing', this.dir)),
      segments: this.#segments,
    };
  }

  // In.

  append(value: T): PendingAck {
    return this.#append(value);
  }

  appendAll(values: Iterable<T>): PendingAck {
    return this.#append(group(values));
  }

  #append(value: T | Group<T>): PendingAck {
    const outer = this.#appending;
    this.#appending = true;
    const verdict = this.#take(value);
    this.#appending = outer;
    if (typeof verdict === 'number') return new PendingAck(this.#acks, verdict);
    return new PendingAck({ waitFor: (_lsn, observer) => observer.error(verdict) }, 0);
  }

  next(value: T): void {
    const heard = this.#outputs.rejected.observed;
    const verdict = this.#take(value);
    if (typeof verdict !== 'number' && !heard) reportUnhandled(verdict);
  }

  error(error: unknown): void {
    if (this.#closing) {
      reportUnhandled(error);
      return;
    }
    this.#sourceError = { error };
    this.complete();
  }

  complete(): void {
    if (this.#closing) return;
    this.#closing = true;
    if (this.#failure) {
      if (!this.#stopping) this.#release();
    } else {
      this.#outputs.state.next('closing');
      this.#shutdown$.next();
    }
  }

  /** Sends a value down the line. @returns its LSN, of a group the last one, or why it has none. */
  #take(value: T | Group<T>): number | WalError {
    const verdict = this.#verdictOn(value);
    if (typeof verdict !== 'number') this.#reject(value, verdict);
    return verdict;
  }

  #reject(value: T | Group<T>, error: WalError): void {
    this.#counts.rejected += 1;
    this.#diagnostics.reject(error);
    this.#outputs.rejected.next(rejection(value, error));
  }

  #verdictOn(value: T | Group<T>): number | WalError {
    return this.#refusal('append') ?? this.#send(value);
  }

  #refusal(call: string): WalError | undefined {
    if (this.#failure) return new WalPoisonedError(this.#failure.cause, 'not written');
    return this.#closing ? new WalClosedError(call) : undefined;
  }

  /** What the line does with a value it does before `next` returns. A value may append another one on its way: each gets its own verdict. */
  #send(value: T | Group<T>): number | WalError {
    const outer = this.#verdict;
    this.#verdict = undefined;
    this.#source.next(value);
    const verdict = this.#verdict as number | WalError | undefined;
    this.#verdict = outer;
    return verdict ?? this.#refusal('append') ?? new WalClosedError('append');
  }

  /** @returns the payload where there is room for it. */
  #admit(payload: Payload): Payload | undefined {
    let admitted = payload;
    let refusal = this.#noRoomFor(payload);
    if (refusal && !this.#inFlight) {
      // Who is told of an ack meanwhile may append, and the codec use its memory again.
      const buffer = Uint8Array.from(bytesBetween(payload.buffer, payload.start, payload.end));
      admitted = { buffer, start: 0, end: buffer.length, commit: payload.commit, records: payload.records };
      this.#makeRoom();
      refusal = this.#noRoomFor(payload);
    }
    if (refusal) this.#full = true;
    this.#verdict = refusal;
    return refusal === undefined ? admitted : undefined;
  }

  /** Nobody else might: what has gathered waits for a commit record, or a clock that stands. So it leaves as it is. */
  #makeRoom(): void {
    this.#full = false;
    this.#barriers$.next({ kind: 'flush' });
  }

  #noRoomFor({ start, end, records: asked = 1 }: Payload): WalBackpressureError | undefined {
    const { maxPendingBytes, maxPendingRecords } = this.#options;
    const records = this.#lastLsn - this.#ackedLsn;
    if (records > 0 && records + asked > maxPendingRecords)
      return new WalBackpressureError('maxPendingRecords', maxPendingRecords, records, asked);
    const pending = this.#pendingBytes;
    if (pending === 0 || pending + (end - start) + FRAME_OVERHEAD_BYTES <= maxPendingBytes) return undefined;
    return new WalBackpressureError('maxPendingBytes', maxPendingBytes, pending, asked);
  }

  // Out.

  get acks$(): Observable<Ack> {
    return this.#outputs.acks$;
  }

  get commits$(): Observable<Commit> {
    return this.#outputs.commits$;
  }

  get [MEASURED_COMMITS](): Observable<Commit> {
    return this.#outputs.measured;
  }

  get durable$(): Observable<number> {
    return this.#outputs.durable$;
  }

  get state$(): Observable<WalState> {
    return this.#outputs.state$;
  }

  get rejected$(): Observable<Rejection<T>> {
    return this.#outputs.rejected$;
  }

  #onCommit(done: Commit): void {
    // All state before anyone hears of it.
    const before = this.#durableLsn;
    if (done.durable) this.#durableLsn = done.lastLsn;
    this.#ackedLsn = done.lastLsn;
    const isBatch = done.records > 0 || done.reason !== 'close';
    if (isBatch) {
      this.#pendingBytes -= this.#handedBytes;
      this.#handedBytes = 0;
      this.#inFlight = false;
    }
    if (done.bytes > 0 || done.firstLsn <= done.lastLsn) {
      this.#diagnostics.commit(done);
      if (this.#outputs.measured.observed) this.#outputs.measured.next(done);
      this.#outputs.commits.next(done);
    }
    if (this.#durableLsn > before) this.#outputs.durable.next(this.#durableLsn);
    this.#retainer.onCommit(done);
    // The next batch is on its way to the disk while acks are handed out.
    if (isBatch) this.#settled$.next();
    // A batch of barriers alone has made no room.
    if (this.#full && !this.#inFlight) {
      if (this.#lastLsn > this.#ackedLsn) this.#makeRoom();
      else this.#full = false;
    }
    this.#queue.release(this.#ackedLsn);
    if (this.#durableLsn > before) this.#reader.tails.moved();
    for (const barrier of done.barriers) this.#queue.wait(done.lastLsn, this.#turnOf(barrier, done));
  }

  /** A call is answered when the acks of all that came before it have been handed out. */
  #turnOf(barrier: Barrier, done: Commit): Observer<Ack> {
    const answer = (): void => {
      this.#turns.resolve(barrier, done);
    };
    return { next: answer, error: () => undefined, complete: () => undefined };
  }

  #onCheckpoint(outcome: CheckpointOutcome): void {
    const { checkpoint: asked, saved, error } = outcome;
    if (saved) {
      this.#saved = asked;
      this.#counts.checkpoints += 1;
    } else if (this.#asked === asked) this.#asked = this.#saved;
    this.#retainer.onCheckpoint(outcome);
    this.#diagnostics.checkpoint(outcome);
    if (error === undefined) this.#checkpoints.resolve(asked, asked);
    else this.#checkpoints.reject(asked, error);
  }

  // Calls that take their turn in the queue.

  async sync(): Promise<number> {
    if (this.#closing) {
      await this.close();
      return this.#durableLsn;
    }
    return (await this.#bar({ kind: 'sync' })).lastLsn;
  }

  async flush(): Promise<void> {
    if (this.#closing) await this.close();
    else await this.#bar({ kind: 'flush' });
  }

  async rotate(): Promise<void> {
    // The second one stands behind the making of the new segment.
    await Promise.all([this.#bar({ kind: 'rotate' }), this.#bar({ kind: 'flush' })]);
  }

  async checkpoint(mark: CheckpointMark = {}): Promise<Checkpoint> {
    checkNames('mark', mark, ['lsn', 'epoch', 'transactionId']);
    const before = this.#asked;
    // A cap or a projection may have gone further than the application, which does not know.
    const marked = integer('lsn', mark.lsn ?? this.#lastLsn, this.#markedLsn, this.#lastLsn);
    const lsn = Math.max(marked, before?.lsn ?? 0);
    const epoch = integer('epoch', mark.epoch ?? (before?.epoch ?? 0) + 1, before?.epoch ?? 0);
    const asked: Checkpoint = {
      lsn,
      epoch,
      ...(mark.transactionId === undefined ? {} : { transactionId: integer('transactionId', mark.transactionId, 0) }),
    };
    const refusal = this.#refusal('checkpoint');
    if (refusal) throw refusal;
    // What cannot be encoded now, from within the codec, must not fail the line.
    encodeCheckpointFile(asked, this.#logId);
    this.#asked = asked;
    this.#markedLsn = marked;
    const outcome = this.#checkpoints.wait(asked);
    const [done] = await Promise.all([outcome, this.#bar({ kind: 'checkpoint', checkpoint: asked })]);
    return done;
  }

  /** The log's own, for a cap or a projection: with the application's epoch and transaction as they were. Not one that goes back. Hot. */
  #checkpointAt(lsn: number, endSegment: boolean): Observable<Checkpoint> {
    if (this.#refusal('checkpoint')) return NEVER;
    if (lsn < (this.#asked?.lsn ?? 0)) return EMPTY;
    const { epoch = 0, transactionId } = this.#asked ?? {};
    const asked: Checkpoint = { lsn, epoch, ...(transactionId === undefined ? {} : { transactionId }) };
    this.#asked = asked;
    const outcome$ = this.#checkpoints.ask(asked);
    if (endSegment) this.#barriers$.next({ kind: 'rotate' });
    this.#barriers$.next({ kind: 'checkpoint', checkpoint: asked });
    return outcome$;
  }

  /** As `sync`, for who must not wait for a promise. Never answers on a log that is closing. Hot. */
  #makeDurable(): Observable<unknown> {
    if (this.#refusal('sync')) return NEVER;
    const barrier: Barrier = { kind: 'sync' };
    const done$ = this.#turns.ask(barrier);
    this.#barriers$.next(barrier);
    return done$;
  }

  async hold(name: string, lsn: number): Promise<void> {
    checkReaderName(name);
    integer('lsn', lsn, 0, this.#durableLsn);
    const refusal = this.#refusal('hold');
    if (refusal) throw refusal;
    await lastValueFrom(this.#retainer.hold(name, lsn));
  }

  async release(name: string): Promise<boolean> {
    checkReaderName(name);
    const refusal = this.#refusal('release');
    if (refusal) throw refusal;
    return await lastValueFrom(this.#retainer.release(name));
  }

  get readers(): readonly Reader[] {
    return this.#retainer.readers;
  }

  get retention$(): Observable<Retention> {
    return this.#retainer.retention$;
  }

  /** Puts a barrier behind everything appended so far. */
  #bar(barrier: Barrier): Promise<Commit> {
    const refusal = this.#refusal(barrier.kind);
    if (refusal) return Promise.reject(refusal);
    const turn = this.#turns.wait(barrier);
    this.#barriers$.next(barrier);
    return turn;
  }

  startBackgroundSync(): boolean {
    const { mode } = this.durability;
    if ((mode !== 'batch' && mode !== 'adaptive') || this.#background$.value || this.#refusal('startBackgroundSync'))
      return false;
    this.#background$.next(true);
    return true;
  }

  async stopBackgroundSync(): Promise<void> {
    this.#background$.next(false);
    if (this.#inFlight) await firstValueFrom(this.#settled$, { defaultValue: undefined });
  }

  // Looking.

  read(options: ReadOptions = {}): Entries<T> {
    return this.#reader.read(options);
  }

  tail(options: TailOptions = {}): Entries<T> {
    return this.#reader.tail(options);
  }

  project<S>(options: ProjectOptions<T, S>): Projection<S> {
    const refusal = this.#refusal('project');
    if (refusal) throw refusal;
    return this.#projections.start(options);
  }

  get dir(): string {
    return this.#store.dir;
  }

  get recordCount(): number {
    return this.#lastLsn - this.firstLsn + 1;
  }

  get firstLsn(): number {
    return this.#oldestSegment.firstLsn;
  }

  get lastLsn(): number {
    return this.#lastLsn;
  }

  get durableLsn(): number {
    return this.#durableLsn;
  }

  get lastCheckpoint(): Checkpoint | undefined {
    return this.#saved;
  }

  get checkpointEpoch(): number | undefined {
    return this.#saved?.epoch;
  }

  get stats(): WalStats {
    const pendingRecords = this.#lastLsn - this.#ackedLsn;
    return { pendingRecords, pendingBytes: this.#pendingBytes, segments: this.#segments.length, ...this.#counts };
  }

  logFiles(): Promise<string[]> {
    return Promise.resolve(this.#segments.map(({ sequence }) => join(this.dir, segmentName(sequence))));
  }

  writable(options?: WalWritableOptions): Writable {
    const target = {
      take: (value: T) => {
        const verdict = this.#verdictOn(value);
        if (typeof verdict === 'number') return undefined;
        // One that there is no room for yet is taken later, and not refused.
        if (!(verdict instanceof WalBackpressureError)) this.#reject(value, verdict);
        return verdict;
      },
      flush: () => this.flush(),
    };
    return walWritable(target, options);
  }

  /** A log has at least one segment. */
  get #oldestSegment(): SegmentInfo {
    return this.#segments[0] as SegmentInfo;
  }

  // The way out.

  close(): Promise<void> {
    this.complete();
    return lastValueFrom(this.#ended$, { defaultValue: undefined });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #poisoned(lsn: number): WalPoisonedError {
    return new WalPoisonedError(this.#failure?.cause, lsn > this.#handedLsn ? 'not written' : 'unknown', lsn);
  }

  /** A write or an fsync failed: stop for good. Nothing is retried, and nothing more is acknowledged. */
  #poison(cause: unknown): void {
    this.#failure = { cause };
    const error = new WalPoisonedError(cause, 'unknown');
    const heard =
      this.#appending ||
      this.#ended$.observed ||
      this.#outputs.isHeard ||
      this.#reader.tails.isHeard ||
      this.#queue.isWaiting ||
      this.#turns.size > 0;
    this.#stopping = true;
    this.#diagnostics.error(error);
    // What was acknowledged before is told first.
    this.#queue.finish(() => {
      this.#outputs.poison(error);
      this.#reader.tails.end(error);
      this.#retainer.fail(error);
      this.#queue.fail((lsn) => this.#poisoned(lsn));
      this.#turns.rejectAll(error);
      this.#checkpoints.rejectAll(error);
      this.#settled$.complete();
      this.#stopping = false;
      if (this.#closing) this.#release();
      if (!heard) reportUnhandled(error);
    });
  }

  /** Gives the lock back, and ends what is still open. */
  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#shutdownSubscription?.unsubscribe();
    const failure = this.#failure && new WalPoisonedError(this.#failure.cause, 'unknown');
    const end = (error: WalError | undefined): void => {
      this.#queue.finish(() => {
        this.#outputs.end(this.#sourceError);
        if (!this.#failure) this.#reader.tails.end();
        this.#retainer.end();
        if (error === undefined) {
          this.#ended$.next();
          this.#ended$.complete();
        } else {
          this.#ended$.error(error);
        }
      });
    };
    // What is still on its way to the disk must not come down on somebody else's log.
    concat(this.#projections.finish(failure), this.#retainer.drained, this.#store.quiet, this.#unlock()).subscribe({
      complete: () => {
        end(failure);
      },
      error: (error: unknown) => {
        end(failure ?? new WalIoError('Unlocking', this.dir, error));
      },
    });
  }
}
