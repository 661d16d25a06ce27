import { map } from 'rxjs';
import type { Commit, Durability, Wal, WalPoisonedError } from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** What one commit has at the most. */
const CAP = 4096;
const MANY = 10_000;
const PARTS = [CAP, CAP, MANY - 2 * CAP];

const modes: Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 5, maxRecords: 1000 },
  { mode: 'adaptive', targetIntervalMs: 5 },
  { mode: 'nosync' },
];

const timed = () => marblePlan({ write: '-|', sync: '--|' });
const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

/** Appends so many values in one turn: 1, 2, … */
function appendAll(wal: Wal<number>, count = MANY): void {
  for (let value = 1; value <= count; value += 1) wal.next(value);
}

const valuesOf = (wal: Wal<number>): number[] => {
  const values: number[] = [];
  wal.read().subscribe(({ value }) => values.push(value));
  return values;
};

describe('10,000 records in one turn', () => {
  it.each(modes)('$mode: are acknowledged in order, each once, over as many commits as it takes', (durability) => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<number>({ durability, plan: timed() });
      const acked: number[] = [];
      const commits: Commit[] = [];
      wal.acks$.subscribe(({ lsn }) => acked.push(lsn));
      wal.commits$.subscribe((commit) => commits.push(commit));
      appendAll(wal);
      flush();
      expect(acked).toEqual(upTo(MANY));
      expect(Math.max(...commits.map(({ records }) => records))).toBeLessThanOrEqual(CAP);
      expect(commits.map(({ lastLsn }) => lastLsn)).toEqual(
        [...commits.map(({ lastLsn }) => lastLsn)].sort((a, b) => a - b),
      );
      expect(commits.filter(({ records }) => records === 0)).toEqual([]);
      expect(valuesOf(memoryWal<number>({ files: store.snapshot() }).wal)).toEqual(upTo(MANY));
    });
  });

  it('are three commits in mode sync; the first leaves before the turn is over', () => {
    virtualTime(({ expectObservable }) => {
      const { wal } = memoryWal<number>({ plan: timed() });
      expectObservable(wal.commits$.pipe(map(({ records }) => records))).toBe('---a--b--c', {
        a: PARTS[0],
        b: PARTS[1],
        c: PARTS[2],
      });
      appendAll(wal);
    });
  });

  it.each(['sync', 'flush', 'rotate', 'checkpoint'] as const)(
    '%s behind them is answered when all are durable',
    async (call) => {
      await virtualTime(({ flush }) => {
        const { wal } = memoryWal<number>({ plan: timed() });
        appendAll(wal);
        let durableLsn = 0;
        const answered = wal[call]().then(() => {
          durableLsn = wal.durableLsn;
        });
        // These come behind it, and it does not wait for them.
        const commits: Commit[] = [];
        wal.commits$.subscribe((commit) => commits.push(commit));
        flush();
        expect(commits.map(({ records }) => records)).toEqual(PARTS);
        expect(commits.map(({ barriers }) => barriers.some(({ kind }) => kind === call))).toEqual([false, false, true]);
        return answered.then(() => {
          expect(durableLsn).toBe(MANY);
        });
      });
    },
  );

  it('go into the segment before a rotate, and what comes behind it into the next', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<number>({ plan: timed() });
      const where: string[] = [];
      wal.commits$.subscribe(({ segment, records }) => where.push(`${records} in ${segment}`));
      appendAll(wal);
      const rotated = wal.rotate();
      wal.next(MANY + 1);
      flush();
      expect(where.slice(0, 4)).toEqual([...PARTS.map((records) => `${records} in 0`), '1 in 1']);
      expect(valuesOf(wal)).toEqual(upTo(MANY + 1));
      return rotated;
    });
  });

  it('are cut into segments behind whole parts', () => {
    virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<number>({ plan: timed(), maxSegmentBytes: 1000 });
      const where: string[] = [];
      wal.commits$.subscribe(({ segment, records }) => where.push(`${records} in ${segment}`));
      appendAll(wal);
      flush();
      expect(where).toEqual(PARTS.map((records, segment) => `${records} in ${segment}`));
      expect(valuesOf(memoryWal<number>({ files: store.durableSnapshot() }).wal)).toEqual(upTo(MANY));
    });
  });

  it('are all drained by the close', async () => {
    await virtualTime(({ flush }) => {
      const { wal, store } = memoryWal<number>({ plan: timed() });
      appendAll(wal);
      const closed = wal.close();
      flush();
      const again = memoryWal<number>({ files: store.durableSnapshot() }).wal;
      expect(again.recovery).toMatchObject({ clean: true, lastLsn: MANY, bytesCut: 0 });
      return closed;
    });
  });

  it('of which the first part fails: unknown up to its end, and not written behind it', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<number>({ plan: marblePlan({ write: '-#' }, fault('EIO')) });
      const outcomes: string[] = [];
      for (const value of upTo(MANY)) {
        wal.append(value).subscribe({
          error: (error: unknown) => outcomes.push((error as WalPoisonedError).outcome),
        });
      }
      flush();
      expect(outcomes).toEqual([
        ...Array<string>(CAP).fill('unknown'),
        ...Array<string>(MANY - CAP).fill('not written'),
      ]);
    });
  });

  it('have room as long as they are not acknowledged: parts that have returned do not count', () => {
    virtualTime(({ cold, flush }) => {
      const { wal } = memoryWal<number>({ plan: timed(), maxPendingRecords: MANY });
      const refused: number[] = [];
      wal.rejected$.subscribe(({ value }) => refused.push(value));
      appendAll(wal);
      wal.next(-1);
      // The first part has returned at 3.
      cold('----x').subscribe(() => {
        for (let more = 1; more <= CAP + 1; more += 1) wal.next(-more - 1);
      });
      flush();
      expect(refused).toEqual([-1, -(CAP + 1) - 1]);
      expect(wal.durableLsn).toBe(MANY + CAP);
    });
  });

  it('do not keep a call waiting for ever, though more come than the disk takes', async () => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<number>({ plan: timed() });
      appendAll(wal);
      let answeredAt = Infinity;
      const synced = wal.sync().then((lsn) => lsn);
      wal.commits$.subscribe(({ barriers, lastLsn }) => {
        if (barriers.length > 0) answeredAt = Math.min(answeredAt, lastLsn);
        // Twice what a commit takes, with each.
        if (lastLsn < 10 * MANY) appendAll(wal, 2 * CAP);
      });
      flush();
      expect(answeredAt).toBeLessThanOrEqual(3 * CAP);
      return expect(synced).resolves.toBeLessThanOrEqual(3 * CAP);
    });
  });
});
