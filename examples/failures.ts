import { lastValueFrom } from 'rxjs';
import { WalError, WalPoisonedError, recoverWal, type Wal } from 'rxwal';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';

interface Order {
  readonly id: number;
  readonly note?: unknown;
}

async function place(wal: Wal<Order>, order: Order): Promise<string> {
  // #region failures
  try {
    const { lsn } = await wal.append(order);
    return `201 record ${lsn}`;
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    switch (error.code) {
      case 'WAL_RECORD': // this one value cannot be a record; the log goes on
        return '400 not a record';
      case 'WAL_BACKPRESSURE': // too much waits for the disk; nothing was written, try again later
        return '503 later';
      case 'WAL_POISONED': // a write or an fsync failed: the log has stopped, open it again
      case 'WAL_CLOSED':
        return '503 restarting';
      default:
        throw error;
    }
  }
  // #endregion failures
}

/** A disk whose second fsync fails. On a real one, `open` is `openWal(dir)`. */
async function failingDisk(): Promise<void> {
  const order: Order = { id: 2 };
  const first = memoryWal<Order>({ plan: marblePlan({ sync: ['|', '-#', '|'] }, fault('EIO')) });
  const open = () => lastValueFrom(recoverWal<Order>(first.store));
  let { wal } = first;
  console.log(await place(wal, { id: 1 }));

  // #region failures-poisoned
  try {
    await wal.append(order);
  } catch (error) {
    if (!(error instanceof WalPoisonedError)) throw error;
    console.log(`the log stopped, outcome of record ${error.lsn}: ${error.outcome}`);
    await wal.close().catch(() => undefined); // gives the lock back, and fails with the same error
    wal = await open(); // everything that was acknowledged is there
    // This record may be there or not. Its LSN tells, as long as nothing else has been appended.
    if (wal.lastLsn < error.lsn) await wal.append(order);
  }
  // #endregion failures-poisoned

  await wal.read().forEach(({ lsn, value }) => console.log(`record ${lsn} is order ${value.id}`));
  await wal.close();
}

export async function main(): Promise<void> {
  const { wal } = memoryWal<Order>({ maxPendingRecords: 1, plan: marblePlan({ sync: '--|' }) });
  console.log(await place(wal, { id: 7, note: () => 'a function is no data' }));
  wal.next({ id: 8 });
  console.log(await place(wal, { id: 9 })); // while order 8 is on its way
  await wal.close();
  console.log(await place(wal, { id: 9 }));
  await failingDisk();
}

if (require.main === module) void main();
