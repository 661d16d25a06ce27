/**
 * A producer ten times faster than its disk: memory bounded, nothing lost, ack latency bounded by the queue; then a full queue on a fast
 * disk.
 *
 *     npm run build
 *     npx tsx --tsconfig bench/tsconfig.dist.json bench/scale/backpressure.ts [append] [writable] [drain] [--seconds <n>] [--dir <path>] [--strict]
 *
 * The slow disk is the real one behind a store whose answers to a write wait on a timer until the bytes would have reached a device of that speed;
 * a throttled device would need the rights of the superuser.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import { Argument, Command } from 'commander';
import { median } from 'simple-statistics';
import { drain, type Drain } from './fastDrain';
import { shownRetained, shownSlope } from './memoryWatch';
import { inOwnProcess, serveTask } from './ownProcess';
import { press, type Pressure, type PressureOptions } from './pressure';
import { shown } from './shown';
import { WORK, inWorkDirectory } from './workDirectory';

const MIB = 1024 * 1024;
const DISK_BYTES_PER_SECOND = 2_000_000;
const TIMES_FASTER = 10;
/** An order event: 177 bytes of CBOR, 16 of frame. */
const RECORD_BYTES = 193;
const MAX_PENDING_BYTES = 4 * MIB;
const MEMORY_OVER_QUEUE_MIB = 64;
/** One step of zeros ahead, at their default: they go to the same disk, and what lies behind them waits. */
const PREALLOCATE_BYTES = MIB;
const DRAIN_PENDING_BYTES = 64 * MIB;
const DRAIN_ROUNDS = 5;
/** Records that a `writable()` holds: as many as its high-water mark in the stream, and as many on their way. */
const WRITABLE_RECORDS = 2 * 1024;
/** What a turn, a timer and an fsync of this machine may add to a latency. */
const LATENCY_GRACE_MS = 250;

interface Flags {
  readonly seconds: string;
  readonly dir: string;
  readonly strict: boolean;
}

async function main(what: readonly string[], { seconds, dir, strict }: Flags): Promise<void> {
  await inWorkDirectory(dir, async (work) => {
    let holds = true;
    const wanted = (task: string): boolean => what.length === 0 || what.includes(task);
    console.log(
      `A disk of ${shown(DISK_BYTES_PER_SECOND / 1e6)} MB/s, a producer of ${shown(TIMES_FASTER)} times that, for ${seconds} s each; ` +
        `maxPendingBytes ${shown(MAX_PENDING_BYTES / MIB)} MiB`,
    );
    for (const way of (['append', 'writable'] as const).filter(wanted)) {
      const options: PressureOptions = {
        dir: await mkdtemp(join(work, 'pressure-')),
        seconds: Number(seconds),
        diskBytesPerSecond: DISK_BYTES_PER_SECOND,
        offeredRecordsPerSecond: (TIMES_FASTER * DISK_BYTES_PER_SECOND) / RECORD_BYTES,
        maxPendingBytes: MAX_PENDING_BYTES,
      };
      holds = print(way, options, await inOwnProcess<Pressure>(__filename, way, options)) && holds;
    }
    const drains: Drain[] = [];
    for (let round = -1; wanted('drain') && round < DRAIN_ROUNDS; round += 1) {
      const one = await drain(work, DRAIN_PENDING_BYTES);
      if (round >= 0) drains.push(one);
    }
    if (drains.length > 0) printDrains(drains);
    if (strict && !holds) process.exitCode = 1;
  });
}

/** @returns whether everything held. */
function print(way: keyof typeof TITLES, { maxPendingBytes }: PressureOptions, pressure: Pressure): boolean {
  const { offered, accepted, acked, refused, readBack, latency, mostWaiting, memory } = pressure;
  const queueBytes = way === 'append' ? maxPendingBytes : WRITABLE_RECORDS * RECORD_BYTES;
  const boundMs = ((queueBytes + PREALLOCATE_BYTES) * 1000) / DISK_BYTES_PER_SECOND + LATENCY_GRACE_MS;
  const boundMib = maxPendingBytes / MIB + MEMORY_OVER_QUEUE_MIB;
  const nothingLost = acked === accepted && readBack === accepted;
  const table = new Table({ style: { head: [], border: [], compact: true } });
  table.push(
    ['offered, accepted, refused and offered again', [offered, accepted, refused].map(shown).join(', ')],
    [
      'accepted a second, of what was offered',
      `${shown(accepted / memory.seconds)}, ${shown((100 * accepted) / offered)} %`,
    ],
    [
      'acknowledged, read back',
      `${shown(acked)}, ${shown(readBack)}: ${nothingLost ? 'nothing lost' : 'RECORDS LOST'}`,
    ],
    ['most waiting', `${shown(mostWaiting)} records, ${shown((mostWaiting * RECORD_BYTES) / MIB)} MiB`],
    ['ack latency p50, p99, max, ms', [latency.p50, latency.p99, latency.max].map(shown).join(', ')],
    [
      'the queue allows, ms',
      `${shown(boundMs)} (drain of the queue and of one step of zeros, and ${LATENCY_GRACE_MS}): ${yes(latency.max <= boundMs)}`,
    ],
    ['resident memory at first, most over it, MiB', [memory.baselineMib, memory.growthMib].map(shown).join(', ')],
    ['the queue allows, MiB', `${shown(boundMib)}: ${yes(memory.growthMib <= boundMib)}`],
    ['heap, Buffers at the most, MiB', [memory.mostHeapMib, memory.mostBuffersMib].map(shown).join(', ')],
    ['heap after garbage collection, before → drained', shownRetained(memory)],
    ['resident memory over time', shownSlope(memory.rss)],
    ['heap over time', shownSlope(memory.heap)],
    ['Buffers over time', shownSlope(memory.buffers)],
  );
  console.log(`\n${TITLES[way]}`);
  console.log(table.toString());
  return nothingLost && latency.max <= boundMs && memory.growthMib <= boundMib;
}

const TITLES = {
  append: 'append, and again 5 ms later where the log had no room',
  writable: 'wal.writable(), as long as write() says that there is room',
};

function yes(holds: boolean): string {
  return holds ? 'yes' : 'NO';
}

function printDrains(drains: readonly Drain[]): void {
  const [first] = drains as [Drain];
  const of = (pick: (one: Drain) => number): string => {
    const values = drains.map(pick);
    return `${shown(Math.min(...values))}, ${shown(median(values))}, ${shown(Math.max(...values))}`;
  };
  const table = new Table({ head: ['', 'least, median, most'], style: { head: [], border: [], compact: true } });
  table.push(
    ['time to the last ack, ms', of(({ logMs }) => logMs)],
    ['floor: one O_DSYNC write of the same bytes, ms', of(({ floorMs }) => floorMs)],
    ['floor / log', of(({ logMs, floorMs }) => floorMs / logMs)],
    ['log, MB/s', of(({ bytes, logMs }) => bytes / 1e3 / logMs)],
  );
  console.log(
    `\nA full queue (${shown(first.records)} orders, ${shown(first.bytes / MIB)} MiB) on the same disk without the brake, ${drains.length} rounds`,
  );
  console.log(table.toString());
}

if (
  !serveTask({
    append: (options: PressureOptions) => press('append', options),
    writable: (options: PressureOptions) => press('writable', options),
  })
) {
  void new Command()
    .name('backpressure')
    .addArgument(new Argument('[what...]', 'which of them').choices(['append', 'writable', 'drain']))
    .option('--seconds <n>', 'how long the producer goes on', '10')
    .option('--strict', 'exit with 1 where something did not hold', false)
    .option('--dir <path>', 'where logs are made', WORK)
    .action((what: readonly string[], flags: Flags) => main(what, flags))
    .parseAsync();
}
