/**
 * What a writer has said, and what may and must be found after a power cut because of it.
 *
 * Everything that was promised carries a stamp: the length that the recorder's journal had after the promise was made. A power cut at
 * or behind that length must not take it back.
 */
export interface Promised {
  /** Everything up to this LSN was acknowledged as durable. */
  readonly durableLsn: number;
  /** The newest checkpoint that was done. */
  readonly checkpointLsn: number;
  /** The newest checkpoint that was asked for: records up to it may be gone. */
  readonly askedCheckpointLsn: number;
  /** Where the reader was promised to be held; -1 for nowhere. */
  readonly heldLsn: number;
  /** Where it was asked to be. */
  readonly askedHeldLsn: number;
}

interface Stamped extends Promised {
  readonly stamp: number;
}

const NOTHING: Promised = { durableLsn: 0, checkpointLsn: 0, askedCheckpointLsn: 0, heldLsn: -1, askedHeldLsn: -1 };

export class Truth {
  /** What the log itself did wrong, without any power cut. */
  readonly wrong: string[] = [];
  readonly #history: Stamped[];
  /** For each LSN, the openings that appended a record with it. More than one where an unacknowledged record was lost. */
  readonly #appended: Map<number, Set<number>>;
  /** For each LSN, the last opening that appended it; for a durable one, the one. */
  readonly #owner: Map<number, number>;

  /** First LSN, last LSN and opening of each group: all of it is there, or none. */
  readonly #groups: (readonly [number, number, number])[];

  /** @param before what was promised before the journal began, where the disk is not a new one. */
  constructor(before?: { readonly truth: Truth; readonly promised: Promised }) {
    this.#history = [{ ...(before?.promised ?? NOTHING), stamp: 0 }];
    this.#appended = new Map(before ? [...before.truth.#appended].map(([lsn, by]) => [lsn, new Set(by)]) : []);
    this.#owner = new Map(before ? before.truth.#owner : []);
    this.#groups = before ? [...before.truth.#groups] : [];
    // What was durable only behind the cut that this disk is from is not promised any more; who wrote it is open again.
    for (const lsn of [...this.#owner.keys()]) {
      if (lsn > this.#history[0]!.durableLsn) this.#owner.delete(lsn);
    }
  }

  get #last(): Stamped {
    return this.#history.at(-1)!;
  }

  get durableLsn(): number {
    return this.#last.durableLsn;
  }

  /** Takes one line of a writer: a word and numbers. */
  hear(line: string): void {
    const [word, ...texts] = line.split(' ');
    const [first = NaN, second = NaN, third = NaN] = texts.map(Number);
    switch (word) {
      case 'append':
        this.#heardAppend(first, second);
        break;
      case 'found':
        this.#heardFound(first, second, third);
        break;
      case 'durable':
        this.#promise(second, { durableLsn: Math.max(this.#last.durableLsn, first) });
        break;
      case 'group':
        this.#groups.push([first, second, third]);
        break;
      case 'holding':
        this.#promise(second, { askedHeldLsn: Math.max(this.#last.askedHeldLsn, first) });
        break;
      case 'held':
        this.#promise(second, { heldLsn: Math.max(this.#last.heldLsn, first) });
        break;
      case 'checkpointing':
        this.#promise(second, { askedCheckpointLsn: Math.max(this.#last.askedCheckpointLsn, first) });
        break;
      case 'checkpointed':
        this.#promise(second, { checkpointLsn: Math.max(this.#last.checkpointLsn, first) });
        break;
      case 'opened':
        this.#heardOpened(first, second);
        break;
      default:
        throw new Error(`A writer said ${line}`);
    }
  }

  /** What a power cut must not take back when the device had answered `stamp` bytes of the journal. */
  at(stamp: number): Promised {
    return this.#history.findLast((promised) => promised.stamp <= stamp)!;
  }

  /** Whether an opening appended a record with this LSN. */
  isAppended(lsn: number, opening: number): boolean {
    return this.#appended.get(lsn)?.has(opening) ?? false;
  }

  /** Who wrote the record that was acknowledged. */
  ownerOf(lsn: number): number | undefined {
    return this.#owner.get(lsn);
  }

  /** Whether a log that ends with this record of an opening has a part of a group only. */
  isInsideGroup(lsn: number, opening: number): boolean {
    return this.#groups.some(([first, last, by]) => by === opening && first <= lsn && lsn < last);
  }

  #heardAppend(lsn: number, opening: number): void {
    if (lsn <= this.#last.durableLsn) this.wrong.push(`LSN ${lsn} was given again, and it was durable`);
    this.#appended.set(lsn, (this.#appended.get(lsn) ?? new Set()).add(opening));
    this.#owner.set(lsn, opening);
  }

  /** An opening shows these records, so they are durable, whether they were acknowledged or not. */
  #heardFound(opening: number, from: number, to: number): void {
    for (let lsn = from; lsn <= to; lsn += 1) {
      if (!this.isAppended(lsn, opening)) this.wrong.push(`LSN ${lsn} of opening ${opening} was never appended`);
      if (lsn <= this.#last.durableLsn && this.#owner.get(lsn) !== opening) {
        this.wrong.push(`LSN ${lsn} is that of opening ${opening}, not the acknowledged one`);
      }
      this.#owner.set(lsn, opening);
    }
  }

  #heardOpened(lastLsn: number, stamp: number): void {
    const { durableLsn } = this.#last;
    if (lastLsn < durableLsn) this.wrong.push(`opened again, it ends at ${lastLsn}, and ${durableLsn} was durable`);
    this.#promise(stamp, { durableLsn: Math.max(lastLsn, durableLsn) });
  }

  #promise(stamp: number, what: Partial<Promised>): void {
    this.#history.push({ ...this.#last, ...what, stamp });
  }
}
