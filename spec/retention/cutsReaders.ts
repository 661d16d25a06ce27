import { setImmediate } from 'node:timers/promises';
import { lastValueFrom, map, toArray } from 'rxjs';
import { recoverWal } from 'rxwal';
import type { PowerCutTest } from 'rxwal/testing';

const OPTIONS = { preallocateBytes: 0, retention: { maxBytes: 400, evenIfRead: true } } as const;

/** A cap removes what a reader needs, as it was told to; the log opens all the same, and what it still has is without a hole. */
export function cutsReaders(): PowerCutTest<number> {
  return {
    async use(disk, promise) {
      const wal = await lastValueFrom(recoverWal<string>(disk, OPTIONS));
      await wal.hold('slow', 0);
      for (const value of ['a', 'b', 'c', 'd', 'e'.repeat(250)]) {
        promise((await wal.append(value)).lsn);
        await wal.rotate();
      }
      // A cap takes its steps at the ends of turns.
      for (let turn = 0; turn < 40; turn += 1) await setImmediate();
      if (wal.firstLsn < 3) throw new Error(`the cap has removed nothing up to LSN ${wal.firstLsn}`);
      await wal.close();
    },
    async check(disk, promises) {
      const wal = await lastValueFrom(recoverWal<string>(disk, { preallocateBytes: 0 }));
      const { firstLsn, lastLsn } = wal;
      if (lastLsn < (promises.at(-1) ?? 0)) throw new Error(`the log ends with LSN ${lastLsn}`);
      const lsns = await lastValueFrom(
        wal.read().pipe(
          map(({ lsn }) => lsn),
          toArray(),
        ),
      );
      const wanted = Array.from({ length: lastLsn - firstLsn + 1 }, (_, index) => firstLsn + index);
      if (lsns.join() !== wanted.join()) throw new Error(`from LSN ${firstLsn} to ${lastLsn} it reads ${lsns.join()}`);
      await wal.hold('slow', lastLsn);
      await wal.close();
    },
  };
}
