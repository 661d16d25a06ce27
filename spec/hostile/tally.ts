import type { Origin } from './inputs';
import type { SalvageTrial } from './salvageTrial';
import type { Trial } from './trial';

/** What became of many inputs. */
export class Tally {
  readonly outcomes = new Map<string, number>();
  readonly origins = new Map<Origin, number>();
  /** Records that were read. */
  records = 0;

  /** Records that salvage gave beyond those of strict reading, and the gaps it told of. */
  salvaged = 0;
  gaps = 0;

  count(origin: Origin, { outcome, records }: Trial, salvage: SalvageTrial): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    this.origins.set(origin, (this.origins.get(origin) ?? 0) + 1);
    this.records += records;
    this.salvaged += salvage.salvaged - salvage.strict;
    this.gaps += salvage.gaps;
  }

  summary(): string {
    const { opened = 0, ...refusals } = Object.fromEntries(this.outcomes) as Record<string, number>;
    const refused = Object.entries(refusals).sort(([one], [other]) => (one < other ? -1 : 1));
    const origins = [...this.origins].map(([origin, count]) => `${count} ${origin}`).sort();
    return [
      `${opened} opened`,
      ...refused.map(([code, count]) => `${count} ${code}`),
      `${this.records} records read`,
      `${this.salvaged} more salvaged, ${this.gaps} gaps`,
      `(${origins.join(', ')})`,
    ].join(', ');
  }
}
