import type { Event, Job } from './events';
import { groupFor } from './groupFor';
import { Runner, endOf } from './runner';

const runner = new Runner();

afterAll(() => runner.end());

/** What a session says behind its first ack, in short. */
function after(events: readonly Event[]): string[] {
  const said = events.slice(events.findIndex(({ is }) => is === 'ack') + 1);
  return said.flatMap((event) => {
    if (event.is === 'ack') return ['append: done'];
    if (event.is === 'done') return [`${event.name}: done`];
    if (event.is === 'lost') return [`append: ${event.refusal.code} ${event.refusal.cause}`];
    if (event.is === 'failed') return [`${event.name}: ${event.refusal.code} ${event.refusal.cause}`];
    return event.is === 'unhandled' ? [event.message] : [];
  });
}

/**
 * Somebody removes the directory while the log is open. Nobody is told of that by a file that is open: it lives on without a name. What needs
 * a name fails, with the system's error; nothing hangs; and where the directory was, a new log can be made.
 */
groupFor(runner)('a directory that is removed under an open log', () => {
  it.each<[string, number, readonly string[]]>([
    ['append', 0, ['append: done', 'append: done', 'close: done']],
    ['sync', 1, ['sync: done', 'append: done', 'close: done']],
    ['read', 2, ['read: WAL_IO ENOENT', 'append: done', 'close: done']],
    ['checkpoint', 3, ['checkpoint: WAL_IO ENOENT', 'append: done', 'close: done']],
    ['rotate', 4, ['rotate: WAL_POISONED ENOENT', 'append: WAL_POISONED ENOENT', 'close: WAL_POISONED ENOENT']],
  ])('%s', async (_, session, expected) => {
    const settings = { durability: { mode: 'sync' }, preallocateBytes: 0, maxSegmentBytes: 4096 } as const;
    const job: Job = { dir: runner.newPlace(), workload: 'removed', settings, rules: '', firstId: 1 };
    const run = await runner.run(job);
    expect(endOf(run).open).toBe(0);
    const starts = run.events.flatMap(({ is }, index) => (is === 'opening' ? [index] : []));
    expect(after(run.events.slice(starts[session], starts[session + 1]))).toEqual(expected);
  });
});
