/** Logs of a given size, made quickly. */
import { lastValueFrom } from 'rxjs';
import { rawCodec, recoverWal } from 'rxwal';
import { unsyncedStore } from './unsyncedStore';

/** A record takes 1,000 bytes in the file, so a size is a number of records. */
export const RECORD_BYTES = 1000;
const FRAME_OVERHEAD_BYTES = 16;
export const RECORD = Buffer.alloc(RECORD_BYTES - FRAME_OVERHEAD_BYTES, 'rxwal ');

/** Records handed over before the log is waited for: 8 MB. */
const RECORDS_AT_ONCE = 8000;

/** Whatever its size: an open reads 32 bytes of each. */
const SEGMENTS = 10;

/**
 * Makes a log of `bytes` bytes in ten segments and one more, in which the last `lastBytes` stand, and closes it.
 *
 * @param payload of each record, 984 bytes.
 */
export async function buildBytes(
  dir: string,
  bytes: number,
  lastBytes: number,
  payload: Uint8Array = RECORD,
): Promise<void> {
  const wal = await lastValueFrom(
    recoverWal<Uint8Array>(unsyncedStore(dir), {
      codec: rawCodec(),
      preallocateBytes: 0,
      maxSegmentBytes: 2 ** 40,
      durability: { mode: 'nosync' },
    }),
  );
  const append = async (records: number): Promise<void> => {
    for (let left = records; left > 0; left -= RECORDS_AT_ONCE) {
      for (let record = 0; record < Math.min(left, RECORDS_AT_ONCE); record += 1) wal.next(payload);
      await wal.flush();
    }
  };
  for (let segment = 0; segment < SEGMENTS; segment += 1) {
    await append(Math.round((bytes - lastBytes) / SEGMENTS / RECORD_BYTES));
    await wal.rotate();
  }
  await append(lastBytes / RECORD_BYTES);
  await wal.close();
}
