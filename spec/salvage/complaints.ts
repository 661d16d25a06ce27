import { inspect } from 'node:util';
import { lastValueFrom, toArray } from 'rxjs';
import { readWal, repairWal, type Gap } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { RAW, collect, openFiles, recordsOf, sameFiles } from '../support/logs';
import type { Files, ReferenceRecord } from '../support/reference';

/** What salvage reading gives of files. */
export function salvaged(files: Files): {
  readonly records: readonly ReferenceRecord[];
  readonly gaps: readonly Gap[];
  readonly error: unknown;
  readonly unchanged: boolean;
} {
  const store = memoryStore({ files });
  const gaps: Gap[] = [];
  const { values, error } = collect(
    readWal<Uint8Array>(store, { codec: RAW.codec, recovery: 'salvage', onGap: (gap) => gaps.push(gap) }),
  );
  return { records: recordsOf(values), gaps, error, unchanged: sameFiles(files, store.snapshot()) };
}

/**
 * Holds salvage reading of a damaged log, and its repair, against what the log held.
 *
 * @param truth every record of the undamaged log.
 * @param repair whether to try a repair too, which takes some milliseconds.
 * @returns what is wrong; nothing where all is well.
 */
export async function complaintsOfSalvage(
  files: Files,
  truth: readonly ReferenceRecord[],
  { repair = true } = {},
): Promise<readonly string[]> {
  const complaints: string[] = [];
  const { records, gaps, error, unchanged } = salvaged(files);
  if (error !== undefined) complaints.push(`salvage fails: ${inspect(error)}`);
  if (!unchanged) complaints.push('salvage has changed the files');

  const isTrue = new Set(truth.map((record) => JSON.stringify(record)));
  for (const record of records) {
    if (!isTrue.has(JSON.stringify(record))) complaints.push(`never written: ${JSON.stringify(record)}`);
  }
  if (records.some(({ lsn }, index) => index > 0 && lsn <= records[index - 1]!.lsn)) complaints.push('out of order');

  const strict = recordsOf(collect(readWal<Uint8Array>(memoryStore({ files }), { codec: RAW.codec })).values);
  const have = new Set(records.map(({ lsn }) => lsn));
  for (const { lsn } of strict) if (!have.has(lsn)) complaints.push(`strict reading has LSN ${lsn}, salvage has not`);

  // What is cut off at the end of the log leaves no trace, where nothing behind it tells.
  const lastLsn = Math.max(0, ...have);
  const isNamed = (lsn: number): boolean =>
    gaps.some(({ firstLsn, lastLsn = Infinity }) => firstLsn <= lsn && lsn <= lastLsn);
  for (const { lsn } of truth) {
    if (lsn < lastLsn && !have.has(lsn) && !isNamed(lsn)) complaints.push(`LSN ${lsn} is lost without a word`);
  }
  for (const { lsn } of records) {
    if (gaps.some(({ firstLsn, lastLsn }) => lastLsn !== undefined && firstLsn <= lsn && lsn <= lastLsn)) {
      complaints.push(`LSN ${lsn} is there and in a gap`);
    }
  }
  if (repair) complaints.push(...(await complaintsOfRepair(files, records, gaps)));
  return complaints;
}

async function complaintsOfRepair(
  files: Files,
  records: readonly ReferenceRecord[],
  gaps: readonly Gap[],
): Promise<readonly string[]> {
  const complaints: string[] = [];
  const source = memoryStore({ files });
  const target = memoryStore({ dir: 'repaired' });
  const repair = await repairWal(source, target);
  if (!sameFiles(files, source.snapshot())) complaints.push('the repair has changed the damaged log');
  if (JSON.stringify(repair.gaps) !== JSON.stringify(gaps)) complaints.push('the repair names other gaps');

  const { wal } = openFiles(target.durableSnapshot());
  if (!wal.recovery.clean) complaints.push('the repaired log was not closed');
  const repaired = recordsOf(await lastValueFrom(wal.read().pipe(toArray())));
  await wal.close();
  const was = (lsn: number): number => {
    const run = repair.renumbered.findLast((each) => each.lsn <= lsn);
    return run ? run.was + (lsn - run.lsn) : lsn;
  };
  const mapped = repaired.map((record) => ({ ...record, lsn: was(record.lsn) }));
  if (JSON.stringify(mapped) !== JSON.stringify(records)) {
    complaints.push(`repaired ${JSON.stringify(mapped)}, salvaged ${JSON.stringify(records)}`);
  }
  if (repair.records !== repaired.length) complaints.push(`the repair claims ${repair.records} records`);
  return complaints;
}
