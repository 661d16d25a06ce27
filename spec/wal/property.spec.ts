import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { asyncScheduler, config } from 'rxjs';
import type { Ack, Checkpoint, Commit, Durability, Wal } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/**
 * Any sequence of calls, at any times, in any mode, on a store with any latencies, held against the simplest model there is: an
 * array of values.
 */

type Call =
  | { readonly call: 'append'; readonly commit: boolean; readonly letters: number; readonly records: number }
  | { readonly call: 'checkpoint'; readonly back: number }
  | { readonly call: 'bad' | 'sync' | 'flush' | 'rotate' | 'stop' | 'start' };

const milliseconds = fc.integer({ min: 0, max: 12 });

const durabilities: fc.Arbitrary<Durability> = fc.oneof(
  fc.constant({ mode: 'sync' as const }),
  fc.record({
    mode: fc.constant('batch' as const),
    maxDelayMs: milliseconds,
    maxRecords: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ mode: fc.constant('adaptive' as const), targetIntervalMs: milliseconds }),
  fc.constant({ mode: 'nosync' as const }),
);

const calls: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      call: fc.constant('append' as const),
      commit: fc.boolean(),
      letters: fc.nat(40),
      // More than one is a group.
      records: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 7 })),
    }),
  },
  { weight: 1, arbitrary: fc.record({ call: fc.constant('checkpoint' as const), back: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({ call: fc.constantFrom('bad', 'sync', 'flush', 'rotate', 'stop', 'start') }),
  },
);

const latency = fc.nat(5).map((time) => `${'-'.repeat(time)}|`);

const trials = fc.record({
  durability: durabilities,
  plan: fc.record({
    write: latency,
    sync: latency,
    create: latency,
    syncDir: latency,
    rename: latency,
    remove: latency,
  }),
  maxSegmentBytes: fc.constantFrom(64, 150, 400, 10_000),
  maxPendingRecords: fc.constantFrom(1, 5, 10_000),
  script: fc.array(fc.tuple(fc.nat(8), calls), { maxLength: 60 }),
});
type Trial = typeof trials extends fc.Arbitrary<infer T> ? T : never;

/** What a log was told, and what it said. Holds one against the other at every word. */
class Witness {
  /** The values that were taken: LSN 1 is the first. */
  readonly taken: string[] = [];
  readonly ownAcks: number[] = [];
  /** The last LSN of each append, and whether a batch may end with it. */
  readonly ends = new Map<number, boolean>();
  readonly answers: Promise<unknown>[] = [];
  lastCommit: Commit | undefined;
  records = 0;
  acked = 0;
  refused = 0;
  rejected = 0;
  asked: Checkpoint | undefined;

  constructor(
    readonly wal: Wal<string>,
    readonly mode: Durability['mode'],
    /** The last LSN that a power cut would leave. */
    readonly survivingLsn: () => number,
  ) {
    wal.commits$.subscribe((commit) => this.onCommit(commit));
    wal.acks$.subscribe((ack) => this.onAck(ack));
    wal.rejected$.subscribe(() => (this.rejected += 1));
  }

  onCommit(commit: Commit): void {
    const { lastLsn = 0, segment = 0 } = this.lastCommit ?? {};
    assert.ok(commit.lastLsn >= lastLsn && commit.segment >= segment, 'a commit goes back');
    if (this.mode === 'sync' && commit.reason === 'commit') {
      assert.ok(this.ends.get(commit.lastLsn), 'a batch ends with a record that is no commit');
    }
    if (commit.durable) assert.ok(this.survivingLsn() >= commit.lastLsn, 'a commit that says durable is not');
    if (commit.lastLsn > 0) assert.ok(this.ends.has(commit.lastLsn), 'a commit ends inside a group');
    this.lastCommit = commit;
    this.records += commit.records;
  }

  onAck({ lsn, durable }: Ack): void {
    assert.equal(lsn, this.acked + 1, 'an ack is missing, repeated, or out of order');
    assert.ok(lsn <= this.lastCommit!.lastLsn, 'an ack comes before the commit that covers it');
    assert.equal(durable, lsn <= this.wal.durableLsn);
    assert.ok(durable || this.mode === 'nosync', 'an ack is not durable');
    this.acked = lsn;
  }

  append({ commit, letters, records }: Extract<Call, { call: 'append' }>, appended: number): void {
    const { wal, taken, ends } = this;
    // Of a group any value may be the one that is a commit.
    const values = Array.from({ length: records }, (_, index) => {
      const isOne = commit && index === letters % records;
      return `${isOne ? 'C' : 'r'}${appended + index}${'x'.repeat(letters)}`;
    });
    taken.push(...values);
    ends.set(appended + records, commit);
    const ack$ = records === 1 ? wal.append(values[0]!) : wal.appendAll(values);
    ack$.subscribe({
      next: ({ lsn }) => this.ownAcks.push(lsn),
      error: () => {
        taken.splice(-records);
        ends.delete(appended + records);
        this.refused += 1;
      },
    });
  }

  do(call: Call): void {
    const { wal, answers } = this;
    const appended = wal.lastLsn;
    switch (call.call) {
      case 'append':
        this.append(call, appended);
        break;
      case 'bad':
        wal.next(Symbol('no record') as never);
        this.refused += 1;
        break;
      case 'checkpoint': {
        const lsn = Math.max(this.asked?.lsn ?? 0, appended - call.back);
        const asked = { lsn, epoch: (this.asked?.epoch ?? 0) + 1 };
        this.asked = asked;
        answers.push(wal.checkpoint({ lsn }).then((done) => assert.deepEqual(done, asked)));
        break;
      }
      case 'sync':
        answers.push(wal.sync().then((lsn) => assert.ok(lsn >= appended, 'sync() left something behind')));
        break;
      case 'flush':
        answers.push(wal.flush());
        break;
      case 'rotate':
        answers.push(wal.rotate());
        break;
      case 'stop':
        answers.push(wal.stopBackgroundSync());
        break;
      case 'start':
        wal.startBackgroundSync();
        break;
    }
  }
}

const isCommit = (value: string): boolean => value.startsWith('C');

const contentOf = (wal: Wal<string>): string[] => {
  const values: string[] = [];
  wal.read().subscribe(({ value }) => values.push(value));
  return values;
};

/** Runs a trial to the close, and past it. @returns what there is to wait for. */
const run = ({ durability, plan, maxSegmentBytes, maxPendingRecords, script }: Trial): Promise<unknown> =>
  virtualTime(({ flush }) => {
    const options = { durability, maxSegmentBytes, maxPendingRecords, isCommit, plan: marblePlan(plan) };
    const { wal, store } = memoryWal<string>(options);
    const afterPowerCut = (): Wal<string> => memoryWal<string>({ files: store.durableSnapshot() }).wal;
    const witness = new Witness(wal, durability.mode, () => afterPowerCut().lastLsn);

    let at = 0;
    for (const [wait, call] of script) {
      at += wait;
      asyncScheduler.schedule(() => witness.do(call), at);
    }
    asyncScheduler.schedule(() => witness.answers.push(wal.close()), at);
    flush();

    const { taken, asked } = witness;
    assert.deepEqual(
      { acked: witness.acked, records: witness.records, lastLsn: wal.lastLsn, durableLsn: wal.durableLsn },
      { acked: taken.length, records: taken.length, lastLsn: taken.length, durableLsn: taken.length },
    );
    assert.deepEqual(witness.ownAcks, [...witness.ends.keys()]);
    assert.equal(witness.rejected, witness.refused);

    const again = afterPowerCut();
    const kept = contentOf(again);
    assert.deepEqual(kept, taken.slice(taken.length - kept.length));
    assert.ok(taken.length - kept.length <= (asked?.lsn ?? 0), 'a record above the checkpoint was removed');
    assert.ok(again.recovery.clean, 'the log is not clean after its close');
    assert.deepEqual(
      { lastLsn: again.lastLsn, records: again.recordCount, checkpoint: again.lastCheckpoint },
      { lastLsn: taken.length, records: kept.length, checkpoint: asked },
    );
    return Promise.all(witness.answers);
  });

describe('any sequence of calls', () => {
  it('acknowledges each record once, in order, behind the commit that covers it, and keeps it', async () => {
    const unhandled: unknown[] = [];
    // What an assertion in a listener throws comes out here.
    config.onUnhandledError = (error: unknown) => unhandled.push(error);
    await fc.assert(
      fc.asyncProperty(trials, async (trial) => {
        unhandled.length = 0;
        await run(trial);
        expect(unhandled).toEqual([]);
      }),
      { numRuns: 300 },
    );
    config.onUnhandledError = null;
  });
});
