import { lastValueFrom, map, toArray } from 'rxjs';
import { recoverWal, type SegmentStore, type Wal, type WalOptions } from 'rxwal';
import type { PowerCutTest } from 'rxwal/testing';

/** Where a reader was promised to be. */
interface Held {
  readonly name: string;
  /** -1: released. */
  readonly lsn: number;
}

const openOn = (disk: SegmentStore, retention?: WalOptions<number>['retention']): Promise<Wal<number>> =>
  lastValueFrom(recoverWal<number>(disk, { preallocateBytes: 0, retention }));

/** Readers that come, move and go while segments do; whatever is left, each is where it was promised or further, and has what comes next. */
export const keepsReaders = (retention?: WalOptions<number>['retention']): PowerCutTest<Held> => ({
  async use(disk, promise) {
    const wal = await openOn(disk, retention);
    const hold = async (name: string, lsn: number): Promise<void> => {
      await wal.hold(name, lsn);
      promise({ name, lsn });
    };
    await hold('mail', 0);
    for (let value = 1; value <= 6; value += 1) {
      await wal.append(value);
      if (value % 2 === 0) await wal.rotate();
      if (value === 3) await hold('search', 1);
    }
    await wal.checkpoint();
    await hold('mail', 3);
    await hold('search', 5);
    await wal.release('mail');
    promise({ name: 'mail', lsn: -1 });
    await wal.append(7);
    await wal.checkpoint();
    await hold('search', 7);
    await wal.close();
  },
  async check(disk, promises) {
    const wal = await openOn(disk);
    const released = promises.some(({ lsn }) => lsn < 0);
    for (const { name, lsn } of promises) {
      if (lsn < 0 || (name === 'mail' && released)) continue;
      const reader = wal.readers.find((one) => one.name === name);
      // A release that was under way may have been carried out.
      const mayBeGone = name === 'mail' && promises.some((held) => held.name === 'search' && held.lsn === 5);
      if (!reader && !mayBeGone) throw new Error(`${name} was promised at LSN ${lsn}, and is forgotten`);
      if (reader && reader.lsn < lsn) throw new Error(`${name} was promised at LSN ${lsn}, and is at ${reader.lsn}`);
    }
    for (const { name, lsn } of wal.readers) {
      const lsns = await lastValueFrom(
        wal.read({ after: lsn }).pipe(
          map((entry) => entry.lsn),
          toArray(),
        ),
      );
      const wanted = Array.from({ length: wal.lastLsn - lsn }, (_, nth) => lsn + nth + 1);
      if (lsns.join() !== wanted.join()) throw new Error(`${name} at LSN ${lsn} reads ${lsns.join()}`);
    }
    await wal.hold('new', wal.durableLsn);
    await wal.checkpoint();
    await wal.close();
  },
});
