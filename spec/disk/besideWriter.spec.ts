import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { WalTruncatedError, openWal, readWal } from 'rxwal';

/** Readings of the whole log, beside its writer. */
const READINGS = 150;

describe('readWal beside a writer that appends, rotates and removes segments', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-beside-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('shows, at any time, records without a gap, among them all that had been acknowledged when it began', async () => {
    const wal = await openWal<number>(dir, { maxSegmentBytes: 2000, preallocateBytes: 700 });
    const stop = new AbortController();
    const written = (async () => {
      for (let lsn = 1; !stop.signal.aborted; lsn += 1) {
        await lastValueFrom(wal.append(lsn));
        if (lsn % 300 === 0) await wal.checkpoint({ lsn: lsn - 100 });
      }
    })();
    const complaints: string[] = [];
    let truncated = 0;
    for (let reading = 0; reading < READINGS; reading += 1) {
      const { firstLsn, durableLsn } = wal;
      const entries = await lastValueFrom(readWal<number>(dir).pipe(toArray())).catch((error: unknown) => {
        // A checkpoint was faster. It says from where on there is something.
        if (!(error instanceof WalTruncatedError) || error.firstLsn <= firstLsn) throw error;
        truncated += 1;
        return [];
      });
      const [first] = entries;
      if (!first) continue;
      if (entries.some(({ lsn, value }, at) => lsn !== first.lsn + at || value !== lsn)) complaints.push('a gap');
      if (first.lsn < firstLsn || first.lsn + entries.length - 1 < durableLsn) complaints.push('too little');
    }
    stop.abort();
    await written;
    await wal.close();
    expect(complaints).toEqual([]);
    expect(truncated).toBeLessThan(READINGS / 2);
    expect(wal.lastLsn).toBeGreaterThan(READINGS);
  });
});
