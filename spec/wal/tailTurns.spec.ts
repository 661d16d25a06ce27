import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwError } from 'rxjs';
import { rawCodec } from 'rxwal';
import { memoryWal } from 'rxwal/testing';

const RECORD_BYTES = 1024;
const RECORDS = 1000;
const TAILS = 10;
/** What a turn may take, of frames. */
const TURN_BYTES = 128 * 1024;

describe('tails that read from the disk', () => {
  it('share a turn of the event loop, however many they are', async () => {
    const { wal } = memoryWal<Uint8Array>({ codec: rawCodec() });
    for (let record = 0; record < RECORDS; record += 1) wal.next(new Uint8Array(RECORD_BYTES));
    await wal.sync();
    let turnBytes = 0;
    const shown = Array.from({ length: TAILS }, () => [] as number[]);
    for (const lsns of shown) {
      wal.tail({ after: 0 }).subscribe(({ lsn, value }) => {
        turnBytes += value.length;
        lsns.push(lsn);
      });
    }
    let most = 0;
    let turns = 0;
    while (shown.some(({ length }) => length < RECORDS)) {
      most = Math.max(most, turnBytes);
      if (turnBytes > 0) turns += 1;
      turnBytes = 0;
      await nextTurn();
    }
    // A run is a chunk of 128 KiB, and the last one that fits may be a whole one.
    expect(most).toBeLessThanOrEqual(2 * TURN_BYTES);
    expect(turns).toBeGreaterThanOrEqual((TAILS * RECORDS * RECORD_BYTES) / (2 * TURN_BYTES) - 1);
    const all = Array.from({ length: RECORDS }, (_, at) => at + 1);
    expect(shown).toEqual(Array.from({ length: TAILS }, () => all));
    await wal.close();
  });

  it('leave out nobody: all of them go on, none is at its end before the others have begun', async () => {
    const { wal } = memoryWal<Uint8Array>({ codec: rawCodec() });
    for (let record = 0; record < RECORDS; record += 1) wal.next(new Uint8Array(RECORD_BYTES));
    await wal.sync();
    const at = Array.from({ length: TAILS }, () => 0);
    const others: number[] = [];
    const ended = Array.from(
      at,
      (_, tail) =>
        new Promise<void>((resolve) => {
          wal.tail({ after: 0 }).subscribe(({ lsn }) => {
            at[tail] = lsn;
            if (lsn < RECORDS) return;
            if (others.length === 0) others.push(...at);
            resolve();
          });
        }),
    );
    await Promise.all(ended);
    expect(Math.min(...others)).toBeGreaterThan(RECORDS / 2);
    await wal.close();
  });

  it('end with what the disk fails with, behind what it has given', async () => {
    let reads = 0;
    const { wal } = memoryWal<Uint8Array>({
      codec: rawCodec(),
      plan: ({ kind }) => {
        if (kind !== 'read') return undefined;
        reads += 1;
        return reads < 4 ? undefined : throwError(() => Object.assign(new Error('EIO'), { code: 'EIO' }));
      },
    });
    for (let record = 0; record < RECORDS; record += 1) wal.next(new Uint8Array(RECORD_BYTES));
    await wal.sync();
    const lsns: number[] = [];
    const failure = await new Promise((resolve) => {
      wal.tail({ after: 0 }).subscribe({ next: ({ lsn }) => lsns.push(lsn), error: resolve });
    });
    expect(failure).toMatchObject({ code: 'WAL_IO' });
    expect(lsns.length).toBeGreaterThan(100);
    expect(lsns).toEqual(Array.from(lsns, (_, index) => index + 1));
  });
});
