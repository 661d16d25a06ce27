import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { recoverWal, type SegmentStore, type Wal } from 'rxwal';
import type { PowerCutTest } from 'rxwal/testing';

/** A state from which it can be seen what was applied to it: in what order, how often. */
export type Applied = readonly number[];

/** A log of small segments. */
export const openSmall = (store: SegmentStore): Promise<Wal<number>> =>
  lastValueFrom(recoverWal<number>(store, { maxSegmentBytes: 150, preallocateBytes: 0 }));

interface ProjectionsOptions {
  readonly checkpoint?: boolean;
  /** Records between two snapshots of the slow one. Default 3. */
  readonly slow?: number;
}

function projections(wal: Wal<number>, { slow = 3, ...options }: ProjectionsOptions = {}) {
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
  return [applied('fast', 2), applied('slow', slow)] as const;
}

const upTo = (lsn: number): number[] => Array.from({ length: lsn }, (_, index) => index + 1);

/** Appends 1, 2, 3 and so on; each value is its LSN. Two projections of different pace take snapshots, and let the log go. */
export const appliesEachOnce = (records: number, options: ProjectionsOptions = {}): PowerCutTest<number> => ({
  async use(disk, promise, random) {
    const wal = await openSmall(disk);
    wal.acks$.subscribe({ error: () => undefined });
    const followers = projections(wal, options);
    for (let value = 1; value <= records; value += 1) {
      const { lsn } = await wal.append(value);
      promise(lsn);
      if (random() < 0.3) await setImmediate();
      // Now and then the disk has the time for all that snapshots lead to.
      if (value % 4 === 0 && options.slow === undefined) {
        for (const projection of followers) {
          await projection.at(value);
          await projection.snapshot();
        }
      }
    }
    await Promise.all(followers.map((projection) => projection.at(records)));
    await wal.close();
  },
  async check(disk, promises) {
    const wal = await openSmall(disk);
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
