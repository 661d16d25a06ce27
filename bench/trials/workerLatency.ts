/**
 * Who should make the blocking call: the thread pool, the main thread, or a worker thread of the log's own?
 *
 *     npx tsx bench/trials/workerLatency.ts [--rounds 7] [--ms 150] [alone] [producers] [hashing] [others]
 *
 * All write to the same descriptor, opened `O_DSYNC`, into zeros. `alone`: one record of 200 bytes at a time; `producers`: 64, each
 * awaiting its ack, through the ideal loop; `hashing`, `others`: one at a time while the pool is busy with other work.
 */
import { write, writeSync } from 'node:fs';
import { join } from 'node:path';
import { order } from '../order';
import {
  inTurns,
  layZeros,
  MIB,
  openDurable,
  Places,
  printConditions,
  printOutcomes,
  trialOptions,
  wants,
  type Sample,
  type Variant,
} from './harness';
import { keepBusy, poolLoads } from './workerPoolLoads';
import { WorkerWriter } from './workerWriter';
import { IdealLoop } from './writeIdealLoop';

const FILE_BYTES = 64 * MIB;
const ARENA_BYTES = MIB;
const RECORD_BYTES = 200;
const PRODUCERS = 64;
const ORDERS = Array.from({ length: PRODUCERS }, (_, id) => order(id));

type Done = (error?: Error | null) => void;

/** One way to write bytes that lie in an arena of its own. */
interface Writer {
  readonly name: string;
  readonly arena: Buffer;
  write(offset: number, bytes: number, done: Done): void;
}

function poolWriter(descriptor: number, places: Places): Writer {
  const arena = Buffer.alloc(ARENA_BYTES);
  return {
    name: 'thread pool, fs.write',
    arena,
    write: (offset, bytes, done) => {
      write(descriptor, arena, offset, bytes, places.take(bytes), done);
    },
  };
}

/** Blocks the event loop for as long as the write takes. The ack still comes in a later turn, as it would from anywhere else. */
function mainWriter(descriptor: number, places: Places): Writer {
  const arena = Buffer.alloc(ARENA_BYTES);
  return {
    name: 'main thread, fs.writeSync',
    arena,
    write: (offset, bytes, done) => {
      writeSync(descriptor, arena, offset, bytes, places.take(bytes));
      setImmediate(done);
    },
  };
}

function workerThread(name: string, writer: WorkerWriter, descriptor: number, places: Places): Writer {
  return {
    name,
    arena: writer.arena,
    write: (offset, bytes, done) => {
      writer.write(descriptor, offset, bytes, places.take(bytes), done);
    },
  };
}

async function oneAtATime(writer: Writer, roundMs: number): Promise<Sample> {
  const latenciesMs: number[] = [];
  const until = performance.now() + roundMs;
  do {
    const started = performance.now();
    await new Promise<void>((resolve, reject) => {
      writer.write(0, RECORD_BYTES, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    latenciesMs.push(performance.now() - started);
  } while (performance.now() < until);
  return { latenciesMs, records: latenciesMs.length, writes: latenciesMs.length };
}

async function manyProducers(writer: Writer, roundMs: number): Promise<Sample> {
  const half = writer.arena.length / 2;
  const arenas = [writer.arena.subarray(0, half), writer.arena.subarray(half)] as const;
  const loop = new IdealLoop(
    (arena, bytes, done) => {
      writer.write(arena === arenas[0] ? 0 : half, bytes, done);
    },
    (leave) => {
      process.nextTick(leave);
    },
    arenas,
  );
  const latenciesMs: number[] = [];
  const until = performance.now() + roundMs;
  await Promise.all(
    ORDERS.map(async (value) => {
      do {
        const started = performance.now();
        await loop.append(value);
        latenciesMs.push(performance.now() - started);
      } while (performance.now() < until);
    }),
  );
  return { latenciesMs, records: loop.records, writes: loop.writes };
}

const variants = (writers: readonly Writer[], run: (writer: Writer, roundMs: number) => Promise<Sample>): Variant[] =>
  writers.map((writer) => ({ name: writer.name, run: (roundMs) => run(writer, roundMs) }));

async function main(): Promise<void> {
  const options = trialOptions('workerLatency', { rounds: 7, roundMs: 150 });
  printConditions(options);
  const path = join(options.dir, 'zeros');
  layZeros(path, FILE_BYTES);
  const descriptor = openDurable(path);
  const places = new Places(FILE_BYTES);
  const workers = {
    'worker, back by message': new WorkerWriter({ back: 'message', spinMicros: 0, arenaBytes: ARENA_BYTES }),
    'worker, back by waitAsync': new WorkerWriter({ back: 'notify', spinMicros: 0, arenaBytes: ARENA_BYTES }),
    'worker spins 50 us, message': new WorkerWriter({ back: 'message', spinMicros: 50, arenaBytes: ARENA_BYTES }),
  };
  await Promise.all(Object.values(workers).map((worker) => worker.started()));
  const writers = [
    poolWriter(descriptor, places),
    mainWriter(descriptor, places),
    ...Object.entries(workers).map(([name, worker]) => workerThread(name, worker, descriptor, places)),
  ];
  // A pending Atomics.waitAsync keeps no event loop alive.
  const alive = setInterval(() => undefined, 1000);

  if (wants(options, 'alone')) {
    const outcomes = await inTurns(variants(writers, oneAtATime), options.rounds, options.roundMs);
    printOutcomes('one record of 200 bytes at a time, the pool idle', outcomes);
  }
  if (wants(options, 'producers')) {
    const outcomes = await inTurns(variants(writers, manyProducers), options.rounds, options.roundMs);
    printOutcomes(`${PRODUCERS} producers, each awaiting its ack`, outcomes);
  }
  for (const [name, { work, concurrent }] of Object.entries(poolLoads(path))) {
    if (!wants(options, name.startsWith('pbkdf2') ? 'hashing' : 'others')) continue;
    const busy = keepBusy(work, concurrent);
    const outcomes = await inTurns(variants(writers, oneAtATime), Math.ceil(options.rounds / 2), options.roundMs * 3);
    await busy.stop();
    printOutcomes(`one at a time, the pool busy with ${name} (CPU is that of all the work)`, outcomes);
  }
  await Promise.all(Object.values(workers).map((worker) => worker.stop()));
  clearInterval(alive);
}

void main();
