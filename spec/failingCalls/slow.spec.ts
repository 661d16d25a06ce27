import { lookAfterwards } from './afterwards';
import type { Durability } from '../../src/types';
import type { Job } from './events';
import { Judge } from './judge';
import { groupFor } from './groupFor';
import { Runner } from './runner';

const runner = new Runner();

afterAll(() => runner.end());

const MAX_PENDING_RECORDS = 8;

/** Which call is held: the commit of a batch, or one of those that the rotation behind it is made of. */
const HELD: readonly [string, Durability, string][] = [
  ['the durable write of a batch', { mode: 'sync' }, 'writesync:2:hold'],
  ['the fsync of a segment that ends', { mode: 'sync' }, 'sync:2:hold'],
  ['the making of the next segment', { mode: 'sync' }, 'create:3:hold'],
  ['the fsync of its header', { mode: 'sync' }, 'sync:3:hold'],
  ['the fsync of the directory', { mode: 'sync' }, 'syncdir:3:hold'],
  ['the write of a batch, mode nosync', { mode: 'nosync' }, 'write:4:hold'],
  ['the durable write of a batch, mode batch', { mode: 'batch', maxDelayMs: 1, maxRecords: 1 }, 'writesync:2:hold'],
];

/** A call is held back, for as long as it takes to press 2,000 records on a log that has room for eight. */
groupFor(runner)('a call that takes its time', () => {
  it.each(HELD)('%s: nothing is acknowledged meanwhile, and little waits', async (_, durability, rules) => {
    const settings = { durability, preallocateBytes: 0, maxSegmentBytes: 4096, maxPendingRecords: MAX_PENDING_RECORDS };
    const job: Job = { dir: runner.newPlace(), workload: 'slow', settings, rules, firstId: 1 };
    const run = await runner.run(job);
    const judge = new Judge(durability.mode !== 'nosync');
    for (const event of run.events) judge.hear(event);
    await lookAfterwards(run, judge);
    expect(judge.complaints).toEqual([]);

    const released = run.events.find((event) => event.is === 'released')!;
    expect(released).toMatchObject({ acks: 0 });
    expect(released.taken).toBeGreaterThan(0);
    expect(released.taken).toBeLessThanOrEqual(MAX_PENDING_RECORDS);
    expect(released.turnedAway).toBe(2000 - released.taken);
    process.stdout.write(
      `held ${rules}: ${released.taken} records waited, ${released.turnedAway} were turned away, ` +
        `the process grew by ${Math.round(released.rssGrowthBytes / 1024)} KiB\n`,
    );

    // Whatever was taken is acknowledged in the end.
    const turnedAway = run.events.flatMap((event) => (event.is === 'turned away' ? [event] : []));
    const appended = run.events.filter(({ is }) => is === 'append').length;
    expect(turnedAway).toHaveLength(released.turnedAway);
    expect(new Set(turnedAway.map(({ refusal }) => refusal.code))).toEqual(new Set(['WAL_BACKPRESSURE']));
    expect(run.events.filter(({ is }) => is === 'ack')).toHaveLength(appended - turnedAway.length);
    expect(run.events.filter(({ is }) => is === 'lost' || is === 'failed')).toEqual([]);
  });
});
