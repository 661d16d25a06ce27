import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { metrics, openWal, type OpenWalOptions, type Wal, type WalMetrics } from 'rxwal';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-metrics-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** The last sample of a log that has done some work, and is closed. */
async function lastSample(
  options: OpenWalOptions<string>,
  work: (wal: Wal<string>) => Promise<unknown>,
): Promise<WalMetrics> {
  const wal = await openWal<string>(dir, options);
  const last = lastValueFrom(wal.commits$.pipe(metrics(wal)));
  await work(wal);
  await wal.close();
  return last;
}

/** Where one write makes its bytes durable: there no fsync is a call of its own. */
const writesDurably = process.platform === 'linux';

describe('metrics on the real disk', () => {
  it('has the fsync in the time of the commit, whether it is a call of its own or not', async () => {
    const { commitMs, writeMs, syncMs, totals, state } = await lastSample({}, async (wal) => {
      for (const value of ['a', 'b', 'c']) await wal.append(value);
    });
    expect([commitMs.count, writeMs.count, syncMs.count]).toEqual([3, 3, writesDurably ? 0 : 3]);
    expect(commitMs.sum).toBeCloseTo(writeMs.sum + syncMs.sum, 9);
    expect(commitMs.sum).toBeGreaterThan(0);
    expect(totals).toMatchObject({ appendedRecords: 3, ackedRecords: 3, commits: 3 });
    expect(state).toBe('closed');
  });

  it('has the fsyncs of mode nosync apart, on every platform', async () => {
    const { commitMs, writeMs, syncMs } = await lastSample({ durability: { mode: 'nosync' } }, async (wal) => {
      await wal.append('a');
      await wal.append('b');
      await wal.sync();
    });
    expect([commitMs.count, writeMs.count, syncMs.count]).toEqual([3, 2, 1]);
  });

  it('counts the bytes that the files then have', async () => {
    const { totals } = await lastSample({}, async (wal) => {
      await wal.append('a');
      await wal.rotate();
      await wal.append('b');
    });
    const sizes = readdirSync(dir)
      .filter((name) => name.endsWith('.log'))
      .map((name) => statSync(join(dir, name)).size);
    expect(totals.rotations).toBe(1);
    // Beside the commits: the header of each segment, and the mark of the close.
    expect(sizes).toHaveLength(2);
    expect(totals.writtenBytes).toBe(sizes[0]! + sizes[1]! - 2 * 32 - 16);
  });
});
