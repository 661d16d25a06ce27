import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { recoverWal, type SegmentStore, type Wal } from 'rxwal';
import { powerCuts, type PowerCutTest } from 'rxwal/testing';

/** A state from which it can be seen what was applied to it: in what order, how often. */
type Applied = readonly number[];

const open = (store: SegmentStore): Promise<Wal<number>> =>
  lastValueFrom(recoverWal<number>(store, { maxSegmentBytes: 150, preallocateBytes: 0 }));

function projections(wal: Wal<number>, options: { readonly checkpoint?: boolean } = {}) {
  const applied = (name: string, snapshotEvery: number) => {
    const projection = wal.project<Applied>({
      name,
      snapshotEvery,
      ...options,
      initial: [],
      reduce: (state, { value }) => [...state, value],
    });
    // A disk without power fails; what it fails with is the log's to tell.
    projection.state$.subscribe({ error: () => undefined });
    projection.snapshots$.subscribe();
    return projection;
  };
  return [applied('fast', 2), applied('slow', 5)] as const;
}

const upTo = (lsn: number): number[] => Array.from({ length: lsn }, (_, index) => index + 1);

/** Appends 1, 2, 3 and so on; each value is its LSN. Two projections of different pace take snapshots, and let the log go. */
const appliesEachOnce = (records: number, options: { readonly checkpoint?: boolean } = {}): PowerCutTest<number> => ({
  async use(disk, promise, random) {
    const wal = await open(disk);
    wal.acks$.subscribe({ error: () => undefined });
    const followers = projections(wal, options);
    for (let value = 1; value <= records; value += 1) {
      const { lsn } = await wal.append(value);
      promise(lsn);
      if (random() < 0.3) await setImmediate();
    }
    await Promise.all(followers.map((projection) => projection.at(records)));
    await wal.close();
  },
  async check(disk, promises) {
    const wal = await open(disk);
    const { lastLsn } = wal;
    assert.ok(lastLsn >= (promises.at(-1) ?? 0));
    for (const projection of projections(wal, options)) {
      const { state, lsn } = await firstValueFrom(projection.state$);
      assert.deepEqual({ lsn, state }, { lsn: lastLsn, state: upTo(lastLsn) });
    }
    await wal.append(lastLsn + 1);
    await wal.close();
  },
});

describe('a power cut at every moment', () => {
  it('applies no record twice and skips none', async () => {
    const report = await powerCuts(appliesEachOnce(14), { states: 400 });
    expect(report.distinct).toBeGreaterThanOrEqual(400);
  });

  it('nor where the log keeps its history', async () => {
    const report = await powerCuts(appliesEachOnce(6, { checkpoint: false }), { states: 100, seed: 2 });
    expect(report.distinct).toBeGreaterThanOrEqual(100);
  });

  it('is noticed where a record is applied twice: the check can fail', async () => {
    const careless: PowerCutTest<number> = {
      ...appliesEachOnce(6),
      async use(disk, promise) {
        const wal = await open(disk);
        wal.project<Applied>({
          name: 'fast',
          snapshotEvery: 1,
          initial: [],
          reduce: (state, { value }) => [...state, value, value],
        });
        for (let value = 1; value <= 4; value += 1) promise((await wal.append(value)).lsn);
        await wal.close();
      },
    };
    await expect(powerCuts(careless, { states: 50 })).rejects.toThrow('After a power cut');
  });
});
