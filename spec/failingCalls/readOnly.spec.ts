import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildShim } from './buildShim';
import type { Event, Job } from './events';
import { Judge } from './judge';
import { Runner, endOf, type Run } from './runner';

const IN_CI = Boolean(process.env['CI']);
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Where the file system is mounted; in the mount namespace of the program alone, so it goes with that. */
const base = mkdtempSync(join(tmpdir(), 'rxwal-readonly-'));
const disk = join(base, 'disk');
const image = `${disk}.image`;
const inNamespace = ['unshare', '-m', 'sh', '-c', 'mount -o loop "$1" "$0" && shift && exec "$@"', disk, image];

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

function makeDisk(): void {
  mkdirSync(disk, { recursive: true });
  execFileSync('dd', ['if=/dev/zero', `of=${image}`, 'bs=1M', 'count=8'], { stdio: 'ignore' });
  execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { env: { ...process.env, PATH } });
}

/** Why it cannot be done on this machine; undefined where it can. */
function hindrance(): string | undefined {
  try {
    const shim = buildShim(base);
    if ('missing' in shim) return shim.missing;
    makeDisk();
    const [command, ...args] = [...inNamespace, 'mount', '-o', 'remount,abort', disk];
    const { status, stderr } = spawnSync(command, args, { env: { ...process.env, PATH }, encoding: 'utf8' });
    return status === 0 ? undefined : stderr;
  } catch (error) {
    return String(error);
  }
}

/** A run in a process of its own: the mount ends with it. */
async function run(workload: Job['workload'], preallocateBytes: number): Promise<Run> {
  makeDisk();
  const runner = new Runner({ root: disk, inFront: inNamespace });
  const settings = { durability: { mode: 'sync' }, preallocateBytes, maxSegmentBytes: 65_536 } as const;
  try {
    return await runner.run({ dir: join(disk, 'log'), workload, settings, rules: '', firstId: 1 });
  } finally {
    await runner.end();
  }
}

function complaintsOf({ events }: Run): readonly string[] {
  const judge = new Judge(true);
  for (const event of events) judge.hear(event);
  return judge.complaints;
}

/** How everything failed that did, as `call: code cause`, in order. */
function failures(events: readonly Event[]): string[] {
  return events.flatMap((event) => {
    if (event.is === 'lost') return [`append: ${event.refusal.code} ${event.refusal.cause}`];
    if (event.is === 'refused') return [`open: ${event.refusal.code} ${event.refusal.cause}`];
    if (event.is === 'failed') return [`${event.name}: ${event.refusal.code} ${event.refusal.cause}`];
    return [];
  });
}

function acks(events: readonly Event[]): number {
  return events.filter(({ is }) => is === 'ack').length;
}

describe('a file system that becomes read-only', () => {
  const hindered = hindrance();
  if (hindered !== undefined) {
    const title = `needs root, a loop device and ext4: ${hindered}`;
    (IN_CI ? it : it.skip)(title, () => {
      throw new Error(title);
    });
    return;
  }

  it.each([0, 4096])('under an open log, by a failure of its own (zeros laid ahead: %i bytes)', async (zeros) => {
    const failed = await run('abortedMount', zeros);
    expect(endOf(failed).open).toBe(0);
    // Everything acknowledged before is there when it has been mounted anew, and the log goes on.
    expect(complaintsOf(failed)).toEqual([]);
    expect(acks(failed.events)).toBe(3 + 3 + 2);
    // The kernel answers the first write with EROFS or EIO; the log stops with that and says the same from then on.
    const [first, ...more] = failures(failed.events);
    expect(first).toMatch(/^append: WAL_POISONED E(ROFS|IO)$/);
    const cause = first?.split(' ')[2];
    expect(more).toEqual([
      `append: WAL_POISONED ${cause}`,
      `append: WAL_POISONED ${cause}`,
      `rotate: WAL_POISONED ${cause}`,
      `checkpoint: WAL_POISONED ${cause}`,
      `sync: WAL_POISONED ${cause}`,
      `close: WAL_POISONED ${cause}`,
      'open: WAL_IO EROFS',
    ]);
  });

  it('under a closed log, by a remount: it is refused, and can be read', async () => {
    const remounted = await run('readOnlyMount', 0);
    expect(endOf(remounted).open).toBe(0);
    expect(complaintsOf(remounted)).toEqual([]);
    expect(acks(remounted.events)).toBe(3 + 2);
    expect(failures(remounted.events)).toEqual(['open: WAL_IO EROFS']);
    expect(remounted.events).toContainEqual({
      is: 'entries',
      entries: [1, 2, 3].map((lsn) => ({ lsn, id: lsn })),
    });
  });
});
