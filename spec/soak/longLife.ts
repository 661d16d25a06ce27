/*
 * The program that is never killed: it opens a log, works on it and closes it, again and again, and says now and then what it holds.
 * It ends when it is told to, by a line on its standard input, behind enough cycles to say something.
 */
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { firstValueFrom, lastValueFrom, merge, take, toArray } from 'rxjs';
import {
  nodeStore,
  openWal,
  rawCodec,
  recoverWal,
  WalIoError,
  WalLockedError,
  WalPoisonedError,
  WalRecordError,
  type Wal,
  type WalOptions,
} from 'rxwal';
import { say } from '../disk/say';
import { Draw } from '../support/draw';
import { failingStore } from './failingStore';
import { identify, makeRecord, MIN_RECORD_BYTES } from './record';
import { takeSample, writeSample } from './sample';
import { drawWork, MAX_RECORD_BYTES, type Fault } from './work';

export interface LongLifeOptions {
  readonly seed: number;
  readonly fault: Fault | undefined;
  /** It does not end before so many cycles. */
  readonly minCycles: number;
}

const CYCLES_PER_SAMPLE = 8;
/** Every so manieth log is on a disk that gives up. */
const POISONED_EVERY = 4;
const KEPT_RECORDS = 20;

class LongLife {
  cycles = 0;
  poisoned = 0;
  readonly #draw: Draw;
  readonly #leaked: unknown[] = [];
  #number = 0;

  constructor(
    private readonly dir: string,
    private readonly options: LongLifeOptions,
  ) {
    this.#draw = new Draw(`${options.seed} long life`);
  }

  async cycle(): Promise<void> {
    this.cycles += 1;
    if (this.options.fault === 'leak') this.#leak();
    if (this.cycles % POISONED_EVERY === 0) await this.#poison();
    else await this.#work();
  }

  async #work(): Promise<void> {
    const wal = await openWal(this.dir, this.#walOptions());
    const outputs$ = merge(wal.acks$, wal.commits$, wal.durable$, wal.state$, wal.rejected$);
    const ended = lastValueFrom(outputs$);
    await this.#appendMany(wal);
    await wal.rotate();
    const more = this.#appendMany(wal);
    await this.#readPart(wal);
    await this.#refusals(wal);
    await wal.flush();
    await more;
    await wal.checkpoint({ lsn: Math.max(wal.lastCheckpoint?.lsn ?? 0, wal.lastLsn - KEPT_RECORDS) });
    await this.#readAll(wal);
    // What is on its way when the log is closed has to come to its end too.
    const last = this.#appendMany(wal);
    await wal.close();
    await last;
    await ended;
  }

  /** A log that stops at a failed write, and is closed then. Some disks give up while the log is being opened. */
  async #poison(): Promise<void> {
    const store = failingStore(nodeStore(this.dir), this.#draw.integer(1, 12));
    let ackedLsn = 0;
    try {
      const wal = await lastValueFrom(recoverWal(store, this.#walOptions()));
      wal.rejected$.subscribe({ error: () => undefined });
      const closed = async (): Promise<unknown> => wal.close().catch((error: unknown) => error);
      try {
        for (;;) ackedLsn = (await firstValueFrom(wal.append(this.#record()))).lsn;
      } catch (error) {
        if (!(error instanceof WalPoisonedError)) throw error;
      }
      if (!((await closed()) instanceof WalPoisonedError))
        throw new Error('a log that had stopped closed as if it had not');
    } catch (error) {
      if (!(error instanceof WalIoError)) throw error;
    }
    this.poisoned += 1;
    const healed = await openWal(this.dir, this.#walOptions());
    if (healed.lastLsn < ackedLsn)
      throw new Error(`LSN ${ackedLsn} was acked, and the log ends with ${healed.lastLsn}`);
    await healed.close();
  }

  async #appendMany(wal: Wal<Uint8Array>): Promise<void> {
    const records = Array.from({ length: this.#draw.integer(1, 40) }, () => this.#record());
    await Promise.all(records.map((record) => firstValueFrom(wal.append(record))));
  }

  /** A reader that goes away early. */
  async #readPart(wal: Wal<Uint8Array>): Promise<void> {
    await lastValueFrom(wal.read().pipe(take(this.#draw.integer(1, 4)), toArray()));
  }

  async #readAll(wal: Wal<Uint8Array>): Promise<void> {
    let due = wal.firstLsn;
    await wal.read().forEach(({ lsn, value }) => {
      if (lsn !== due || !identify(value)) throw new Error(`LSN ${lsn} is not what was appended as LSN ${due}`);
      due += 1;
    });
    if (due !== wal.durableLsn + 1) throw new Error(`the log holds ${wal.durableLsn}, and a reader got ${due - 1}`);
  }

  /** A record that is too large, and a second log on the same directory. */
  async #refusals(wal: Wal<Uint8Array>): Promise<void> {
    const refusals = await Promise.allSettled([
      firstValueFrom(wal.append(Buffer.alloc(MAX_RECORD_BYTES + 1))),
      openWal(this.dir, this.#walOptions()),
    ]);
    const [record, log] = refusals.map((refusal) =>
      refusal.status === 'rejected' ? (refusal.reason as unknown) : 'taken',
    );
    if (!(record instanceof WalRecordError)) throw new Error(`a record that is too large: ${String(record)}`);
    if (!(log instanceof WalLockedError)) throw new Error(`a second log: ${String(log)}`);
  }

  #walOptions(): WalOptions<Uint8Array> {
    const { durability, maxSegmentBytes, preallocateBytes } = drawWork(this.#draw);
    return { codec: rawCodec(), maxRecordBytes: MAX_RECORD_BYTES, durability, maxSegmentBytes, preallocateBytes };
  }

  #record(): Uint8Array {
    this.#number += 1;
    const identity = { log: 0, life: 1, number: this.#number, role: 'commit' } as const;
    return makeRecord(identity, this.#draw.integer(MIN_RECORD_BYTES, this.#draw.pick([200, 200, 5000])));
  }

  #leak(): void {
    const descriptor = openSync(this.dir, 'r');
    this.#leaked.push(
      setInterval(() => closeSync(descriptor), 2 ** 30),
      Array.from({ length: 10_000 }, () => ({})),
    );
  }
}

// Ctrl-C reaches every process of a terminal. The supervisor says when to end.
process.on('SIGINT', () => undefined);

async function main(dir: string, options: LongLifeOptions): Promise<void> {
  const life = new LongLife(dir, options);
  const stop = new AbortController();
  const input = createInterface(process.stdin).on('line', () => stop.abort());
  while (!stop.signal.aborted || life.cycles < options.minCycles) {
    await life.cycle();
    if (life.cycles % CYCLES_PER_SAMPLE !== 0) continue;
    // What a close has left for the next turn of the event loop has come to its end then.
    await new Promise(setImmediate);
    say(writeSample(takeSample(life.cycles, life.poisoned)));
  }
  input.close();
  process.exit();
}

if (require.main === module) void main(process.argv[2]!, JSON.parse(process.argv[3]!) as LongLifeOptions);
