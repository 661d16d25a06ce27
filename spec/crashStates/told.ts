import assert from 'node:assert/strict';
import type { Checkpoint, Entry } from 'rxwal';

/** What a log was asked and what it said, in the order in which it happened. */
export type Told =
  /** A value is about to be appended. */
  | { readonly appended: string }
  /** Values are about to be appended as one group. */
  | { readonly appendedAll: readonly string[] }
  /** Every record up to this LSN survives a power cut: an ack, or the durable LSN. */
  | { readonly durable: number }
  /** A log was opened, and showed this as its last LSN: what is there is durable, what is not will not come back. */
  | { readonly opened: number }
  /** A checkpoint is about to be asked for. */
  | { readonly asked: Checkpoint }
  /** It holds. */
  | { readonly saved: Checkpoint };

/** What follows from that. */
interface Truth {
  /** Everything appended that may be there: LSN 1 is the first. */
  readonly values: readonly string[];
  /** First and last LSN of each group: all of it is there, or none. */
  readonly groups: readonly (readonly [number, number])[];
  readonly durableLsn: number;
  readonly asked: readonly Checkpoint[];
  readonly saved: Checkpoint | undefined;
}

function truthOf(told: readonly Told[]): Truth {
  const values: string[] = [];
  let groups: (readonly [number, number])[] = [];
  const asked: Checkpoint[] = [];
  let durableLsn = 0;
  let saved: Checkpoint | undefined;
  for (const word of told) {
    if ('appended' in word) {
      values.push(word.appended);
    } else if ('appendedAll' in word) {
      groups.push([values.length + 1, values.length + word.appendedAll.length]);
      values.push(...word.appendedAll);
    } else if ('durable' in word) {
      durableLsn = Math.max(durableLsn, word.durable);
    } else if ('opened' in word) {
      values.length = word.opened;
      groups = groups.filter(([first]) => first <= word.opened);
      durableLsn = word.opened;
    } else if ('asked' in word) {
      asked.push(word.asked);
    } else {
      saved = word.saved;
    }
  }
  return { values, groups, durableLsn, asked, saved };
}

/** What a log shows when it is opened. */
export interface Shown {
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly checkpoint: Checkpoint | undefined;
  readonly entries: readonly Entry<string>[];
}

/** Throws where a log shows less than it has promised, or anything that was not appended. */
export function assertKept({ firstLsn, lastLsn, checkpoint, entries }: Shown, told: readonly Told[]): void {
  const { values, groups, durableLsn, asked, saved } = truthOf(told);
  assert.ok(lastLsn >= durableLsn, `lost: the log ends with LSN ${lastLsn}, and ${durableLsn} was promised`);
  assert.ok(lastLsn <= values.length, `grown: the log ends with LSN ${lastLsn}, and ${values.length} were appended`);

  const torn = groups.find(([first, last]) => first <= lastLsn && lastLsn < last);
  assert.ok(!torn, `torn: the log ends with LSN ${lastLsn}, inside the group ${torn?.join(' to ')}`);

  const known = checkpoint === undefined || asked.some((one) => same(one, checkpoint));
  assert.ok(known, `a checkpoint that nobody has asked for: ${JSON.stringify(checkpoint)}`);
  const epoch = checkpoint?.epoch ?? 0;
  assert.ok(epoch >= (saved?.epoch ?? 0), `lost: checkpoint ${saved?.epoch} was saved, and ${epoch} is there`);
  const needed = (checkpoint?.lsn ?? 0) + 1;
  assert.ok(firstLsn <= needed, `removed: the log begins with LSN ${firstLsn}, and all from ${needed} are needed`);

  const expected = values.slice(firstLsn - 1, lastLsn);
  assert.equal(entries.length, expected.length, `${entries.length} records from LSN ${firstLsn} to ${lastLsn}`);
  for (const [index, { lsn, value }] of entries.entries()) {
    assert.equal(lsn, firstLsn + index);
    assert.ok(value === expected[index], `changed: LSN ${lsn} is ${brief(value)}, and was ${brief(expected[index])}`);
  }
}

function same(one: Checkpoint, other: Checkpoint): boolean {
  return one.lsn === other.lsn && one.epoch === other.epoch && one.transactionId === other.transactionId;
}

function brief(value: string | undefined): string {
  return JSON.stringify(value?.slice(0, 24));
}
