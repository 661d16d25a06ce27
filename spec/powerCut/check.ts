import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { openWal } from '../../src/openWal';
import type { WalOptions } from '../../src/options';
import { rawCodec } from '../../src/codec/rawCodec';
import type { Entry, Recovery } from '../../src/types';
import type { Wal } from '../../src/wal';
import type { Draw } from '../support/draw';
import { READER, wrongFold } from './followed';
import { AFTER_THE_CUT, openingOf, recordBytes } from './records';
import type { Promised, Truth } from './truth';

/** What became of a log after a power cut. */
export interface Finding {
  /** Of the log's files, names and bytes, as the power cut left them. */
  readonly hash: string;
  /** What opening it found; `undefined` where it did not open. */
  readonly recovery: Recovery | undefined;
  /** What it did that it must not. */
  readonly violations: readonly string[];
}

type Entries = readonly Entry<Uint8Array>[];

const MODES: readonly NonNullable<WalOptions<Uint8Array>['durability']>[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 1, maxRecords: 3 },
  { mode: 'nosync' },
];

/** Opens the log that a power cut left in `dir`, holds it against what was promised, and goes on with it. */
export async function check(dir: string, truth: Truth, promised: Promised, random: Draw): Promise<Finding> {
  const hash = hashOf(dir);
  let recovery: Recovery | undefined;
  try {
    const options = {
      durability: random.pick(MODES),
      preallocateBytes: random.pick([0, 16_384]),
      maxSegmentBytes: random.pick([4096, 65_536]),
      codec: rawCodec(),
    };
    const first = await openWal(dir, options);
    let found: Entries;
    let appended: Entries;
    let heldLsn: number;
    const wrongFolds: string[] = [];
    const openings = new Map<number, number | undefined>();
    const openingAt = (lsn: number): number | undefined => openings.get(lsn) ?? truth.ownerOf(lsn);
    const learn = (entries: Entries): void => {
      for (const { lsn, value } of entries) openings.set(lsn, openingOf(lsn, value));
    };
    const wrongAcks: string[] = [];
    try {
      recovery = first.recovery;
      heldLsn = first.readers.find(({ name }) => name === READER)?.lsn ?? -1;
      found = await readAll(first);
      learn(found);
      wrongFolds.push(...(await wrongFold(first, openingAt)));
      appended = await goOn(first, random.integer(1, 12), wrongAcks);
    } finally {
      await first.close();
    }
    const second = await openWal(dir, options);
    let again: Entries;
    try {
      again = await readAll(second);
      learn(again);
      wrongFolds.push(...(await wrongFold(second, openingAt)));
    } finally {
      await second.close();
    }
    const violations = [
      ...broken(found, recovery, truth, promised),
      ...brokenHold(heldLsn, recovery, promised),
      ...wrongFolds,
      ...wrongAcks,
      ...(second.recovery.clean ? [] : ['closed and opened again, it is not clean']),
      ...brokenHold(heldLsn, second.recovery, { ...promised, askedHeldLsn: Infinity }),
      // A projection that has gone on lets go what a checkpoint had let go before.
      ...beginning(second.recovery, promised),
      ...differences(
        [...found, ...appended].filter(({ lsn }) => lsn >= second.recovery.firstLsn),
        again,
      ),
    ];
    // Both openings may have the same to say.
    return { hash, recovery, violations: [...new Set(violations)] };
  } catch (error) {
    return { hash, recovery, violations: [`fails: ${error instanceof Error ? error.message : String(error)}`] };
  }
}

function readAll(wal: Wal<Uint8Array>): Promise<Entry<Uint8Array>[]> {
  return lastValueFrom(wal.read().pipe(toArray()));
}

/** Appends so many records, and waits until they are durable. */
async function goOn(wal: Wal<Uint8Array>, count: number, wrong: string[]): Promise<Entries> {
  const entries = Array.from({ length: count }, (_, index) => {
    const lsn = wal.lastLsn + 1 + index;
    return { lsn, value: recordBytes(lsn, AFTER_THE_CUT) };
  });
  const acks = entries.map(({ value }) => lastValueFrom(wal.append(value)));
  await wal.sync();
  for (const [index, { lsn }] of (await Promise.all(acks)).entries()) {
    if (lsn !== entries[index]!.lsn)
      wrong.push(`an append after the cut was given LSN ${lsn}, not ${entries[index]!.lsn}`);
  }
  return entries;
}

/** What of the promises is not kept: (a) a record that is not there, not in order, not once or not unchanged; (b) one that nobody appended. */
function broken(found: Entries, recovery: Recovery, truth: Truth, promised: Promised): string[] {
  const { durableLsn, checkpointLsn, askedCheckpointLsn } = promised;
  const { firstLsn, lastLsn, records, checkpoint } = recovery;
  const saved = checkpoint?.lsn ?? 0;
  const violations: string[] = [];
  violations.push(...beginning(recovery, promised));
  if (lastLsn < durableLsn) violations.push(`it ends at LSN ${lastLsn}, and ${durableLsn} was acknowledged`);
  if (saved < checkpointLsn) violations.push(`its checkpoint is ${saved}, and ${checkpointLsn} was acknowledged`);
  if (saved > askedCheckpointLsn) violations.push(`its checkpoint is ${saved}, asked for was ${askedCheckpointLsn}`);
  if (found.length !== records || records !== lastLsn - firstLsn + 1) {
    violations.push(`it shows ${found.length} records, and says ${records} from LSN ${firstLsn} to ${lastLsn}`);
  }
  let newest = 0;
  for (const [index, { lsn, value }] of found.entries()) {
    const opening = openingOf(lsn, value);
    if (lsn !== firstLsn + index) violations.push(`LSN ${lsn} stands where ${firstLsn + index} belongs`);
    if (opening === undefined) violations.push(`LSN ${lsn} is not what was appended`);
    else if (!truth.isAppended(lsn, opening)) violations.push(`LSN ${lsn} of opening ${opening} was never appended`);
    else if (lsn <= durableLsn && truth.ownerOf(lsn) !== opening) {
      violations.push(`LSN ${lsn} is of opening ${opening}, and that of ${truth.ownerOf(lsn)} was acknowledged`);
    }
    if (opening !== undefined && opening < newest) violations.push(`LSN ${lsn} is older than the record before it`);
    newest = opening ?? newest;
    if (lsn === lastLsn && opening !== undefined && truth.isInsideGroup(lsn, opening)) {
      violations.push(`it ends at LSN ${lsn}, inside a group`);
    }
  }
  return violations;
}

function beginning({ firstLsn }: Recovery, { askedCheckpointLsn }: Promised): string[] {
  return firstLsn > askedCheckpointLsn + 1
    ? [`it begins at LSN ${firstLsn}, and the newest checkpoint asked for is ${askedCheckpointLsn}`]
    : [];
}

/** The reader is where it was promised, or where it was asked to be since, with everything behind it. */
function brokenHold(heldLsn: number, { firstLsn }: Recovery, promised: Promised): string[] {
  if (heldLsn < promised.heldLsn) return [`its reader is at ${heldLsn}, and was promised ${promised.heldLsn}`];
  if (heldLsn > promised.askedHeldLsn) return [`its reader is at ${heldLsn}, asked for was ${promised.askedHeldLsn}`];
  return heldLsn >= 0 && firstLsn > heldLsn + 1
    ? [`it begins at LSN ${firstLsn}, and its reader is at ${heldLsn}`]
    : [];
}

function differences(expected: Entries, actual: Entries): string[] {
  const at = expected.findIndex(({ lsn, value }, index) => {
    const other = actual[index];
    return other?.lsn !== lsn || !Buffer.from(value).equals(other.value);
  });
  if (at >= 0) return [`opened again, LSN ${expected[at]!.lsn} is not there or not the same`];
  return actual.length > expected.length
    ? [`opened again, it has ${actual.length - expected.length} more records`]
    : [];
}

function hashOf(dir: string): string {
  const hash = createHash('sha256');
  if (!existsSync(dir)) return hash.digest('hex');
  for (const name of readdirSync(dir).sort()) {
    // Holds a time and a process id, and is not the log's content.
    if (name === 'LOCK') continue;
    const bytes = readFileSync(join(dir, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}
