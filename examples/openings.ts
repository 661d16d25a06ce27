import { appendFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
// #region openings
import {
  WalCorruptError,
  WalIoError,
  WalLockedError,
  WalTruncatedError,
  WalVersionError,
  openWal,
  type OpenWalOptions,
  type Wal,
} from 'rxwal';

/** Opens a log, or says in one line what is to be done before it opens. */
async function openOrExplain<T>(dir: string, options?: OpenWalOptions<T>): Promise<Wal<T> | string> {
  try {
    const wal = await openWal<T>(dir, options);
    const { clean, records, bytesCut } = wal.recovery;
    if (!clean) console.log(`recovered ${records} records, cut a torn tail of ${bytesCut} bytes`);
    return wal;
  } catch (error) {
    if (error instanceof WalLockedError)
      return `process ${error.holder?.pid ?? 'unknown'} has it open: end that one first`;
    if (error instanceof WalCorruptError) return `restore ${error.file} from a copy, or rxwal repair: ${error.reason}`;
    if (error instanceof WalVersionError) return `upgrade rxwal: ${error.message}`;
    if (error instanceof WalIoError) return `mend the disk: ${error.operation} ${error.file} failed`;
    if (error instanceof TypeError || error instanceof RangeError) return `mend the program: ${error.message}`;
    throw error;
  }
}

/** Replays what is behind an LSN that was kept elsewhere, such as in a snapshot. */
async function replayAfter<T>(wal: Wal<T>, after: number): Promise<string> {
  try {
    let records = 0;
    await wal.read({ after }).forEach(() => (records += 1));
    return `${records} records behind LSN ${after}`;
  } catch (error) {
    if (error instanceof WalTruncatedError) return `begin with a snapshot of LSN ${error.firstLsn - 1} or later`;
    if (error instanceof RangeError) return `this log has never been as far: ${error.message}`;
    throw error;
  }
}
// #endregion openings

export async function main(dir: string): Promise<void> {
  const logDir = join(dir, 'log');
  const explain = async (options?: OpenWalOptions<number>): Promise<void> => {
    const opened = await openOrExplain<number>(logDir, options);
    console.log(
      typeof opened === 'string'
        ? opened.replace(`process ${process.pid}`, 'process N')
        : `opened at LSN ${opened.lastLsn}`,
    );
    if (typeof opened !== 'string') await opened.close();
  };

  const first = await openWal<number>(logDir, { maxSegmentBytes: 64, preallocateBytes: 0 });
  for (const record of [1, 2, 3, 4, 5, 6]) await first.append(record);
  await explain(); // while it is open
  await first.checkpoint({ lsn: 4 });
  console.log(await replayAfter(first, 5));
  console.log(await replayAfter(first, 0));
  console.log(await replayAfter(first, 99));
  await first.close();

  await explain({ maxRecordBytes: 0 });
  const files = await first.logFiles();
  appendFileSync(join(logDir, basename(files.at(-1) ?? '')), Buffer.from('torn')); // what a power cut may leave
  await explain();
  mkdirSync(join(logDir, 'wal_99999999.log')); // and what it does not
  await explain();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
