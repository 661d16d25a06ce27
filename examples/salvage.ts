import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { WalCorruptError, openWal, readWal, repairWal } from 'rxwal';

interface Payment {
  readonly order: number;
  readonly cents: number;
}

/** A closed log of four payments, and one bit of the second one rotten. */
async function rot(dir: string): Promise<string> {
  const wal = await openWal<Payment>(join(dir, 'payments'), { preallocateBytes: 0 });
  for (const order of [1, 2, 3, 4]) wal.next({ order, cents: order * 995 });
  await wal.close();
  const [file = ''] = await wal.logFiles();
  const path = join(wal.dir, basename(file));
  const bytes = readFileSync(path);
  const at = bytes.indexOf('order', bytes.indexOf('order') + 1);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  return wal.dir;
}

export async function main(dir: string): Promise<void> {
  const damaged = await rot(dir);
  const repaired = join(dir, 'repaired');

  // #region salvage
  try {
    await openWal<Payment>(damaged);
  } catch (error) {
    if (!(error instanceof WalCorruptError)) throw error;
    console.log(`refused: LSN ${error.lsn}: ${error.reason}`);
  }

  // What can still be proven. Changes nothing.
  await readWal<Payment>(damaged, {
    recovery: 'salvage',
    onGap: ({ firstLsn, lastLsn, reason }) => console.log(`lost: LSN ${firstLsn} to ${lastLsn}: ${reason}`),
  }).forEach(({ lsn, value }) => console.log(`${lsn}: order ${value.order}`));

  // A log that opens, in a new directory. The damaged one stays as it is.
  const { records, renumbered } = await repairWal(damaged, repaired);
  console.log(`${records} records; LSNs that a gap has moved: ${JSON.stringify(renumbered)}`);
  const wal = await openWal<Payment>(repaired);
  // #endregion salvage

  console.log(`the repaired log goes on behind LSN ${wal.lastLsn}`);
  await wal.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
