/**
 * What tails cost, and readers that take their time: `npx tsx bench/trials/tails.ts [writer] [loop] [slow] [replay] [DIST] [NUMBER...]`.
 *
 * NUMBER: of tails, in the place of 0, 1, 10 and 100. Runs `dist/`; DIST is that of a commit from before there were tails, which then is the first row of `writer`. A round of `writer` ends when the writer has ended;
 * then the tails may catch up, so that all that they cost is in the CPU time.
 */
import Table from 'cli-table3';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { Subject, lastValueFrom, takeUntil, timer, type Subscription } from 'rxjs';
import type * as index from 'rxwal';
import { ORDERS, produce } from '../counts/work';
import { watchLoop } from '../scale/loopWatch';
import { watchMemory } from '../scale/memoryWatch';
import { PLAIN, inTurns, median, perSecond, printConditions, quantile, trialOptions, wants } from './harness';
import type { Outcome, TrialOptions, Variant } from './harness';

type Wal = index.Wal<unknown>;

const own = join(__dirname, '../../dist');
const load = createRequire(__filename);
const indexOf = (dist: string): typeof index => load(join(dist, 'index.js')) as typeof index;

const PRODUCERS = 64;
const TAILS: readonly number[] = [0, 1, 10, 100];
/** Records between two looks at the clock. */
const STRETCH = 1024;
const LOOP_MS = 3000;
const SLOW_MS = 4000;
const REPLAYED = 60_000;

async function open(dir: string, dist = own): Promise<Wal> {
  const { cborCodec, openWal } = indexOf(dist);
  return openWal<unknown>(dir, { codec: cborCodec() });
}

/** Appends for so long. @returns records. */
async function write(wal: Wal, ms: number): Promise<number> {
  const before = wal.lastLsn;
  const end = performance.now() + ms;
  while (performance.now() < end) await produce(wal, { producers: PRODUCERS, records: STRETCH, make: ORDERS.make });
  return wal.lastLsn - before;
}

/** Follows from here on, and holds every LSN against the one before. */
class Follower {
  lsn: number;
  readonly #subscription: Subscription;

  constructor(
    private readonly wal: Wal,
    shown: (lsn: number) => void = () => undefined,
  ) {
    this.lsn = wal.durableLsn;
    this.#subscription = wal.tail({ after: this.lsn }).subscribe(({ lsn }) => {
      if (lsn !== this.lsn + 1) throw new Error(`LSN ${lsn} behind ${this.lsn}`);
      this.lsn = lsn;
      shown(lsn);
    });
  }

  /** Ends when it has shown all there is. */
  async finish(): Promise<void> {
    while (this.lsn < this.wal.durableLsn) await pause(1);
    this.#subscription.unsubscribe();
  }
}

/**
 * The CPU time of the turns of the event loop, in milliseconds: what a turn takes whatever else the machine does. Absent before Node 23.9, which cannot tell a
 * thread's. Looks once a turn, so the loop never waits: for a run of its own.
 */
function watchTurns(): () => Float64Array | undefined {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => NodeJS.CpuUsage };
  if (!threadCpuUsage) return () => undefined;
  const turns: number[] = [];
  const cpuMs = (): number => {
    const { user, system } = threadCpuUsage.call(process);
    return (user + system) / 1000;
  };
  let before = cpuMs();
  let watching = true;
  const look = (): void => {
    const now = cpuMs();
    turns.push(now - before);
    before = now;
    if (watching) setImmediate(look);
  };
  setImmediate(look);
  return () => {
    watching = false;
    return Float64Array.from(turns).sort();
  };
}

const followers = (wal: Wal, count: number): readonly Follower[] =>
  Array.from({ length: count }, () => new Follower(wal));

function writing(name: string, wal: Wal, tails: number): Variant {
  return {
    name,
    run: async (roundMs) => {
      const following = followers(wal, tails);
      const started = performance.now();
      const records = await write(wal, roundMs);
      const elapsedMs = performance.now() - started;
      for (const follower of following) await follower.finish();
      return { latenciesMs: [], records, writes: 0, elapsedMs };
    },
  };
}

async function writer(options: TrialOptions, counts: readonly number[], before: string | undefined): Promise<void> {
  const variants: Variant[] = [];
  if (before !== undefined) {
    variants.push(writing('before tails', await open(join(options.dir, 'before'), resolve(before)), 0));
  }
  for (const tails of counts) {
    variants.push(writing(`${tails} tails`, await open(join(options.dir, `tails-${tails}`)), tails));
  }
  print('a writer with 64 producers', await inTurns(variants, options.rounds, options.roundMs));
}

/** The delay of the event loop beside the tails, and how far behind one of them is. */
async function loop(options: TrialOptions, counts: readonly number[]): Promise<void> {
  const table = new Table({
    head: [
      ...['tails', 'records/s', 'loop p50 ms', 'p99', 'max'],
      ...['behind p50 records', 'p99', 'p50 ms', 'p99', 'caught up within ms', 'CPU of a turn p99 ms', 'max'],
    ],
    ...STYLE,
  });
  for (const tails of counts) {
    const wal = await open(join(options.dir, `loop-${tails}`));
    await write(wal, LOOP_MS / 4);
    const records: number[] = [];
    const delays: number[] = [];
    const commits: { readonly lastLsn: number; readonly at: number }[] = [];
    let told = 0;
    const subscription = wal.commits$.subscribe(({ lastLsn }) => commits.push({ lastLsn, at: performance.now() }));
    const following = [...followers(wal, Math.max(0, tails - 1))];
    // The last to be served.
    if (tails > 0) {
      const last = new Follower(wal, (lsn) => {
        const commit = commits[told];
        if (!commit || lsn < commit.lastLsn) return;
        told += 1;
        delays.push(performance.now() - commit.at);
        records.push(wal.durableLsn - lsn);
      });
      following.push(last);
    }
    const stop = watchLoop();
    const rate = (await write(wal, LOOP_MS)) / LOOP_MS;
    const watched = stop();
    const ended = performance.now();
    for (const follower of following) await follower.finish();
    const caughtUpMs = performance.now() - ended;
    subscription.unsubscribe();
    const turns = await turnsOf(wal, tails);
    await wal.close();
    const [atRecords, atMs] = [records, delays].map((values) => Float64Array.from(values).sort()) as [
      Float64Array,
      Float64Array,
    ];
    table.push([
      ...[tails, Math.round(rate * 1000).toLocaleString('en')],
      ...[watched.loop.p50, watched.loop.p99, watched.loop.max].map((ms) => ms.toFixed(2)),
      ...[quantile(atRecords, 0.5), quantile(atRecords, 0.99)].map((value) => value.toLocaleString('en')),
      ...[quantile(atMs, 0.5), quantile(atMs, 0.99), caughtUpMs].map((ms) => ms.toFixed(2)),
      ...[turns ? quantile(turns, 0.99) : NaN, turns?.at(-1) ?? NaN].map((ms) => ms.toFixed(2)),
    ]);
  }
  console.log(`\nthe event loop, ${LOOP_MS} ms each\n${table.toString()}`);
}

/** The same again for {@link watchTurns}. */
async function turnsOf(wal: Wal, tails: number): Promise<Float64Array | undefined> {
  const following = followers(wal, tails);
  const stop = watchTurns();
  await write(wal, LOOP_MS / 2);
  for (const follower of following) await follower.finish();
  return stop();
}

/** A reader that takes a millisecond for each entry beside a writer that does not wait for it. */
async function slow(options: TrialOptions): Promise<void> {
  const wal = await open(join(options.dir, 'slow'));
  await write(wal, SLOW_MS / 2);
  const rounds: { readonly alone: number; readonly beside: number }[] = [];
  for (let round = 0; round < 2; round += 1) {
    const alone = await write(wal, SLOW_MS / 2);
    const after = wal.durableLsn;
    let lsn = after;
    let slowed = true;
    const end = new AbortController();
    const read = lastValueFrom(
      wal.tail({ after, signal: end.signal }).each((entry) => {
        if (entry.lsn !== lsn + 1) throw new Error(`LSN ${entry.lsn} behind ${lsn}`);
        lsn = entry.lsn;
        return slowed ? timer(1) : [];
      }),
      { defaultValue: undefined },
    ).catch((error: unknown) => {
      if (!end.signal.aborted) throw error;
    });
    const memory = watchMemory();
    const beside = await write(wal, SLOW_MS);
    const { mostHeapMib, mostBuffersMib, retainedMib, growthMib } = memory();
    const behind = wal.durableLsn - lsn;
    const taken = lsn - after;
    slowed = false;
    while (lsn < wal.durableLsn) await pause(5);
    end.abort();
    await read;
    rounds.push({ alone: alone * 2, beside });
    const mib = (value: number): string => value.toFixed(1);
    console.log(
      `\nslow reader: ${taken} entries taken of ${beside} appended in ${SLOW_MS} ms, ${behind} behind; then read on to ${lsn}, none missed` +
        `\nretained heap ${retainedMib.map(mib).join(' -> ')} MiB, most ${mib(mostHeapMib)}; buffers at most ${mib(mostBuffersMib)}; resident + ${mib(growthMib)}`,
    );
  }
  console.log(
    `writer beside it against alone: ${rounds.map(({ alone, beside }) => (beside / alone).toFixed(2)).join(', ')}`,
  );
  await wal.close();
}

/** A log read from one end to the other, in each way that there is. */
async function replay(options: TrialOptions): Promise<void> {
  const wal = await open(join(options.dir, 'replay'));
  for (let number = 0; number < REPLAYED; number += 1) {
    wal.next(ORDERS.make(number));
    if (number % 1024 === 0) await wal.sync();
  }
  await wal.sync();
  const way = (name: string, read: (entries: index.Entries<unknown>) => Promise<number>): Variant => ({
    name,
    run: async () => {
      const records = await read(wal.read());
      if (records !== REPLAYED) throw new Error(`${name} has read ${records} of ${REPLAYED}`);
      return { latenciesMs: [], records, writes: 0 };
    },
  });
  const counted = async (entries: AsyncIterable<unknown>): Promise<number> => {
    let records = 0;
    for await (const entry of entries) if (entry !== undefined) records += 1;
    return records;
  };
  const pushed = async (entries: index.Entries<unknown>): Promise<number> => {
    let records = 0;
    await entries.forEach(() => (records += 1));
    return records;
  };
  const each = async (entries: index.Entries<unknown>): Promise<number> => {
    let records = 0;
    await lastValueFrom(
      entries.each(() => {
        records += 1;
        return [];
      }),
      { defaultValue: undefined },
    );
    return records;
  };
  const tailed: Variant = {
    name: 'tail(), to where it has caught up',
    run: async () => {
      let records = 0;
      const caughtUp = new Subject<void>();
      await wal
        .tail({ onCaughtUp: () => caughtUp.next() })
        .pipe(takeUntil(caughtUp))
        .forEach(() => (records += 1));
      if (records !== REPLAYED) throw new Error(`a tail has read ${records} of ${REPLAYED}`);
      return { latenciesMs: [], records, writes: 0 };
    },
  };
  const ways = [
    way('push', pushed),
    tailed,
    way('each', each),
    way('for await', counted),
    way('Readable.from', (entries) => counted(Readable.from(entries))),
  ];
  print(`${REPLAYED.toLocaleString('en')} orders read()`, await inTurns(ways, options.rounds, options.roundMs));
  await wal.close();
}

async function main(): Promise<void> {
  const options = trialOptions('tails', { rounds: 7, roundMs: 400 });
  const before = options.parts.find((part) => existsSync(join(part, 'index.js')));
  const numbers = options.parts.filter((part) => /^\d+$/.test(part)).map(Number);
  const counts = numbers.length > 0 ? numbers : TAILS;
  const asked = { ...options, parts: options.parts.filter((part) => part !== before && !/^\d+$/.test(part)) };
  printConditions(options);
  if (wants(asked, 'writer')) await writer(options, counts, before);
  if (wants(asked, 'loop')) await loop(options, counts);
  if (wants(asked, 'slow')) await slow(options);
  if (wants(asked, 'replay')) await replay(options);
}

const STYLE = {
  style: { head: [], border: [], compact: true },
  chars: PLAIN,
};

function print(title: string, outcomes: readonly Outcome[]): void {
  const first = outcomes[0]?.samples ?? [];
  const table = new Table({
    head: [title, 'records/s', 'x rate', 'lowest..highest', 'CPU us each', 'x CPU'],
    ...STYLE,
  });
  const cpuOf = (samples: typeof first): number =>
    median(samples.map(({ cpuMs, records }) => (cpuMs * 1000) / records));
  for (const { name, samples } of outcomes) {
    const ratios = samples.flatMap((sample, round) => {
      const reference = first[round];
      return reference ? [perSecond(sample) / perSecond(reference)] : [];
    });
    table.push([
      ...[name, Math.round(median(samples.map(perSecond))).toLocaleString('en'), median(ratios).toFixed(2)],
      `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      ...[cpuOf(samples).toFixed(2), (cpuOf(samples) / cpuOf(first)).toFixed(2)],
    ]);
  }
  console.log(`\n${table.toString()}`);
}

void main().then(() => process.exit(0));
