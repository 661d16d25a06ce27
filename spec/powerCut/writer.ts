/*
 * The program whose power is cut: opens a log on the recorder's disk, appends, closes, opens it again, and writes down outside
 * that disk what the log has promised, each time with the length that the recorder's journal has by then.
 *
 * The lines: `append LSN OPENING` before the call; `durable LSN STAMP`; `checkpointing LSN STAMP` before the call and
 * `checkpointed LSN STAMP` after it; `holding LSN STAMP` and `held LSN STAMP` for its reader; `group FIRST LAST OPENING` behind the `append` of
 * each of its records; and for each opening `found OPENING FROM TO` for the records it shows, then
 * `opened LAST_LSN STAMP`. On the standard output `failed ERROR` for each time that the log stopped
 * or did not open.
 */
import { fstatSync, openSync, writeSync } from 'node:fs';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { WalIoError, WalPoisonedError } from '../../src/errors';
import { openWal } from '../../src/openWal';
import type { WalOptions } from '../../src/options';
import { rawCodec } from '../../src/codec/rawCodec';
import type { Wal } from '../../src/wal';
import { say } from '../disk/say';
import { READER, follow, projectFold } from './followed';
import { openingOf, recordBytes } from './records';

/** One opening of the log, and what is done with it until it is closed. */
export interface Opening {
  readonly options: Pick<WalOptions<Uint8Array>, 'durability' | 'preallocateBytes' | 'maxSegmentBytes'>;
  /** Appends that are on their way at a time. */
  readonly outstanding: number;
  /** Records of each append: one, or a group. */
  readonly group: number;
  /** Records between two snapshots of the projection. */
  readonly snapshotEvery: number;
  /** Acks between one sync(), rotate(), checkpoint() or hold() and the next. */
  readonly every: number;
  readonly milliseconds: number;
  /** Acks until the recorder is told to fail a write or a flush; 0 for never. */
  readonly failAfter: number;
  /** How it fails: nothing of a write reaches the disk, or half of it; or a flush does not. */
  readonly failWith: 'SIGUSR1' | 'SIGUSR2' | 'SIGHUP';
}

export interface WriterPlan {
  readonly dir: string;
  readonly journal: string;
  readonly promises: string;
  readonly recorder: number;
  readonly firstOpening: number;
  readonly openings: readonly Opening[];
  /** The fault that the check must find: what was only handed to the operating system is said to be durable. */
  readonly isLying: boolean;
  /** Bytes of the journal at which it is enough. */
  readonly maxJournalBytes: number;
  /** The last opening is closed; else the process ends with the log open. */
  readonly closes: boolean;
}

async function main(plan: WriterPlan): Promise<void> {
  const journal = openSync(plan.journal, 'r');
  const promises = openSync(plan.promises, 'a');
  const stamp = (): number => fstatSync(journal).size;
  const promise = (line: string): void => {
    writeSync(promises, `${line}\n`);
  };

  for (const [index, opening] of plan.openings.entries()) {
    const number = plan.firstOpening + index;
    const isLast = index === plan.openings.length - 1;
    const wal = await openPatiently(plan.dir, opening);
    if (!wal) break;
    await tellFound(wal, promise);
    promise(`opened ${wal.lastLsn} ${stamp()}`);
    const projection = projectFold(wal, opening.snapshotEvery);
    // From here on it holds the log. A failure is the log's own, and the work ends with it.
    await firstValueFrom(projection.state$).catch(() => undefined);
    const { wrong } = follow(wal, (lsn) => promise(`durable ${lsn} ${stamp()}`));
    const failure = await new Work(wal, number, opening, plan, stamp, promise).done;
    if (failure !== undefined) sayFailed(failure);
    if (failure !== undefined || !isLast || plan.closes) {
      try {
        await wal.close();
        promise(`durable ${wal.lastLsn} ${stamp()}`);
      } catch (error) {
        if (!(error instanceof WalPoisonedError)) throw error;
        if (failure === undefined) sayFailed(error);
      }
    }
    if (wrong[0] !== undefined) throw new Error(wrong[0]);
    if (stamp() > plan.maxJournalBytes) break;
  }
  say('done');
  process.exit(0);
}

/** Says which records an opening shows, those of one earlier opening at a time. */
async function tellFound(wal: Wal<Uint8Array>, promise: (line: string) => void): Promise<void> {
  const entries = await lastValueFrom(wal.read().pipe(toArray()));
  const written = entries.map(({ lsn, value }) => ({ lsn, by: openingOf(lsn, value) ?? NaN }));
  for (let from = 0; from < written.length;) {
    const { by } = written[from]!;
    let to = from;
    while (to + 1 < written.length && written[to + 1]!.by === by) to += 1;
    promise(`found ${by} ${written[from]!.lsn} ${written[to]!.lsn}`);
    from = to + 1;
  }
}

/**
 * Opens the log, twice where the failure that the recorder was told to bring comes only now. `undefined` where that failure has ended
 * the file system: a flush that fails may turn it read-only, or off.
 */
async function openPatiently(dir: string, { options }: Opening): Promise<Wal<Uint8Array> | undefined> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      return await openWal(dir, { ...options, codec: rawCodec() });
    } catch (error) {
      if (!(error instanceof WalIoError)) throw error;
      sayFailed(error);
    }
  }
  return undefined;
}

function sayFailed(error: unknown): void {
  say(`failed ${error instanceof Error ? error.message : String(error)}`);
}

/** Appends, syncs, rotates and checkpoints until its time is over or the log stops. */
class Work {
  /** The failure that stopped the log; `undefined` where none did. */
  readonly done: Promise<unknown>;
  readonly #until: number;
  #waiting = 0;
  #acks = 0;
  #calls = 0;
  #isOver = false;
  #end!: (failure: unknown) => void;

  constructor(
    private readonly wal: Wal<Uint8Array>,
    private readonly number: number,
    private readonly opening: Opening,
    private readonly plan: WriterPlan,
    private readonly stamp: () => number,
    private readonly promise: (line: string) => void,
  ) {
    this.#until = performance.now() + opening.milliseconds;
    this.done = new Promise((resolve) => (this.#end = resolve));
    wal.durable$.subscribe({
      next: (lsn) => this.#durable(lsn),
      error: (error: unknown) => this.#stop(error),
    });
    this.#append();
  }

  #durable(lsn: number): void {
    this.promise(`durable ${lsn} ${this.stamp()}`);
  }

  #append(): void {
    while (this.#waiting < this.opening.outstanding && !this.#isOver) {
      const first = this.wal.lastLsn + 1;
      const { group } = this.opening;
      const records = Array.from({ length: group }, (_, index) => recordBytes(first + index, this.number));
      for (const index of records.keys()) this.promise(`append ${first + index} ${this.number}`);
      if (group > 1) this.promise(`group ${first} ${first + group - 1} ${this.number}`);
      this.#waiting += 1;
      const [record = Buffer.alloc(0)] = records;
      const ack$ = group > 1 ? this.wal.appendAll(records) : this.wal.append(record);
      ack$.subscribe({
        next: (ack) => {
          if (ack.durable || this.plan.isLying) this.#durable(ack.lsn);
          this.#waiting -= 1;
          this.#acked();
        },
        error: (error: unknown) => this.#stop(error),
      });
    }
  }

  #acked(): void {
    this.#acks += 1;
    if (this.#acks === this.opening.failAfter) process.kill(this.plan.recorder, this.opening.failWith);
    if (this.#acks % this.opening.every === 0) this.#call();
    if (performance.now() >= this.#until || this.stamp() > this.plan.maxJournalBytes) this.#stop(undefined);
    else setImmediate(() => this.#append());
  }

  #stop(failure: unknown): void {
    this.#isOver = true;
    this.#end(failure);
  }

  /** One call between the appends, which go on meanwhile. */
  #call(): void {
    const calls = [() => this.#sync(), () => this.wal.rotate(), () => this.#checkpoint(), () => this.#hold()];
    this.#calls += 1;
    calls[this.#calls % calls.length]!().catch((error: unknown) => this.#stop(error));
  }

  async #sync(): Promise<void> {
    this.#durable(await this.wal.sync());
  }

  async #hold(): Promise<void> {
    const held = this.wal.readers.find(({ name }) => name === READER)?.lsn ?? 0;
    const lsn = held > 0 ? Math.max(held, this.wal.durableLsn - this.opening.every) : this.wal.durableLsn;
    this.promise(`holding ${lsn} ${this.stamp()}`);
    await this.wal.hold(READER, lsn);
    this.promise(`held ${lsn} ${this.stamp()}`);
  }

  async #checkpoint(): Promise<void> {
    const lsn = Math.max(this.wal.lastCheckpoint?.lsn ?? 0, this.wal.durableLsn - 2 * this.opening.every);
    this.promise(`checkpointing ${lsn} ${this.stamp()}`);
    await this.wal.checkpoint({ lsn });
    this.promise(`checkpointed ${lsn} ${this.stamp()}`);
  }
}

if (require.main === module) {
  main(JSON.parse(process.argv[2]!) as WriterPlan).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(1);
  });
}
