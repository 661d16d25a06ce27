import type { Event, StoredEntry } from './events';

/**
 * What a log has promised, as told by what it said: fed with the events of a run, it says what was broken. It knows no fault and no
 * workload; this holds for all of them.
 */
export class Judge {
  readonly complaints: string[] = [];
  /** What must be there, by LSN: the record acknowledged, or one of those that an opening may have found. */
  readonly #kept = new Map<number, readonly number[]>();
  /** What is on its way, by LSN. */
  readonly #pending = new Map<number, number[]>();
  readonly #lsnOf = new Map<number, number>();
  #lastKept = 0;
  /** The highest LSN that a checkpoint was asked for, and the highest that one was confirmed for. */
  #askedLsn = 0;
  #checkpointLsn = 0;
  #state = 'none';

  constructor(private readonly acksAreDurable: boolean) {}

  /** What the log holds before the run begins: records whose ids are their LSNs. */
  begin({ firstLsn, lastLsn, checkpointLsn }: { firstLsn: number; lastLsn: number; checkpointLsn: number }): void {
    for (let lsn = firstLsn; lsn <= lastLsn; lsn += 1) this.#kept.set(lsn, [lsn]);
    this.#lastKept = lastLsn;
    this.#checkpointLsn = this.#askedLsn = checkpointLsn;
  }

  hear(event: Event): void {
    switch (event.is) {
      case 'opened':
        this.opened(event.lastLsn, event.checkpointLsn);
        break;
      case 'append':
        this.#lsnOf.set(event.id, event.lsn);
        this.#pending.set(event.lsn, [...(this.#pending.get(event.lsn) ?? []), event.id]);
        break;
      case 'ack':
        this.#acknowledged(event);
        break;
      case 'lost':
        this.#lost(event);
        break;
      case 'turned away':
        this.#forget(event.id);
        break;
      case 'state':
        this.#state = event.state;
        break;
      case 'call':
        this.#askedLsn = Math.max(this.#askedLsn, event.lsn ?? 0);
        break;
      case 'done':
        if (event.name === 'checkpoint') this.#checkpointLsn = this.#askedLsn;
        break;
      case 'refused':
      case 'failed':
        this.#unless(event.refusal.code !== undefined, `an error without a code: ${JSON.stringify(event)}`);
        break;
      case 'entries':
        this.read(event.entries, this.acksAreDurable);
        break;
      case 'unhandled':
        this.complaints.push(event.message);
        break;
      case 'end':
        this.#unless(event.open === 0, `${event.open} descriptors were left open`);
        break;
      case 'opening':
        this.#state = 'none';
        break;
      case 'released':
        break;
    }
  }

  /** An opening: all that was kept is there, nothing that was not appended; and what is there now stays. */
  opened(lastLsn: number, checkpointLsn: number): void {
    this.#state = 'open';
    this.#unless(lastLsn >= this.#lastKept, `it opens at LSN ${lastLsn}, and ${this.#lastKept} was acknowledged`);
    for (let lsn = this.#lastKept + 1; lsn <= lastLsn; lsn += 1) {
      const ids = this.#pending.get(lsn) ?? [];
      this.#unless(ids.length > 0, `it opens with LSN ${lsn}, which was never on its way, or "not written"`);
      this.#kept.set(lsn, ids);
    }
    this.#lastKept = lastLsn;
    this.#pending.clear();
    this.#unless(
      checkpointLsn >= this.#checkpointLsn && checkpointLsn <= this.#askedLsn,
      `its checkpoint is ${checkpointLsn}; confirmed was ${this.#checkpointLsn}, asked for ${this.#askedLsn}`,
    );
    this.#checkpointLsn = this.#askedLsn = checkpointLsn;
  }

  /** A reading: dense, as it was appended, from the checkpoint at the latest; `whole`: to the last one kept. */
  read(entries: readonly StoredEntry[], whole: boolean): void {
    if (entries.length === 0 && !whole) return;
    const first = entries[0]?.lsn ?? this.#lastKept + 1;
    this.#unless(first <= this.#askedLsn + 1, `it begins with LSN ${first}, and the checkpoint is ${this.#askedLsn}`);
    const last = first + entries.length - 1;
    this.#unless(!whole || last >= this.#lastKept, `it ends with LSN ${last}, and ${this.#lastKept} was acknowledged`);
    for (const [index, { lsn, id }] of entries.entries()) {
      this.#unless(lsn === first + index, `LSN ${lsn} stands in place of ${first + index}`);
      const allowed = this.#kept.get(lsn) ?? this.#pending.get(lsn) ?? [];
      this.#unless(
        id !== undefined && allowed.includes(id),
        `LSN ${lsn} is record ${id}, not one of [${allowed.join()}]`,
      );
    }
  }

  #acknowledged({ id, lsn, durable }: Extract<Event, { is: 'ack' }>): void {
    this.#unless(
      this.#state !== 'poisoned' && this.#state !== 'closed',
      `LSN ${lsn} is acknowledged when ${this.#state}`,
    );
    this.#unless(
      lsn === this.#lsnOf.get(id),
      `record ${id} has LSN ${this.#lsnOf.get(id)}, and ${lsn} is acknowledged`,
    );
    this.#unless(lsn === this.#lastKept + 1, `LSN ${lsn} is acknowledged behind ${this.#lastKept}`);
    this.#unless(durable || !this.acksAreDurable, `LSN ${lsn} is acknowledged as not durable`);
    this.#kept.set(lsn, [id]);
    this.#lastKept = lsn;
    this.#pending.delete(lsn);
  }

  #lost({ id, refusal }: Extract<Event, { is: 'lost' }>): void {
    const { code, outcome } = refusal;
    this.#unless(code === 'WAL_POISONED', `record ${id} fails with ${JSON.stringify(refusal)}`);
    this.#unless(
      outcome === 'not written' || outcome === 'unknown',
      `record ${id} fails, and its outcome is ${outcome}`,
    );
    if (outcome === 'not written') this.#forget(id);
  }

  #forget(id: number): void {
    const lsn = this.#lsnOf.get(id) ?? 0;
    this.#pending.set(
      lsn,
      (this.#pending.get(lsn) ?? []).filter((pending) => pending !== id),
    );
  }

  #unless(good: boolean, complaint: string): void {
    if (!good) this.complaints.push(complaint);
  }
}
