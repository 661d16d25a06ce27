import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { committed, isTransactionCommit, openWal } from 'rxwal';

export async function main(dir: string): Promise<void> {
  // #region transactions
  // The default record is a WalRecord, a change to a graph. One fsync for each transaction, not for each of its records:
  const wal = await openWal(dir, { isCommit: isTransactionCommit });

  wal.next({ type: 'CreateNode', id: 1, labels: ['Person'] });
  wal.next({ type: 'SetNodeProperty', id: 1, key: 'name', value: 'Ada' });
  await wal.append({ type: 'TransactionCommit', transactionId: 1 }); // all three are durable
  // #endregion transactions
  console.log(`durable after the commit: ${wal.durableLsn}`);

  wal.next({ type: 'CreateNode', id: 2, labels: ['Person'] });
  wal.next({ type: 'TransactionAbort', transactionId: 2 });
  wal.next({ type: 'CreateNode', id: 3, labels: ['Person'] }); // the process ends before it is committed
  await wal.close();
  await replay(dir);
}

async function replay(dir: string): Promise<void> {
  // #region transactions-replay
  const wal = await openWal(dir, { isCommit: isTransactionCommit });
  // Leaves out what was aborted, and what was still open when the process ended.
  await wal
    .read()
    .pipe(committed())
    .forEach(({ lsn, value }) => console.log(`${lsn}: ${value.type}`));
  // #endregion transactions-replay
  await wal.close();
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
