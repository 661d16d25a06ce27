import { cpSync, mkdtempSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { WalCorruptError, openWal, readWal } from 'rxwal';

interface Payment {
  readonly order: number;
  readonly cents: number;
}

/** A log as a crash leaves it: copied while it is open, its last record cut in the middle. */
async function crash(dir: string): Promise<string> {
  const wal = await openWal<Payment>(join(dir, 'live'), { preallocateBytes: 0 });
  for (const order of [1, 2, 3]) await wal.append({ order, cents: order * 995 });
  const crashed = join(dir, 'crashed');
  cpSync(wal.dir, crashed, { recursive: true });
  const [file = ''] = await wal.logFiles();
  truncateSync(join(crashed, basename(file)), statSync(file).size - 5);
  await wal.close();
  return crashed;
}

export async function main(dir: string): Promise<void> {
  const crashed = await crash(dir);

  // #region readCrashed
  // Takes no lock, changes nothing. A torn tail is the end of the log; damage before it is an error.
  try {
    await readWal<Payment>(crashed).forEach(({ lsn, value }) => console.log(`${lsn}: order ${value.order}`));
  } catch (error) {
    if (!(error instanceof WalCorruptError)) throw error;
    console.error(`${error.file} is damaged at byte ${error.offset} (LSN ${error.lsn}): ${error.reason}`);
  }
  // #endregion readCrashed
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
