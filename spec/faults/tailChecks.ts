import assert from 'node:assert/strict';
import { map, timer } from 'rxjs';
import { marblePlan, memoryWal, virtualTime, type MemoryWalOptions } from 'rxwal/testing';
import { joinTail, type Joining, type Latencies } from '../wal/joinTail';

/** What who follows a log must be shown. */
export const TAIL_CHECKS = {
  'a tail joins a log': joins,
  'a slow tail reads on': readsOn,
};

const SCRIPT = 'abRcd--e-S-f';
const LATENCIES: readonly Latencies[] = [{ sync: '---|' }, { sync: '--|', read: '----|' }];
const MODES: readonly MemoryWalOptions<string>[] = [
  {},
  { durability: { mode: 'batch', maxDelayMs: 3, maxRecords: 2 } },
];

/** At each frame, behind each record, in two modes: each record once, in order, and none before it is durable. */
function joins(): void {
  for (const latencies of LATENCIES) {
    for (const options of MODES) {
      for (let joinsAt = 0; joinsAt < SCRIPT.length; joinsAt += 1) {
        for (const pace of [undefined, 2]) check({ script: SCRIPT, latencies, options, joinsAt, after: 0, pace });
      }
    }
  }
}

function check(joining: Joining): void {
  const { shown, error, complete, durableAt, appended } = joinTail(joining);
  assert.deepEqual(
    { error, complete, shown: shown.map(({ lsn, value }) => [lsn, value]) },
    { error: undefined, complete: true, shown: appended.map((value, index) => [index + 1, value]) },
  );
  for (const { lsn, frame } of shown)
    assert.ok(frame >= (durableAt.get(lsn) ?? Infinity), `LSN ${lsn} is shown too early`);
}

/** More comes than is kept in memory while it deals with an entry. */
function readsOn(): void {
  const shown: number[] = [];
  let complete = false;
  virtualTime(({ flush }) => {
    const { wal } = memoryWal<string>({ maxPendingBytes: 2 ** 30, plan: marblePlan({ sync: '-|' }) });
    wal
      .tail()
      .each((entry) => timer(20).pipe(map(() => entry)))
      .subscribe({
        next: ({ lsn }) => shown.push(lsn),
        complete: () => (complete = true),
      });
    const value = 'x'.repeat(1024 * 1024);
    for (let at = 0; at < 12; at += 1) timer(2 * at).subscribe(() => wal.next(value));
    timer(40).subscribe(() => void wal.close());
    flush();
  });
  assert.deepEqual({ shown, complete }, { shown: Array.from({ length: 12 }, (_, index) => index + 1), complete: true });
}
