import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { median } from 'simple-statistics';
import { order, type Order } from '../order';
import { ONE_BATCH_SEGMENT_BYTES, buildSegments, makeSparse } from './buildSegments';
import { inRounds, type Curve, type Series } from './curve';
import { FLAT, LINEAR } from './must';
import { openCounted } from './openCounted';
import { stopwatch, timed } from './stopwatch';

const SEGMENTS = [2, 10, 32, 100, 316, 1000, 3162, 10_000];
const SEGMENT_BYTES = 64 * 1024 * 1024;
const ROTATIONS = 7;
/** Below this many segments what an open costs whatever it finds is most of it. */
const MANY = 100;

const OPEN_WALL: Series = { name: 'open, wall', unit: 'ms', must: LINEAR };
const OPEN_CPU: Series = { name: 'open, CPU', unit: 'ms', must: LINEAR };
const OPEN_MANY: Series = { name: 'open, CPU a segment, 100 and up', unit: 'µs', must: FLAT };
const OPEN_READS: Series = { name: 'open, reads', unit: 'calls', must: LINEAR };
const OPEN_BYTES: Series = { name: 'open, bytes read', unit: 'bytes', must: LINEAR };
const OPEN_EMPTY: Series = { name: 'open, the last one empty, wall', unit: 'ms', must: LINEAR };
const OPEN_EMPTY_BYTES: Series = { name: 'open, the last one empty, bytes read', unit: 'bytes', must: LINEAR };
const ROTATE: Series = { name: 'rotation, wall', unit: 'ms', must: FLAT };
const ROTATE_CPU: Series = { name: 'rotation, CPU', unit: 'ms', must: FLAT };
const ROTATE_CALLS: Series = { name: 'rotation, calls', unit: 'calls', must: FLAT };
const CHECKPOINT: Series = { name: 'checkpoint, wall', unit: 'ms', must: LINEAR };
const CHECKPOINT_CPU: Series = { name: 'checkpoint, CPU', unit: 'ms', must: LINEAR };
const CHECKPOINT_MANY: Series = { name: 'checkpoint, CPU a segment, 100 and up', unit: 'µs', must: FLAT };
const CHECKPOINT_CALLS: Series = { name: 'checkpoint, calls a segment', unit: 'calls', must: FLAT };

export const curveSegments: Curve = {
  name: 'segments',
  what:
    'a log of n segments of 64 MiB (sparse), of which the last is empty or has one record: open after a clean close, a rotation, a ' +
    'checkpoint that removes all but the last. Made without fsync, measured with',
  x: 'segments',
  rounds: 3,
  series: [
    ...[OPEN_WALL, OPEN_CPU, OPEN_MANY, OPEN_READS, OPEN_BYTES, OPEN_EMPTY, OPEN_EMPTY_BYTES],
    ...[ROTATE, ROTATE_CPU, ROTATE_CALLS],
    ...[CHECKPOINT, CHECKPOINT_CPU, CHECKPOINT_MANY, CHECKPOINT_CALLS],
  ],
  measure: ({ dir, rounds }, samples) =>
    inRounds(SEGMENTS, rounds, samples, async (segments, kept) => {
      const logDir = await mkdtemp(join(dir, 'segments-'));
      await buildSegments(logDir, segments);
      const names = (await readdir(logDir)).filter((name) => name.endsWith('.log')).sort();
      await makeSparse(logDir, names.slice(0, -1), SEGMENT_BYTES);

      // A rotation has just been, and then the log was closed.
      const openedEmpty = stopwatch();
      const empty = await openCounted<Order>(logDir, {});
      kept.add(OPEN_EMPTY, segments, openedEmpty().wallUs / 1000);
      kept.add(OPEN_EMPTY_BYTES, segments, empty.calls.readBytes);
      await lastValueFrom(empty.wal.append(order(segments)));
      await empty.wal.close();

      const opened = stopwatch();
      const { wal, calls } = await openCounted<Order>(logDir, { maxSegmentBytes: ONE_BATCH_SEGMENT_BYTES });
      const { wallUs, cpuUs } = opened();
      if (wal.recovery.segments !== segments) throw new Error(`${wal.recovery.segments} segments, not ${segments}`);
      kept.add(OPEN_WALL, segments, wallUs / 1000);
      kept.add(OPEN_CPU, segments, cpuUs / 1000);
      if (segments >= MANY) kept.add(OPEN_MANY, segments, cpuUs / segments);
      kept.add(OPEN_READS, segments, calls.reads);
      kept.add(OPEN_BYTES, segments, calls.readBytes);

      const rotations: { readonly wall: number; readonly cpu: number; readonly calls: number }[] = [];
      for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
        // Every batch ends its segment here, so the ack comes before the rotation and the barrier behind it.
        await lastValueFrom(wal.append(order(rotation)));
        const before = calls.copy();
        const taken = await timed(() => wal.flush());
        const { opens, writes, syncs } = calls.since(before);
        rotations.push({ wall: taken.wallUs / 1000, cpu: taken.cpuUs / 1000, calls: opens + writes + syncs });
      }
      kept.add(ROTATE, segments, median(rotations.map(({ wall }) => wall)));
      kept.add(ROTATE_CPU, segments, median(rotations.map(({ cpu }) => cpu)));
      kept.add(ROTATE_CALLS, segments, median(rotations.map((one) => one.calls)));

      const before = calls.copy();
      const taken = await timed(() => wal.checkpoint());
      const { removals, syncs, writes, opens } = calls.since(before);
      kept.add(CHECKPOINT, segments, taken.wallUs / 1000);
      kept.add(CHECKPOINT_CPU, segments, taken.cpuUs / 1000);
      if (segments >= MANY) kept.add(CHECKPOINT_MANY, segments, taken.cpuUs / segments);
      kept.add(CHECKPOINT_CALLS, segments, (removals + syncs + writes + opens) / segments);
      if (removals < segments) throw new Error(`${removals} segments were removed, and there were ${segments}`);
      await wal.close();
      await rm(logDir, { recursive: true });
    }),
};
