import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { rawCodec, readWal } from 'rxwal';
import { RECORD, buildBytes } from './buildBytes';
import { leaveAsKilled, unclean } from './crashed';
import { inRounds, type Curve, type Series } from './curve';
import { FLAT } from './must';
import { openCounted } from './openCounted';
import { stopwatch, timed } from './stopwatch';

const MB = 1_000_000;
const SIZES_MB = [1, 3, 10, 32, 100, 316, 1000];
const FULL_SIZES_MB = [3162, 10_000];
/** The last segment is alike in all of them: it alone is scanned at an open. */
const LAST_SEGMENT_BYTES = MB / 2;
/** Appended in a round: 100 kB, so that even the smallest log keeps its size. */
const RECORDS_A_ROUND = 100;
const LEAST_REPLAYED_MB = 30;

const APPEND: Series = { name: 'append, CPU a record', unit: 'µs', must: FLAT };
const APPEND_WALL: Series = { name: 'append, wall a record', unit: 'µs', must: FLAT };
const REPLAY: Series = { name: 'replay, CPU a record', unit: 'µs', must: FLAT };
const CLEAN: Series = { name: 'open, clean, CPU', unit: 'ms', must: FLAT };
const CLEAN_BYTES: Series = { name: 'open, clean, bytes read', unit: 'bytes', must: FLAT };
const CRASHED: Series = { name: 'open, killed, CPU', unit: 'ms', must: FLAT };
const CRASHED_BYTES: Series = { name: 'open, killed, bytes read', unit: 'bytes', must: FLAT };

export const curveLogBytes: Curve = {
  name: 'log',
  what:
    'a log of n MB in ten segments and a last one of 0.5 MB; records of 1,000 bytes. Append to it, replay it, open it after a clean ' +
    'close and as a killed process leaves it',
  x: 'MB',
  rounds: 5,
  series: [APPEND, APPEND_WALL, REPLAY, CLEAN, CLEAN_BYTES, CRASHED, CRASHED_BYTES],
  measure: async ({ dir, rounds, full }, samples) => {
    const sizes = full ? [...SIZES_MB, ...FULL_SIZES_MB] : SIZES_MB;
    const dirOf = (size: number): string => join(dir, `${size}MB`);
    for (const size of sizes) {
      await mkdir(dirOf(size));
      await buildBytes(dirOf(size), size * MB, LAST_SEGMENT_BYTES);
    }
    await inRounds(sizes, rounds, samples, async (size, kept) => {
      const cleanly = stopwatch();
      const { wal, calls } = await openCounted<Uint8Array>(dirOf(size), { codec: rawCodec() });
      kept.add(CLEAN, size, cleanly().cpuUs / 1000);
      kept.add(CLEAN_BYTES, size, calls.readBytes);

      const append = await timed(async () => {
        for (let record = 0; record < RECORDS_A_ROUND; record += 1) await lastValueFrom(wal.append(RECORD));
      });
      kept.add(APPEND, size, append.cpuUs / RECORDS_A_ROUND);
      kept.add(APPEND_WALL, size, append.wallUs / RECORDS_A_ROUND);

      const last = (await wal.logFiles()).at(-1) as string;
      const left = await unclean(last);
      await wal.close();

      await leaveAsKilled(last, left);
      const again = stopwatch();
      const recovered = await openCounted<Uint8Array>(dirOf(size), { codec: rawCodec() });
      kept.add(CRASHED, size, again().cpuUs / 1000);
      kept.add(CRASHED_BYTES, size, recovered.calls.readBytes);
      if (recovered.wal.recovery.clean) throw new Error('this is not how a killed process leaves a log');
      await recovered.wal.close();
    });

    // The largest alone takes as long as all others: one round less says as much.
    await inRounds(sizes, Math.max(1, rounds >> 1), samples, async (size, kept) => {
      // A small log more than once, so that what it takes to begin is small beside it.
      const times = Math.ceil(LEAST_REPLAYED_MB / size);
      let records = 0;
      const taken = await timed(async () => {
        for (let time = 0; time < times; time += 1) {
          const { lsn } = await lastValueFrom(readWal(dirOf(size), { codec: rawCodec() }));
          records += lsn;
        }
      });
      kept.add(REPLAY, size, taken.cpuUs / records);
    });
    if ((await readdir(dir)).length !== sizes.length) throw new Error('something else was made here');
  },
};
