import { AsyncSubject, firstValueFrom, skip, takeUntil } from 'rxjs';
import { openWal, rawCodec, WalBackpressureError, WalRecordError, WalTruncatedError, type Ack, type Wal } from 'rxwal';
import type { Draw } from '../support/draw';
import { endsTransaction, identify, makeRecord, type Role } from './record';
import { tell } from './words';
import { MAX_RECORD_BYTES, type Life, type Work } from './work';

/** Records that a checkpoint leaves in the log, at the most. */
const MAX_KEPT_RECORDS = 250;

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
    return new Session(wal, parts);
  }

  /** Ends with the close. Whoever kills the process does not wait for it. */
  async run(): Promise<void> {
    const ahead = this.#life.fault === 'durable-ahead' ? 1 : 0;
    this.wal.durable$.subscribe((lsn) => tell('durable', lsn + ahead));
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
  }

  /** Does not wait for the acks of the last burst: the close has to bring them. */
  async #produce(): Promise<void> {
    for (let left = this.#work.bursts; left > 0; left -= 1) {
      const size = this.#draw.integer(1, this.#work.burst);
      this.#done.intended += size;
      tell('intend', this.#done.intended);
      let last: Promise<void> = Promise.resolve();
      for (let nth = 1; nth <= size; nth += 1) last = (await this.#append(nth === size ? 'commit' : 'part')).acked;
      if (left > 1) await last;
    }
  }

  /** Appends one record, as soon as there is room for it. */
  async #append(role: Role): Promise<{ readonly acked: Promise<void> }> {
    const bytes = this.#draw.integer(...this.#work.sizes);
    for (;;) {
      const number = this.#done.appended + 1;
      const { refusal, acked } = this.#take(makeRecord({ ...this.#life, number, role }, bytes), number);
      if (refusal === undefined) {
        this.#done.appended = number;
        return { acked };
      }
      if (!(refusal instanceof WalBackpressureError)) throw refusal;
      tell('refused');
      // The records that fill the log up may wait for a commit record that there is no room for: no ack would come.
      if (this.#work.transactions) await this.wal.flush();
      else await firstValueFrom(this.wal.acks$);
    }
  }

  /** A refusal comes before `subscribe` returns. What comes later is the ack, or the end of this process. */
  #take(record: Uint8Array, number: number): { readonly refusal: Error | undefined; readonly acked: Promise<void> } {
    const early = this.#life.fault === 'early-ack';
    const refusals: unknown[] = [];
    let refuse = (error: unknown): void => void refusals.push(error);
    const acked = new Promise<void>((resolve, reject) => {
      this.wal.append(record).subscribe({
        next: (ack) => {
          if (!early) this.#tellAck(ack, number);
          resolve();
        },
        error: (error: unknown) => refuse(error),
      });
      refuse = reject;
    });
    const refusal = refusals[0] as Error | undefined;
    if (early && !refusal) {
      this.#tellAck({ lsn: this.wal.lastLsn, durable: this.#work.durability.mode !== 'nosync' }, number);
    }
    return { refusal, acked };
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
    const { refusal } = this.#take(tooLarge, 0);
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
