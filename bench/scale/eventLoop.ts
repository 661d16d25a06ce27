/**
 * What a log does to the event loop of its application.
 *
 *     npm run build
 *     npx tsx --tsconfig bench/tsconfig.dist.json bench/scale/eventLoop.ts [watch] [freezes] [--seconds <n>] [--dir <path>] [--strict]
 *
 * `watch`: the delay of the loop (`perf_hooks`, resolution 1 ms), how late an application's own timer of 2 ms comes, and the log's longest
 * turn, in every mode and under every load. The controls say what the machine does to a process without a log.
 * `freezes`: the turns of the log that grow with what is waiting, by themselves.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import Table from 'cli-table3';
import { Argument, Command } from 'commander';
import { lastValueFrom } from 'rxjs';
import { nodeStore, recoverWal, type Durability } from 'rxwal';
import type { Order } from '../order';
import { printAppendFreezes, printReadFreezes } from './freezes';
import { beside, checkpointing, producers, reading, rotating, writable, type Load } from './loads';
import { TIMER_MS, delays, watchLoop, type Delays, type Watched } from './loopWatch';
import { turnStore } from './turnStore';
import { WORK, inWorkDirectory } from './workDirectory';

const TARGET_P99_MS = 5;

const MODES: readonly Durability[] = [
  { mode: 'sync' },
  { mode: 'batch', maxDelayMs: 2, maxRecords: 1024 },
  { mode: 'adaptive', targetIntervalMs: 5 },
  { mode: 'nosync' },
];

const LOADS: Readonly<Record<string, Load>> = {
  '1 producer': producers(1),
  '64 producers': producers(64),
  '1,024 producers': producers(1024),
  '4,096 producers': producers(4096),
  'writable()': writable,
};

/** In mode `sync`, with 64 producers. */
const BESIDE: Readonly<Record<string, Load>> = {
  '64 producers, and reading': beside(producers(64), reading),
  '64 producers, and rotating': beside(producers(64), rotating),
  '64 producers, and checkpointing': beside(producers(64), checkpointing),
};

/** Without a log: what the machine does to a process that sleeps, and to one that works in small pieces. */
const CONTROLS: Readonly<Record<string, (milliseconds: number) => Promise<unknown>>> = {
  'control: idle': (milliseconds) => wait(milliseconds),
  'control: works 0.2 ms at a time': async (milliseconds) => {
    const end = performance.now() + milliseconds;
    while (performance.now() < end) {
      const pause = performance.now() + 0.2;
      while (performance.now() < pause);
      await new Promise((resolve) => setImmediate(resolve));
    }
  },
};

interface Flags {
  readonly seconds: string;
  readonly dir: string;
  readonly strict: boolean;
}

class Watch {
  holds = true;
  readonly #table = new Table({
    head: [
      ...['mode', 'load', 'records/s', 'loop p50', 'p99', 'max', `timer of ${TIMER_MS} ms late p50`, 'p99', 'max'],
      ...['log: turn p99', 'max', `p99 < ${TARGET_P99_MS} ms`],
    ],
    style: { head: [], border: [], compact: true },
  });

  constructor(
    private readonly dir: string,
    private readonly milliseconds: number,
  ) {}

  async control(name: string, load: (milliseconds: number) => Promise<unknown>): Promise<void> {
    const stop = watchLoop();
    await load(this.milliseconds);
    this.#row('', name, undefined, stop(), undefined);
  }

  async log(durability: Durability, name: string, load: Load): Promise<void> {
    const logDir = await mkdtemp(join(this.dir, 'loop-'));
    const turns = createHistogram();
    const store = turnStore(nodeStore(logDir), ({ milliseconds }) => {
      turns.record(Math.max(1, Math.round(milliseconds * 1e6)));
    });
    const wal = await lastValueFrom(recoverWal<Order>(store, { durability }));
    // What is compiled on the way is not what is watched.
    await load(wal, this.milliseconds / 2);
    turns.reset();
    const stop = watchLoop();
    const started = performance.now();
    const records = await load(wal, this.milliseconds);
    const seconds = (performance.now() - started) / 1000;
    const watched = stop();
    const turn = delays(turns, 0);
    await wal.close();
    await rm(logDir, { recursive: true });
    this.#row(durability.mode, name, records / seconds, watched, turn);
  }

  #row(mode: string, load: string, rate: number | undefined, { loop, timer }: Watched, turn: Delays | undefined): void {
    const held = loop.p99 < TARGET_P99_MS && timer.p99 < TARGET_P99_MS;
    if (!held && turn) this.holds = false;
    const ms = (value: number): string => value.toFixed(2);
    this.#table.push([
      mode,
      load,
      rate === undefined ? '' : Math.round(rate).toLocaleString('en-GB'),
      ...[loop.p50, loop.p99, loop.max, timer.p50, timer.p99, timer.max].map(ms),
      ...(turn ? [ms(turn.p99), ms(turn.max)] : ['', '']),
      held ? 'yes' : 'NO',
    ]);
  }

  print(): void {
    console.log("\nDelay of the event loop, lateness of an application's timer, and turns of the log, ms");
    console.log(this.#table.toString());
    console.log('A turn holds what the subscribers of the acks do in it: here each producer appends its next record.');
  }
}

async function main(what: readonly string[], { seconds, dir, strict }: Flags): Promise<void> {
  await inWorkDirectory(dir, async (work) => {
    const all = what.length === 0;
    if (all || what.includes('watch')) {
      const watch = new Watch(work, Number(seconds) * 1000);
      for (const [name, load] of Object.entries(CONTROLS)) await watch.control(name, load);
      for (const [name, load] of Object.entries(LOADS)) for (const mode of MODES) await watch.log(mode, name, load);
      for (const [name, load] of Object.entries(BESIDE)) await watch.log({ mode: 'sync' }, name, load);
      for (const [name, load] of Object.entries(CONTROLS)) await watch.control(name, load);
      watch.print();
      if (strict && !watch.holds) process.exitCode = 1;
    }
    if (all || what.includes('freezes')) {
      await printAppendFreezes(work);
      await printReadFreezes(work);
    }
  });
}

void new Command()
  .name('eventLoop')
  .addArgument(new Argument('[what...]', 'which of them').choices(['watch', 'freezes']))
  .option('--seconds <n>', 'how long each load is watched', '1')
  .option('--strict', 'exit with 1 where the target is missed', false)
  .option('--dir <path>', 'where logs are made', WORK)
  .action((what: readonly string[], flags: Flags) => main(what, flags))
  .parseAsync();
