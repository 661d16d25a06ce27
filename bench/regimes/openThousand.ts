/** Opening a log of 1,000 segments of 64 MiB: sparse behind the first record of each, since opening reads headers and the last segment. */
import { truncateSync } from 'node:fs';
import { openWal } from 'rxwal';
import { ringOrder } from '../harness/orders';
import { measureOpen } from './open';
import type { Regime } from './regime';

const SEGMENTS = 1000;
const SEGMENT_BYTES = 64 * 1024 * 1024;

export const openThousand: Regime = {
  name: 'open-1000',
  title: `Open after a clean close: ${SEGMENTS.toLocaleString('en')} segments of 64 MiB`,
  unit: 'opens',
  references: [],
  compared: false,
  only: ['rxwal'],
  async prepare(_contender, { dir }): Promise<void> {
    const wal = await openWal<unknown>(dir, { preallocateBytes: 0 });
    for (let segment = 0; segment < SEGMENTS; segment += 1) {
      wal.next(ringOrder(segment));
      if (segment < SEGMENTS - 1) await wal.rotate();
    }
    await wal.close();
    for (const file of (await segmentsOf(dir)).slice(0, -1)) truncateSync(file, SEGMENT_BYTES);
  },
  measure: measureOpen,
};

async function segmentsOf(dir: string): Promise<string[]> {
  const wal = await openWal<unknown>(dir);
  const files = await wal.logFiles();
  await wal.close();
  return files;
}
