import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { count, from, lastValueFrom, mergeMap } from 'rxjs';
import { openWal, type Durability } from 'rxwal';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

// #region modes
const modes: readonly Durability[] = [
  // The default. An fsync at once; what is appended while it runs shares the next one.
  { mode: 'sync' },
  // An fsync when 400 records wait, or 20 ms after the first of them.
  { mode: 'batch', maxDelayMs: 20, maxRecords: 400 },
  // An fsync every 50 ms where there is something to sync, however long the last one took.
  { mode: 'adaptive', targetIntervalMs: 50 },
  // Written at once, fsync'd when the operating system likes: its acks say `durable: false`.
  { mode: 'nosync' },
];
// #endregion modes

export async function main(dir: string): Promise<void> {
  const readings = Array.from({ length: 1000 }, (_, n): Reading => ({ sensor: `s${n % 7}`, celsius: 20 + (n % 5) }));

  for (const durability of modes) {
    const wal = await openWal<Reading>(join(dir, durability.mode), { durability });
    const commits = lastValueFrom(wal.commits$.pipe(count()));
    const ack = await lastValueFrom(from(readings).pipe(mergeMap((reading) => wal.append(reading))));
    await wal.close();
    console.log(
      `${durability.mode}: ${ack.lsn} records, ${await commits} trips to the disk, acks say durable: ${ack.durable}`,
    );
  }
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
