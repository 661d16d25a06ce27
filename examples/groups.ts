import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WalRecordError, openWal } from 'rxwal';

interface Posting {
  readonly account: string;
  readonly cents: number;
}

export async function main(dir: string): Promise<void> {
  const wal = await openWal<Posting>(dir);

  // #region groups
  // A transfer is two postings, and half of one must never be read back. All of a group survive a crash, or none:
  const ack = await wal.appendAll([
    { account: 'alice', cents: -500 },
    { account: 'bob', cents: 500 },
  ]);
  console.log(`durable up to LSN ${ack.lsn}`); // the ack of the last of them
  // #endregion groups

  // #region groups-refused
  // One value that cannot be a record refuses all of them, and none takes an LSN.
  const notify = (): void => undefined;
  await wal
    .appendAll([{ account: 'alice', cents: -1 }, notify as unknown as Posting])
    .then(undefined, (error: unknown) => {
      if (!(error instanceof WalRecordError)) throw error;
      console.log(error.message);
    });
  // #endregion groups-refused
  await wal.read().forEach(({ lsn, value }) => console.log(`${lsn}: ${value.account} ${value.cents}`));
  await wal.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
