import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WalOptions } from '../../src/options';
import { Child, killChildren, nodeCommand } from './childProcess';
import type { FillReport } from './fillDisk';

const IN_CI = Boolean(process.env['CI']);
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/**
 * A small file system, mounted in a mount namespace of the program that uses it: it is gone, with its loop device, when that program
 * ends, however it ends.
 */
interface SmallDisk {
  readonly name: string;
  /** The command that runs `command` with the disk at `mountPoint`. */
  readonly with: (
    place: { readonly mountPoint: string; readonly image: string },
    command: readonly string[],
  ) => string[];
  readonly prepare: (image: string) => void;
}

const NAMESPACE = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-Urm'];
const THEN_RUN = '"$0" && shift && exec "$@"';

const DISKS: readonly SmallDisk[] = [
  {
    name: 'ext4, 8 MiB',
    prepare: (image) => {
      execFileSync('dd', ['if=/dev/zero', `of=${image}`, 'bs=1M', 'count=8'], { stdio: 'ignore' });
      execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image], { env: { ...process.env, PATH } });
    },
    with: ({ mountPoint, image }, command) => [
      ...NAMESPACE,
      'sh',
      '-c',
      `mount -o loop "$1" ${THEN_RUN}`,
      mountPoint,
      image,
      ...command,
    ],
  },
  {
    name: 'tmpfs, 4 MiB',
    prepare: () => undefined,
    with: ({ mountPoint, image }, command) => [
      ...NAMESPACE,
      'sh',
      '-c',
      `mount -t tmpfs -o size=4m "$1" ${THEN_RUN}`,
      mountPoint,
      image,
      ...command,
    ],
  },
];

const base = mkdtempSync(join(tmpdir(), 'rxwal-full-'));
let places = 0;

function makePlace(disk: SmallDisk): { readonly mountPoint: string; readonly image: string } {
  const place = join(base, String((places += 1)));
  const mountPoint = join(place, 'disk');
  mkdirSync(mountPoint, { recursive: true });
  const image = join(place, 'image');
  disk.prepare(image);
  return { mountPoint, image };
}

/** Whether this machine lets us have such a disk. */
function isPossible(disk: SmallDisk): boolean {
  try {
    const place = makePlace(disk);
    const [command, ...args] = disk.with(place, ['sh', '-c', `touch "${place.mountPoint}/file"`]);
    return spawnSync(command!, args, { env: { ...process.env, PATH } }).status === 0;
  } catch {
    return false;
  }
}

const possible = DISKS.filter(isPossible);

const KIB = 1024;

/** Segments are smaller than the space that is freed: an opening behind a failure makes the last one again, beside the old one. */
const SETTINGS: readonly [string, WalOptions<Uint8Array>][] = [
  [
    'mode sync, zeros laid ahead',
    { durability: { mode: 'sync' }, preallocateBytes: 256 * KIB, maxSegmentBytes: 512 * KIB },
  ],
  ['mode sync, no zeros', { durability: { mode: 'sync' }, preallocateBytes: 0, maxSegmentBytes: 512 * KIB }],
  [
    'mode batch, zeros laid ahead, a new segment every 64 KiB',
    {
      durability: { mode: 'batch', maxDelayMs: 1, maxRecords: 8 },
      preallocateBytes: 16 * KIB,
      maxSegmentBytes: 64 * KIB,
    },
  ],
  ['mode nosync', { durability: { mode: 'nosync' }, maxSegmentBytes: 512 * KIB }],
];

afterAll(async () => {
  await killChildren();
  rmSync(base, { recursive: true, force: true });
});

describe('a disk that is really full', () => {
  if (possible.length === 0) {
    const title = `needs a small file system: root, or unshare -Urm (tried ${DISKS.map(({ name }) => name).join('; ')})`;
    // In CI a test that cannot run is a failure; elsewhere it says why it does not.
    (IN_CI ? it : it.skip)(title, () => {
      throw new Error(title);
    });
    return;
  }

  describe.each(possible.map((disk) => ({ disk, name: disk.name })))('$name', ({ disk }) => {
    it.each(SETTINGS)('%s: the log stops, loses nothing, and goes on when there is space', async (_, options) => {
      const place = makePlace(disk);
      const program = nodeCommand(require.resolve('./fillDisk'), place.mountPoint, JSON.stringify(options));
      const child = new Child(disk.with(place, program));
      const report = await child.nextJson<FillReport>();
      expect(await child.exited).toEqual({ code: 0, signal: null });

      // It was the disk that was full, and the log had used it.
      expect(report.freeBytes).toBeLessThan(report.diskBytes / 10);
      expect(report.acked).toBeGreaterThan(500);
      expect(report.states).toEqual(['open', 'poisoned']);
      expect(report.late).toBe(0);

      // Typed, with its cause; what had been handed over first, then what had only gathered.
      const refusals = ['WAL_POISONED ENOSPC not written', 'WAL_POISONED ENOSPC unknown'];
      expect(refusals).toEqual(expect.arrayContaining([...report.failures]));
      expect(report.failures).toContain('WAL_POISONED ENOSPC unknown');
      expect(report.nextAppend).toBe('WAL_POISONED ENOSPC not written');
      expect(report.sync).toBe('WAL_POISONED ENOSPC not written');
      expect(report.close).toBe('WAL_POISONED ENOSPC unknown');

      // Everything acknowledged can be read, at most what was on its way behind it, and an opening that finds no space changes nothing.
      const last = (range: string): number => Number(/^1-(\d+)$/.exec(range)?.[1]);
      expect(last(report.readOnFullDisk)).toBeGreaterThanOrEqual(report.acked);
      expect(last(report.readOnFullDisk)).toBeLessThanOrEqual(report.appended);
      expect(['done', 'WAL_IO ENOSPC']).toContain(report.reopenOnFullDisk);
      expect(report.readAfterReopening).toBe(report.readOnFullDisk);

      const { lastLsnAfterwards } = report;
      expect(lastLsnAfterwards).toBe(last(report.readOnFullDisk));
      expect(report.acksAfterwards).toEqual([1, 2, 3, 4, 5].map((n) => lastLsnAfterwards + n));
      expect(report.readAfterwards).toBe(`1-${lastLsnAfterwards + 5}`);
    });
  });
});
