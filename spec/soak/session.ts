import { AsyncSubject, EMPTY, firstValueFrom, skip, takeUntil, type Observable } from 'rxjs';
import {
  openWal,
  rawCodec,
  WalBackpressureError,
  WalRecordError,
  WalTruncatedError,
  type Ack,
  type Projection,
  type Wal,
} from 'rxwal';
import type { Draw } from '../support/draw';
import { NOTHING_FOLDED, folded, type Fold } from '../support/fold';
import { NO_READER, READER_NAMES } from './heldReaders';
import { endsTransaction, identify, makeRecord, type Role } from './record';
import { tailBeside } from './tailBeside';
import { tell } from './words';
import { MAX_RECORD_BYTES, type Life, type Work } from './work';

/** Records that a checkpoint leaves in the log, at the most. */
const MAX_KEPT_RECORDS = 250;

/** What a group takes beside its records: its count, and a length for each. */
const GROUP_BYTES = 4;

/** What a life has done so far, in all its sessions. */
export interface Done {
  /** The number of its newest record. */
  appended: number;
  intended: number;
}

/** From an opening to the close, with everything in between, and each step told as it happens. */
export class Session {
  readonly #draw: Draw;
  readonly #life: Life;
  readonly #work: Work;
  readonly #done: Done;
  #isProducing = true;
  readonly #produced$ = new AsyncSubject<void>();

  private constructor(
    readonly wal: Wal<Uint8Array>,
    { life, work, draw, done }: SessionParts,
  ) {
    this.#draw = draw;
    this.#life = life;
    this.#work = work;
    this.#done = done;
  }

  static async open(dir: string, parts: SessionParts): Promise<Session> {
    const { durability, transactions, maxSegmentBytes, preallocateBytes, maxPendingRecords, maxPendingBytes } =
      parts.work;
    tell('opening');
    const wal = await openWal(dir, {
      codec: rawCodec(),
      maxRecordBytes: MAX_RECORD_BYTES,
      durability,
      maxSegmentBytes,
      preallocateBytes,
      maxPendingRecords,
      maxPendingBytes,
      ...(transactions && { isCommit: endsTransaction }),
    });
    const { firstLsn, lastLsn, clean, bytesCut, checkpoint } = wal.recovery;
    tell('open', firstLsn, lastLsn, Number(clean), bytesCut, checkpoint?.lsn ?? 0, checkpoint?.epoch ?? 0);
    for (const [reader, name] of READER_NAMES.entries()) {
      tell('reader', reader, wal.readers.find((held) => held.name === name)?.lsn ?? NO_READER);
    }
    return new Session(wal, parts);
  }

  /** Ends with the close. Whoever kills the process does not wait for it. */
  async run(): Promise<void> {
    const ahead = this.#life.fault === 'durable-ahead' ? 1 : 0;
    this.wal.durable$.subscribe((lsn) => tell('durable', lsn + ahead));
    const projection = await this.#project();
    const { firstLsn, durableLsn } = this.wal;
    const tailed = tailBeside(
      this.wal,
      this.#draw.integer(firstLsn - 1, Math.max(firstLsn - 1, durableLsn)),
      this.#work.tailPaceMs,
    );
    const producers = Array.from({ length: this.#work.producers }, () => this.#produce());
    const tended = this.#tend();
    await Promise.all(producers);
    this.#isProducing = false;
    this.#produced$.next();
    this.#produced$.complete();
    await tended;
    tell('closing');
    await this.wal.close();
    tell('closed');
    await tailed;
    const { lsn } = projection;
    if (lsn !== this.wal.lastLsn)
      throw new Error(`the projection ended with LSN ${lsn}, and the log with ${this.wal.lastLsn}`);
  }

  /** A state of the whole log, from a snapshot of an earlier session on. Tells of each state that it shows. */
  async #project(): Promise<Projection<Fold>> {
    const { fault } = this.#life;
    const projection = this.wal.project<Fold>({
      name: 'fold',
      initial: NOTHING_FOLDED,
      reduce: (fold, { lsn, value }) => {
        const { life, number } = identify(value) ?? { life: 0, number: 0 };
        const once = folded(fold, life, number);
        return fault === 'fold-twice' && lsn % 100 === 0 ? { ...folded(once, life, number), lsn } : once;
      },
      snapshotEvery: this.#work.snapshotEvery,
      checkpoint: false,
    });
    projection.state$.subscribe(({ lsn, state }) => {
      if (state.lsn !== lsn) throw new Error(`a projection at LSN ${lsn} has a state of ${state.lsn}`);
      tell('state', lsn, state.hash);
    });
    const { lsn } = await firstValueFrom(projection.state$);
    const { lastLsn } = this.wal.recovery;
    if (lsn < lastLsn) throw new Error(`a projection begins with LSN ${lsn}, and ${lastLsn} was durable`);
    return projection;
  }

  /** Does not wait for the acks of the last burst: the close has to bring them. */
  async #produce(): Promise<void> {
    for (let left = this.#work.bursts; left > 0; left -= 1) {
      const size = this.#draw.integer(1, this.#work.burst);
      this.#done.intended += size;
      tell('intend', this.#done.intended);
      let last: Promise<void> = Promise.resolve();
      if (this.#draw.integer(1, 10) <= this.#work.groups) last = (await this.#appendGroup(size)).acked;
      else for (let nth = 1; nth <= size; nth += 1) last = (await this.#append(nth === size ? 'commit' : 'part')).acked;
      if (left > 1) await last;
    }
  }

  /** Appends records as one group, or where they would be too many bytes for one, as several: all or none of each survives. */
  async #appendGroup(size: number): Promise<{ readonly acked: Promise<void> }> {
    for (let left = size; ;) {
      const sizes: number[] = [];
      for (let bytes = GROUP_BYTES; sizes.length < left; bytes += (sizes.at(-1) ?? 0) + GROUP_BYTES) {
        const next = this.#draw.integer(...this.#work.sizes);
        if (sizes.length > 0 && bytes + GROUP_BYTES + next > MAX_RECORD_BYTES) break;
        sizes.push(next);
      }
      left -= sizes.length;
      const { acked } = await this.#offer(sizes, left === 0 ? 'commit' : 'part');
      if (left === 0) return { acked };
    }
  }

  /** Appends one record, as soon as there is room for it. */
  async #append(role: Role): Promise<{ readonly acked: Promise<void> }> {
    return this.#offer([this.#draw.integer(...this.#work.sizes)], role, false);
  }

  /** Appends records of these sizes, the last of which has this role. */
  async #offer(sizes: readonly number[], role: Role, isGroup = true): Promise<{ readonly acked: Promise<void> }> {
    for (;;) {
      const first = this.#done.appended + 1;
      const records = sizes.map((bytes, index) =>
        makeRecord({ ...this.#life, number: first + index, role: index === sizes.length - 1 ? role : 'part' }, bytes),
      );
      if (isGroup) tell('group', first, first + sizes.length - 1);
      const { refusal, acked } = this.#take(records, first, isGroup);
      if (refusal === undefined) {
        this.#done.appended += sizes.length;
        return { acked };
      }
      if (!(refusal instanceof WalBackpressureError)) throw refusal;
      tell('refused', ...(isGroup ? [first] : []));
      // The records that fill the log up may wait for a commit record that there is no room for: no ack would come.
      if (this.#work.transactions) await this.wal.flush();
      else await firstValueFrom(this.wal.acks$);
    }
  }

  /** A refusal comes before `subscribe` returns. What comes later is the ack, or the end of this process. */
  #take(
    records: readonly Uint8Array[],
    number: number,
    isGroup: boolean,
  ): { readonly refusal: Error | undefined; readonly acked: Promise<void> } {
    const early = this.#life.fault === 'early-ack';
    const refusals: unknown[] = [];
    let refuse = (error: unknown): void => void refusals.push(error);
    const acked = new Promise<void>((resolve, reject) => {
      this.#hand(records, isGroup).subscribe({
        next: (ack) => {
          if (!early) this.#tellAcks(ack, number, records.length);
          resolve();
        },
        error: (error: unknown) => refuse(error),
      });
      refuse = reject;
    });
    const refusal = refusals[0] as Error | undefined;
    if (early && !refusal) {
      const durable = this.#work.durability.mode !== 'nosync';
      this.#tellAcks({ lsn: this.wal.lastLsn, durable }, number, records.length);
    }
    return { refusal, acked };
  }

  #hand(records: readonly Uint8Array[], isGroup: boolean): Observable<Ack> {
    const [record] = records;
    if (isGroup) return this.wal.appendAll(records);
    return record ? this.wal.append(record) : EMPTY;
  }

  /** The ack of a group has the LSN of its last record, and is that of each. */
  #tellAcks({ lsn, durable }: Ack, number: number, records: number): void {
    for (let index = 0; index < records; index += 1) {
      this.#tellAck({ lsn: lsn - records + 1 + index, durable }, number + index);
    }
  }

  #tellAck({ lsn, durable }: Ack, number: number): void {
    if (!durable && this.#work.durability.mode !== 'nosync') throw new Error(`the ack of LSN ${lsn} is not durable`);
    tell(durable ? 'ack' : 'written', lsn, number);
  }

  /** The calls beside the appends, one after the other, until the producers are done. */
  async #tend(): Promise<void> {
    const calls = [
      () => this.#rotate(),
      () => this.#checkpoint(),
      () => this.#checkpoint(),
      () => this.#read(),
      () => this.#hold(),
      () => this.#hold(),
      () => this.#stopClock(),
      () => this.#appendTooLarge(),
      async () => tell('durable', await this.wal.sync()),
      () => this.wal.flush(),
    ];
    const acks$ = this.wal.acks$.pipe(skip(this.#work.every - 1), takeUntil(this.#produced$));
    for (;;) {
      await firstValueFrom(acks$, { defaultValue: undefined });
      if (!this.#isProducing) return;
      await this.#draw.pick(calls)();
    }
  }

  async #rotate(): Promise<void> {
    tell('rotating');
    await this.wal.rotate();
    tell('rotated');
  }

  async #checkpoint(): Promise<void> {
    const { lastCheckpoint, durableLsn, lastLsn } = this.wal;
    const newest = this.#draw.pick([durableLsn, lastLsn]);
    const lsn = Math.max(lastCheckpoint?.lsn ?? 0, newest - this.#draw.integer(0, MAX_KEPT_RECORDS));
    const epoch = (lastCheckpoint?.epoch ?? 0) + this.#draw.integer(1, 3);
    tell('checkpointing', lsn, epoch);
    await this.wal.checkpoint({ lsn, epoch });
    tell('checkpointed', lsn, epoch);
    tell('durable', lsn);
  }

  /** Moves a reader on, or releases it. */
  async #hold(): Promise<void> {
    const reader = this.#draw.integer(0, READER_NAMES.length - 1);
    const name = READER_NAMES[reader] ?? READER_NAMES[0];
    const { durableLsn, readers } = this.wal;
    const held = readers.find((one) => one.name === name);
    const isReleased = held !== undefined && this.#draw.integer(1, 8) === 1;
    const lsn = isReleased ? NO_READER : this.#draw.integer(held?.lsn ?? durableLsn, durableLsn);
    tell('holding', reader, lsn);
    if (this.#life.fault !== 'forgotten-hold') {
      if (isReleased) await this.wal.release(name);
      else await this.wal.hold(name, lsn);
    }
    tell('held', reader, lsn);
  }

  /** Reads from anywhere while others append, and a checkpoint may come in between. */
  async #read(): Promise<void> {
    const { firstLsn, durableLsn } = this.wal;
    let lsn = this.#draw.integer(firstLsn - 1, Math.max(firstLsn - 1, durableLsn));
    let records = 0;
    try {
      await this.wal.read({ after: lsn }).forEach((entry) => {
        lsn += 1;
        records += 1;
        if (entry.lsn !== lsn) throw new Error(`a reader got LSN ${entry.lsn} where ${lsn} was due`);
        if (!identify(entry.value)) throw new Error(`a reader got LSN ${lsn}, and it is not what was appended`);
      });
      if (lsn < durableLsn) throw new Error(`a reader got no more than LSN ${lsn}, and ${durableLsn} was durable`);
    } catch (error) {
      if (!(error instanceof WalTruncatedError)) throw error;
    }
    tell('read', records);
  }

  /** Where the mode has no clock, this only flushes. */
  async #stopClock(): Promise<void> {
    await this.wal.stopBackgroundSync();
    await this.wal.flush();
    this.wal.startBackgroundSync();
  }

  async #appendTooLarge(): Promise<void> {
    const tooLarge = makeRecord({ ...this.#life, number: 0, role: 'refused' }, MAX_RECORD_BYTES + 1);
    const { refusal } = this.#take([tooLarge], 0, false);
    if (!(refusal instanceof WalRecordError)) throw new Error(`a record that is too large: ${String(refusal)}`);
    await this.wal.flush();
  }
}

export interface SessionParts {
  readonly life: Life;
  readonly work: Work;
  readonly draw: Draw;
  readonly done: Done;
}
