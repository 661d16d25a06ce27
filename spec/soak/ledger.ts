import type { Entry } from 'rxwal';
import { NOTHING_FOLDED, folded } from '../support/fold';
import { HeldReaders } from './heldReaders';
import { identify } from './record';
import type { Told } from './words';

/** What has been found to be wrong. */
export interface Finding {
  /** `lost`: promised, and not there. `wrong`: there, and not as promised; or a promise that cannot be true. */
  readonly kind: 'lost' | 'wrong';
  /** Records, one at least. */
  readonly records: number;
  readonly what: string;
}

interface CheckpointAsked {
  readonly lsn: number;
  readonly epoch: number;
}

/** What an opening has found. */
interface Opened {
  readonly lastLsn: number;
  readonly clean: boolean;
  readonly checkpoint: CheckpointAsked | undefined;
}

interface LifeSpan {
  /** Its record number n has the LSN `base + n`. */
  readonly base: number;
  /** It never meant to append more. */
  intended: number;
}

const NO_CHECKPOINT: CheckpointAsked = { lsn: 0, epoch: 0 };

/**
 * What the writers of one log have said, and what must be in its directory for that reason. It holds no record: which one an LSN belongs
 * to follows from the life that wrote it, and what a checkpoint has removed is forgotten.
 */
export class Ledger {
  readonly findings: Finding[] = [];
  readonly #log: number;
  readonly #lives = new Map<number, LifeSpan>();
  #life = 0;
  /** Up to here everything was said to be durable. */
  #durableLsn = 0;
  /** Up to here everything was said to be written, and no process that is killed takes that along. */
  #writtenLsn = 0;
  /** The last LSN found in the log when it was last looked at. */
  #verifiedLsn = 0;
  /** The newest LSN whose ack came in this life. */
  #ackedLsn = 0;
  #saved = NO_CHECKPOINT;
  /** Asked for behind the one saved: such a one may hold or not. */
  #asked: CheckpointAsked[] = [];
  /** First and last LSN of each group of this life: all of it is there, or nothing. */
  #groups: (readonly [number, number])[] = [];
  readonly #readers = new HeldReaders();
  #folded = NOTHING_FOLDED;
  /** It was closed, so that the next opening has to be clean. */
  #closed = false;
  #wasClosed = false;

  constructor(log: number) {
    this.#log = log;
  }

  /** The last LSN that has been seen in the log, or was said to be in it. */
  get lastLsn(): number {
    return Math.max(this.#durableLsn, this.#writtenLsn, this.#verifiedLsn);
  }

  /** A process begins, on the log as it was found last. */
  begin(life: number): void {
    this.#fold(this.#verifiedLsn);
    this.#groups = [];
    this.#life = life;
    this.#ackedLsn = this.#verifiedLsn;
    this.#lives.set(life, { base: this.#verifiedLsn, intended: 0 });
  }

  hear({ word, numbers: [first = NaN, second = NaN, ...rest] }: Told): void {
    switch (word) {
      case 'opening':
        this.#wasClosed = this.#closed;
        // From here on a kill may leave anything.
        this.#closed = false;
        break;
      case 'open':
        this.#hearOpen(second, rest);
        break;
      case 'intend':
        this.#span.intended = first;
        break;
      case 'ack':
        this.#hearAck(first, second);
        this.#durableLsn = Math.max(this.#durableLsn, first);
        break;
      case 'written':
        this.#hearAck(first, second);
        this.#writtenLsn = Math.max(this.#writtenLsn, first);
        break;
      case 'durable':
        this.#durableLsn = Math.max(this.#durableLsn, first);
        break;
      case 'shown':
        this.#durableLsn = Math.max(this.#durableLsn, first);
        break;
      case 'group':
        this.#groups.push([this.#span.base + first, this.#span.base + second]);
        break;
      case 'holding':
        this.#readers.ask(first, second);
        break;
      case 'held':
        this.#readers.hold(first, second);
        break;
      case 'reader':
        this.#hearReader(first, second);
        break;
      case 'state':
        this.#hearState(first, second);
        break;
      case 'checkpointing':
        this.#asked.push({ lsn: first, epoch: second });
        break;
      case 'checkpointed':
        this.#saved = { lsn: first, epoch: second };
        this.#asked = [];
        break;
      case 'closed':
        this.#closed = true;
        // A close makes durable what was written.
        this.#durableLsn = Math.max(this.#durableLsn, this.#writtenLsn);
        break;
      case 'refused':
        this.#groups = this.#groups.filter(([lsn]) => lsn !== this.#span.base + first);
        break;
      case 'rotating':
      case 'rotated':
      case 'read':
      case 'closing':
        break;
    }
  }

  /** Looks at every record that is in the log, in its order. */
  inspect(): Inspection {
    return new Inspection(this);
  }

  /** A record of the log, at its place. */
  see({ lsn, value }: Entry<Uint8Array>): void {
    const identity = identify(value);
    const span = identity && this.#lives.get(identity.life);
    if (!identity || !span) {
      this.#wrong(`LSN ${lsn} is none of the records that were appended`);
    } else if (identity.log !== this.#log || identity.role === 'refused') {
      this.#wrong(`LSN ${lsn} holds a record that this log has not taken: ${JSON.stringify(identity)}`);
    } else if (span.base + identity.number !== lsn) {
      this.#wrong(
        `LSN ${lsn} holds the record of LSN ${span.base + identity.number}: life ${identity.life}, ${identity.number}`,
      );
    } else if (identity.number > span.intended) {
      this.#wrong(
        `LSN ${lsn} holds record ${identity.number} of life ${identity.life}, which intended no more than ${span.intended}`,
      );
    }
  }

  /** The log has been read from its first record to its last; where it holds none, the last is the one before the first. */
  settle(firstLsn: number, lastLsn: number): void {
    const needed = Math.max(this.#saved.lsn, ...this.#asked.map(({ lsn }) => lsn)) + 1;
    if (firstLsn > needed) {
      this.#lost(needed, firstLsn - 1, `the log begins with LSN ${firstLsn}, and no checkpoint is above ${needed - 1}`);
    }
    const held = this.#readers.lsn;
    if (firstLsn > held + 1) {
      this.#lost(
        held + 1,
        firstLsn - 1,
        `the log begins with LSN ${firstLsn}, and a reader was promised all from ${held + 1}`,
      );
    }
    const torn = this.#groups.find(([first, last]) => first <= lastLsn && lastLsn < last);
    if (torn) this.#wrong(`the log ends with LSN ${lastLsn}, inside the group of ${torn.join(' to ')}`);
    const promises = [
      [this.#durableLsn, 'was said to be durable'],
      [this.#writtenLsn, 'was said to be written'],
      [this.#verifiedLsn, 'had been read'],
    ] as const;
    const broken = promises.find(([lsn]) => lsn > lastLsn);
    if (broken)
      this.#lost(lastLsn + 1, broken[0], `the log ends with LSN ${lastLsn}, and LSN ${broken[0]} ${broken[1]}`);
    this.#verifiedLsn = lastLsn;
    this.#forget(firstLsn);
  }

  /** Opening or reading the log failed: from `lsn` on nothing of what was promised can be had. */
  refused(lsn: number, why: string): void {
    this.#lost(lsn, Math.max(lsn, this.lastLsn), why);
  }

  /** A writer ended or stopped by itself: no promise is broken by that, and yet it must not. */
  stopped(how: string): void {
    this.#wrong(how);
  }

  /** It has been opened, behind what was found last: what was merely read before is durable now. */
  opened({ lastLsn, clean, checkpoint = NO_CHECKPOINT }: Opened): void {
    if (lastLsn !== this.#verifiedLsn) {
      this.#wrong(`it opens with LSN ${lastLsn} as the last, and a reader had got ${this.#verifiedLsn}`);
    }
    if (this.#wasClosed && !clean) this.#wrong('it had been closed, and does not open as a clean one');
    this.#durableLsn = Math.max(this.#durableLsn, lastLsn);
    this.#hold(checkpoint);
  }

  #hearOpen(lastLsn: number, [clean = NaN, bytesCut = NaN, lsn = NaN, epoch = NaN]: readonly number[]): void {
    if (this.#ackedLsn === this.#span.base) {
      this.opened({ lastLsn, clean: clean === 1, checkpoint: { lsn, epoch } });
      return;
    }
    if (lastLsn !== this.#ackedLsn || clean !== 1 || bytesCut !== 0) {
      this.#wrong(
        `life ${this.#life} closed it at LSN ${this.#ackedLsn}; it opens with ${lastLsn}, clean ${clean}, ${bytesCut} bytes cut`,
      );
    }
    this.#hold({ lsn, epoch });
  }

  /** The checkpoint that it has is the one that was saved, or one that was asked for after it. */
  #hold({ lsn, epoch }: CheckpointAsked): void {
    const found = [this.#saved, ...this.#asked].find((known) => known.lsn === lsn && known.epoch === epoch);
    if (!found) this.#wrong(`it has the checkpoint ${lsn}, epoch ${epoch}; ${JSON.stringify(this.#saved)} was saved`);
    this.#saved = found ?? this.#saved;
    this.#asked = [];
  }

  /** Acks come in the order of the LSNs, each once. */
  #hearAck(lsn: number, number: number): void {
    const { base } = this.#span;
    if (lsn !== this.#ackedLsn + 1) this.#wrong(`the ack of LSN ${lsn} came behind that of LSN ${this.#ackedLsn}`);
    if (lsn !== base + number) this.#wrong(`record ${number} was given LSN ${lsn}, and ${base + number} was due`);
    this.#ackedLsn = lsn;
  }

  #hearReader(reader: number, lsn: number): void {
    const wrong = this.#readers.found(reader, lsn);
    if (wrong !== undefined) this.#wrong(wrong);
  }

  /** Whatever snapshots and restarts lie behind it: every record up to there has been taken in once, in its order. */
  #hearState(lsn: number, hash: number): void {
    if (lsn < this.#folded.lsn) this.#wrong(`a projection was at LSN ${this.#folded.lsn}, and is at ${lsn}`);
    this.#fold(lsn);
    if (lsn === this.#folded.lsn && hash !== this.#folded.hash) {
      this.#wrong(`a projection's state at LSN ${lsn} is not what the records up to there make`);
    }
  }

  /** On to `lsn`, with records of this life. */
  #fold(lsn: number): void {
    const span = this.#lives.get(this.#life);
    if (!span) return;
    while (this.#folded.lsn < lsn) this.#folded = folded(this.#folded, this.#life, this.#folded.lsn + 1 - span.base);
  }

  get #span(): LifeSpan {
    return this.#lives.get(this.#life)!;
  }

  /** Lives whose records have all been removed. */
  #forget(firstLsn: number): void {
    const spans = [...this.#lives];
    for (const [index, [life]] of spans.entries()) {
      const next = spans[index + 1];
      if (next && next[1].base < firstLsn) this.#lives.delete(life);
    }
  }

  #lost(from: number, to: number, why: string): void {
    const which = from === to ? `LSN ${from} is lost` : `LSN ${from} to ${to} are lost`;
    this.findings.push({ kind: 'lost', records: to - from + 1, what: `${which}: ${why}` });
  }

  #wrong(what: string): void {
    this.findings.push({ kind: 'wrong', records: 1, what });
  }
}

/** One reading of the log. */
export class Inspection {
  readonly #ledger: Ledger;
  #firstLsn: number | undefined;
  #lastLsn = 0;
  records = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  see(entry: Entry<Uint8Array>): void {
    if (this.#firstLsn !== undefined && entry.lsn !== this.#lastLsn + 1) {
      this.#ledger.refused(this.#lastLsn + 1, `LSN ${entry.lsn} comes behind LSN ${this.#lastLsn}`);
    }
    this.#firstLsn ??= entry.lsn;
    this.#lastLsn = entry.lsn;
    this.records += 1;
    this.#ledger.see(entry);
  }

  /** @returns whether there was any record: a log without one does not say where it ends. */
  end(): boolean {
    if (this.#firstLsn === undefined) return false;
    this.#ledger.settle(this.#firstLsn, this.#lastLsn);
    return true;
  }

  failed(error: unknown): void {
    this.#ledger.refused(this.#lastLsn + 1, String(error));
  }
}
