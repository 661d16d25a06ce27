/**
 * Memory: append as fast as possible, and replay a large log. Bounded by `maxPendingBytes` + 64 MiB over what the process had, and flat.
 *
 *     npm run build
 *     npx tsx --tsconfig bench/tsconfig.dist.json bench/scale/memory.ts [append] [refused] [replay] [--seconds <n>] [--full] [--dir <path>] [--strict]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Table from 'cli-table3';
import { Argument, Command } from 'commander';
import { filter, firstValueFrom } from 'rxjs';
import { cborCodec, openWal, readWal } from 'rxwal';
import { order, type Order } from '../order';
import { RECORD_BYTES, buildBytes } from './buildBytes';
import { shownRetained, shownSlope, watchMemory, type MemoryReport } from './memoryWatch';
import { inOwnProcess, serveTask } from './ownProcess';
import { shown } from './shown';
import { WORK, inWorkDirectory } from './workDirectory';

const MIB = 1024 * 1024;
const GB = 1_000_000_000;
/** The defaults of a log. */
const MAX_PENDING_BYTES = 64 * MIB;
const MEMORY_OVER_QUEUE_MIB = 64;
const RECORDS_A_TURN = 1000;

interface AppendOptions {
  readonly dir: string;
  readonly seconds: number;
  /** Records after which the producer lets the event loop go on; absent: only when the log is full. */
  readonly recordsATurn?: number;
}

interface Done {
  readonly records: number;
  readonly mostWaiting: number;
  readonly memory: MemoryReport;
}

/** Appends as fast as it can; where the log is full it waits for the next commit and offers the same record again. */
async function append({ dir, seconds, recordsATurn = Infinity }: AppendOptions): Promise<Done> {
  const wal = await openWal<Order>(dir, { maxPendingBytes: MAX_PENDING_BYTES });
  const log = { isFull: false };
  wal.rejected$.subscribe(() => {
    log.isFull = true;
  });
  let mostWaiting = 0;
  const memory = watchMemory();
  const end = performance.now() + seconds * 1000;
  let inTurn = 0;
  while (performance.now() < end) {
    wal.next(order(wal.lastLsn + 1));
    inTurn += 1;
    if (log.isFull) {
      log.isFull = false;
      mostWaiting = Math.max(mostWaiting, wal.lastLsn - wal.durableLsn);
      const { durableLsn } = wal;
      await firstValueFrom(wal.durable$.pipe(filter((lsn) => lsn > durableLsn)));
      await nextTurn();
    } else if (inTurn >= recordsATurn) {
      inTurn = 0;
      mostWaiting = Math.max(mostWaiting, wal.lastLsn - wal.durableLsn);
      await nextTurn();
    }
  }
  await wal.sync();
  const report = memory();
  const records = wal.lastLsn;
  await wal.close();
  return { records, mostWaiting, memory: report };
}

interface ReplayOptions {
  readonly dir: string;
  readonly bytes: number;
}

/** Makes the log that `replay` reads: orders with a note, so that a record takes 1,000 bytes. */
async function build({ dir, bytes }: ReplayOptions): Promise<true> {
  const encode = (note: string): Uint8Array => cborCodec<unknown>().encode({ ...order(1), note });
  const wanted = RECORD_BYTES - 16;
  const payload = Buffer.from(encode('n'.repeat(wanted - encode('n'.repeat(500)).length + 500)));
  await buildBytes(dir, bytes, RECORD_BYTES * RECORDS_A_TURN, payload);
  return true;
}

async function replay({ dir }: ReplayOptions): Promise<Done> {
  const memory = watchMemory();
  let records = 0;
  await readWal<Order>(dir).forEach(({ lsn }) => {
    records = lsn;
  });
  return { records, mostWaiting: 0, memory: memory() };
}

interface Flags {
  readonly seconds: string;
  readonly full: boolean;
  readonly dir: string;
  readonly strict: boolean;
}

async function main(what: readonly string[], { seconds, full, dir, strict }: Flags): Promise<void> {
  await inWorkDirectory(dir, async (work) => {
    const table = new Table({
      head: [
        ...['work', 'records', 's', 'most waiting', 'resident at first, MiB', 'most over it', 'allowed', 'is it'],
        ...['heap, Buffers at the most, MiB', 'heap after collection'],
        ...['resident over time', 'heap over time', 'Buffers over time'],
      ],
      style: { head: [], border: [], compact: true },
    });
    const held: boolean[] = [];
    const wanted = (task: string): boolean => what.length === 0 || what.includes(task);
    const add = (name: string, allowedMib: number, { records, mostWaiting, memory }: Done): void => {
      held.push(memory.growthMib <= allowedMib);
      table.push([
        ...[name, shown(records), shown(memory.seconds), shown(mostWaiting)],
        ...[memory.baselineMib, memory.growthMib, allowedMib].map(shown),
        held.at(-1) ? 'yes' : 'NO',
        [memory.mostHeapMib, memory.mostBuffersMib].map(shown).join(', '),
        shownRetained(memory),
        ...[memory.rss, memory.heap, memory.buffers].map(shownSlope),
      ]);
    };
    for (const [task, name, recordsATurn] of [
      ['append', `append, ${shown(RECORDS_A_TURN)} a turn`, RECORDS_A_TURN],
      ['refused', 'append until refused', undefined],
    ] as const) {
      if (!wanted(task)) continue;
      const logDir = await mkdtemp(join(work, 'memory-'));
      const options: AppendOptions = { dir: logDir, seconds: Number(seconds), ...(recordsATurn && { recordsATurn }) };
      add(
        name,
        MAX_PENDING_BYTES / MIB + MEMORY_OVER_QUEUE_MIB,
        await inOwnProcess<Done>(__filename, 'append', options),
      );
      await rm(logDir, { recursive: true });
    }
    if (wanted('replay')) {
      const options: ReplayOptions = { dir: await mkdtemp(join(work, 'memory-')), bytes: full ? 10 * GB : GB };
      await inOwnProcess<true>(__filename, 'build', options);
      add(
        `replay of ${shown(options.bytes / GB)} GB`,
        MEMORY_OVER_QUEUE_MIB,
        await inOwnProcess<Done>(__filename, 'replay', options),
      );
    }
    console.log(table.toString());
    if (strict && held.includes(false)) process.exitCode = 1;
  });
}

if (!serveTask({ append, build, replay })) {
  void new Command()
    .name('memory')
    .addArgument(new Argument('[what...]', 'which of them').choices(['append', 'refused', 'replay']))
    .option('--seconds <n>', 'how long appending goes on', '15')
    .option('--full', 'replay 10 GB', false)
    .option('--strict', 'exit with 1 where memory is not bounded', false)
    .option('--dir <path>', 'where logs are made', WORK)
    .action((what: readonly string[], flags: Flags) => main(what, flags))
    .parseAsync();
}
