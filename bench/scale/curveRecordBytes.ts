import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom } from 'rxjs';
import { rawCodec, readWal } from 'rxwal';
import { inRounds, type Curve, type Series } from './curve';
import { FLAT, FLAT_OR_FALLING } from './must';
import { openCounted } from './openCounted';
import { timed } from './stopwatch';

const KIB = 1024;
const RECORD_BYTES = [16, 64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, KIB * KIB];
const MAX_RECORDS = 20_000;
const ROUND_BYTES = 16 * KIB * KIB;
/** From here on a record's fixed cost is small beside that of its bytes. */
const LARGE_BYTES = 64 * KIB;

const APPEND: Series = { name: 'append, CPU a byte', unit: 'ns', must: FLAT_OR_FALLING };
const APPEND_WALL: Series = { name: 'append, wall a byte', unit: 'ns', must: FLAT_OR_FALLING };
const REPLAY: Series = { name: 'replay, CPU a byte', unit: 'ns', must: FLAT_OR_FALLING };
const APPEND_LARGE: Series = { name: 'append, CPU a byte, 64 KiB and up', unit: 'ns', must: FLAT };
const REPLAY_LARGE: Series = { name: 'replay, CPU a byte, 64 KiB and up', unit: 'ns', must: FLAT };
const WRITTEN: Series = { name: 'bytes written a byte', unit: 'bytes', must: FLAT_OR_FALLING };

export const curveRecordBytes: Curve = {
  name: 'record',
  what: 'raw records handed over at once, mode sync, then read back from the page cache',
  x: 'bytes',
  rounds: 5,
  series: [APPEND, APPEND_WALL, REPLAY, APPEND_LARGE, REPLAY_LARGE, WRITTEN],
  measure: ({ dir, rounds }, samples) =>
    inRounds(RECORD_BYTES, rounds, samples, async (bytes, kept) => {
      const logDir = await mkdtemp(join(dir, 'record-'));
      const records = Math.min(MAX_RECORDS, Math.ceil(ROUND_BYTES / bytes));
      const total = records * bytes;
      const payload = Buffer.alloc(bytes, 'rxwal ');
      const { wal, calls } = await openCounted<Uint8Array>(logDir, { codec: rawCodec() });
      const before = calls.copy();
      const append = await timed(async () => {
        for (let record = 0; record < records; record += 1) wal.next(payload);
        await wal.sync();
      });
      kept.add(WRITTEN, bytes, calls.since(before).writtenBytes / total);
      await wal.close();
      const replay = await timed(() => lastValueFrom(readWal(logDir, { codec: rawCodec() })));
      for (const [series, us] of [
        [APPEND, append.cpuUs],
        [APPEND_WALL, append.wallUs],
        [REPLAY, replay.cpuUs],
        ...(bytes >= LARGE_BYTES
          ? ([
              [APPEND_LARGE, append.cpuUs],
              [REPLAY_LARGE, replay.cpuUs],
            ] as const)
          : []),
      ] as const) {
        kept.add(series, bytes, (us * 1000) / total);
      }
      await rm(logDir, { recursive: true });
    }),
};
