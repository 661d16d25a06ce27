import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { openWal, readWal, repairWal } from 'rxwal';
import { segmentFile } from '../support/logs';

const root = join(__dirname, '../..');
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-retention-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const segments = (): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.log'))
    .sort();

/** Two records a segment: 1-2, 3-4, 5-6, and one that is empty. */
async function fill(): Promise<void> {
  await using wal = await openWal<number>(dir);
  for (let value = 1; value <= 6; value += 1) {
    await wal.append(value);
    if (value % 2 === 0) await wal.rotate();
  }
}

describe('on the real disk', () => {
  it('readers are there after a restart, and what they hold is', async () => {
    await fill();
    {
      await using wal = await openWal<number>(dir);
      await wal.hold('mail ✉', 2);
      await wal.hold('search', 5);
      await wal.checkpoint();
      expect(segments()).toEqual([1, 2, 3].map(segmentFile));
    }
    await using wal = await openWal<number>(dir);
    expect(wal.readers).toMatchObject([
      { name: 'mail ✉', lsn: 2 },
      { name: 'search', lsn: 5 },
    ]);
    expect(Date.now() - wal.readers[0]!.movedAt).toBeLessThan(60_000);
    await wal.release('mail ✉');
    await firstValueFrom(wal.retention$.pipe(filter(({ firstLsn }) => firstLsn === 5)));
    expect(segments()).toEqual([2, 3].map(segmentFile));
  });

  it('a segment is as old as its file: what is older goes at the opening', async () => {
    await fill();
    const hour = 60 * 60;
    const now = Date.now() / 1000;
    utimesSync(join(dir, segmentFile(0)), now, now - 3 * hour);
    utimesSync(join(dir, segmentFile(1)), now, now - 2 * hour);
    utimesSync(join(dir, segmentFile(2)), now, now - 0.5 * hour);
    await using wal = await openWal<number>(dir, { retention: { maxAgeMs: hour * 1000 } });
    const state = await firstValueFrom(wal.retention$.pipe(filter(({ firstLsn }) => firstLsn === 5)));
    expect(state).toMatchObject({
      floorLsn: 4,
      keptBy: { kind: 'cap' },
      checkpoint: { lsn: 4, epoch: 0 },
      segments: 2,
    });
    expect(segments()).toEqual([2, 3].map(segmentFile));
  });

  it('a file of tomorrow is as old as one of now', async () => {
    await fill();
    const tomorrow = Date.now() / 1000 + 24 * 60 * 60;
    for (const name of segments()) utimesSync(join(dir, name), tomorrow, tomorrow);
    await using wal = await openWal<number>(dir, { retention: { maxAgeMs: 60_000, maxBytes: 1_000_000 } });
    const { bytes } = await firstValueFrom(wal.retention$.pipe(filter((state) => state.bytes !== undefined)));
    expect(bytes).toBeGreaterThan(4 * 32);
    expect(segments()).toHaveLength(4);
  });

  it('no cap and no reader keeps a process alive that has done its work', () => {
    const program = `
      const { openWal } = require(${JSON.stringify(join(root, 'src/index.ts'))});
      void openWal(${JSON.stringify(dir)}, { retention: { maxAgeMs: 3600000, stuckAfterMs: 3600000 } }).then(async (wal) => {
        wal.retention$.subscribe();
        await wal.append(1);
        await wal.hold('mail', 0);
        console.log('done');
      });`;
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--eval', program], { cwd: root });
    expect(stdout.toString()).toBe('done\n');
    expect(status).toBe(0);
  });

  it('reading beside it does not need the lock, nor mind the readers', async () => {
    await fill();
    await using wal = await openWal<number>(dir);
    await wal.hold('mail', 3);
    const values: number[] = [];
    await readWal<number>(dir).forEach(({ value }) => values.push(value));
    expect(values).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('a repaired log is another one: it says whom it has not taken over', async () => {
    await fill();
    {
      await using wal = await openWal<number>(dir);
      await wal.hold('search', 1);
      await wal.hold('mail', 3);
    }
    const target = join(dir, '..', `${Date.now()}.repaired`);
    try {
      const repair = await repairWal(dir, target);
      expect(repair).toMatchObject({ records: 6, gaps: [], readersLeft: ['mail', 'search'] });
      await using wal = await openWal<number>(target);
      expect(wal.readers).toEqual([]);
    } finally {
      rmSync(target, { recursive: true, force: true });
    }
  });
});
