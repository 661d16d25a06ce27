/**
 * What tails cost, and readers that take their time: `npx tsx bench/trials/tails.ts [writer] [loop] [slow] [replay] [project] [DIST] [NUMBER...]`.
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
import { Subject, lastValueFrom, take, takeUntil, timer, type Subscription } from 'rxjs';
import type * as index from 'rxwal';
import type { Order } from '../order';
import { ORDERS, produce } from '../counts/work';
import { watchLoop } from '../scale/loopWatch';
import { watchMemory } from '../scale/memoryWatch';
import { MIB, PLAIN, inTurns, median, perSecond, printConditions, trialOptions, wants } from './harness';
import type { Outcome, TrialOptions, Variant } from './harness';

type Wal = index.Wal<unknown>;

const own = join(__dirname, '../../dist');
const load = createRequire(__filename);
const indexOf = (dist: string): typeof index => load(join(dist, 'index.js')) as typeof index;

const PRODUCERS = 64;
const TAILS: readonly number[] = [0, 1, 10, 100];
/** Records between two looks at the clock. */
const STRETCH = 1024;
const LOOP_MS = 1500;
const LOOP_ROUNDS = 3;
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

interface Watched {
  readonly recordsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly behindRecords: number;
  readonly behindMs: number;
  readonly caughtUpMs: number;
}

/** The delay of the event loop beside the tails, and how far behind the last of them is when it shows the end of a commit. */
async function watched(wal: Wal, tails: number, ms: number): Promise<Watched> {
  const records: number[] = [];
  const delays: number[] = [];
  const commits: { readonly lastLsn: number; readonly at: number }[] = [];
  let told = 0;
  const subscription = wal.commits$.subscribe(({ lastLsn }) => commits.push({ lastLsn, at: performance.now() }));
  const following = [...followers(wal, Math.max(0, tails - 1))];
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
  const started = performance.now();
  const written = await write(wal, ms);
  const ended = performance.now();
  const { p50, p99 } = stop().loop;
  for (const follower of following) await follower.finish();
  const caughtUpMs = performance.now() - ended;
  subscription.unsubscribe();
  return {
    ...{ recordsPerSecond: (written * 1000) / (ended - started), p50, p99, caughtUpMs },
    ...{ behindRecords: median(records), behindMs: median(delays) },
  };
}

async function loop(options: TrialOptions, counts: readonly number[]): Promise<void> {
  const logs: { readonly tails: number; readonly wal: Wal; readonly rounds: Watched[] }[] = [];
  for (const tails of counts) {
    const wal = await open(join(options.dir, `loop-${tails}`));
    await watched(wal, tails, options.roundMs);
    logs.push({ tails, wal, rounds: [] });
  }
  for (let round = 0; round < LOOP_ROUNDS; round += 1) {
    for (const { wal, tails, rounds } of logs) rounds.push(await watched(wal, tails, LOOP_MS));
  }
  const table = new Table({
    head: ['tails', 'x rate', 'loop p50 ms', 'p99', 'behind: records', 'ms', 'caught up in ms'],
    ...STYLE,
  });
  const first = logs[0]?.rounds ?? [];
  for (const { tails, rounds } of logs) {
    const of = (pick: (watched: Watched) => number): number => median(rounds.map(pick));
    const ratios = rounds.map(({ recordsPerSecond }, at) => recordsPerSecond / (first[at]?.recordsPerSecond ?? NaN));
    table.push([
      ...[tails, median(ratios).toFixed(2)],
      ...[of(({ p50 }) => p50).toFixed(2), of(({ p99 }) => p99).toFixed(2)],
      ...[of(({ behindRecords }) => behindRecords).toFixed(0), of(({ behindMs }) => behindMs).toFixed(2)],
      of(({ caughtUpMs }) => caughtUpMs).toFixed(1),
    ]);
  }
  console.log(`\nthe event loop, ${LOOP_ROUNDS} rounds of ${LOOP_MS} ms in turns, medians\n${table.toString()}`);
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
  await fill(wal, REPLAYED);
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

/** A log taken into a state from its first record to its last, with snapshots on the way; then a snapshot of a large state. */
async function project(options: TrialOptions): Promise<void> {
  const wal = await open(join(options.dir, 'project'));
  await fill(wal, REPLAYED);
  const until = wal.durableLsn;
  let version = 0;
  const bare: Variant = {
    name: 'a bare tail',
    run: async () => {
      const state = new Map<string, number>();
      await wal
        .tail({ after: 0 })
        .pipe(take(until))
        .forEach((entry) => void spend(state, entry));
      return { latenciesMs: [], records: until, writes: 0 };
    },
  };
  const projected = (snapshotEvery: number): Variant => ({
    name: `snapshotEvery ${snapshotEvery.toLocaleString('en')}`,
    run: async () => {
      // Another version each time: it begins anew.
      version += 1;
      const started = performance.now();
      const projection = wal.project<Map<string, number>>({
        ...{ name: `every-${snapshotEvery}`, initial: () => new Map(), reduce: spend, checkpoint: false },
        ...{ snapshotEvery, version },
      });
      let snapshots = 0;
      projection.snapshots$.subscribe(({ error }) => {
        if (error !== undefined) throw new Error('a snapshot failed', { cause: error });
        snapshots += 1;
      });
      await projection.at(until);
      const elapsedMs = performance.now() - started;
      const writes = snapshots;
      await projection.close();
      await wal.release(`projection:every-${snapshotEvery}`);
      return { latenciesMs: [], records: until, writes, elapsedMs };
    },
  });
  const outcomes = await inTurns(
    [bare, projected(2 ** 30), projected(10_000), projected(1000)],
    options.rounds,
    options.roundMs,
  );
  print(`${until.toLocaleString('en')} orders into 1,000 sums`, outcomes);
  await wal.close();
  await snapshotOf(options, 10 * MIB);
}

/** @returns the state, changed in place: what each user has spent. */
function spend(state: Map<string, number>, { value }: index.Entry<unknown>): Map<string, number> {
  const { userId, total } = value as Order;
  return state.set(userId, (state.get(userId) ?? 0) + total);
}

/** How long a snapshot holds the event loop, and what of it is the codec. */
async function snapshotOf(options: TrialOptions, bytes: number): Promise<void> {
  const { cborCodec } = indexOf(own);
  const codec = cborCodec<Order[]>();
  const wal = await open(join(options.dir, 'snapshot'));
  const one = codec.encode([ORDERS.make(1) as Order]).length;
  const initial = Array.from({ length: Math.ceil(bytes / one) }, (_, number) => ORDERS.make(number) as Order);
  let encodeMs = 0;
  const projection = wal.project<Order[]>({
    ...{ name: 'large', initial, checkpoint: false, reduce: (state: Order[]) => state },
    codec: {
      encode: (state) => {
        const started = performance.now();
        const encoded = codec.encode(state);
        encodeMs = performance.now() - started;
        return encoded;
      },
      decode: (encoded) => codec.decode(encoded),
    },
  });
  let snapshotBytes = 0;
  projection.snapshots$.subscribe((outcome) => {
    if (outcome.error !== undefined) throw new Error('a snapshot failed', { cause: outcome.error });
    snapshotBytes = outcome.bytes;
  });
  const encoded: number[] = [];
  const held: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < options.rounds; round += 1) {
    const { lsn } = await wal.append(ORDERS.make(round));
    await projection.at(lsn);
    const started = performance.now();
    let before = started;
    let most = 0;
    let watching = true;
    const look = (): void => {
      const now = performance.now();
      most = Math.max(most, now - before);
      before = now;
      if (watching) setImmediate(look);
    };
    setImmediate(look);
    await projection.snapshot();
    watching = false;
    encoded.push(encodeMs);
    held.push(most);
    whole.push(performance.now() - started);
  }
  const ms = (values: readonly number[]): string =>
    `${median(values).toFixed(1)} (least ${Math.min(...values).toFixed(1)})`;
  console.log(
    `\na snapshot of ${(snapshotBytes / MIB).toFixed(1)} MiB, ms: encode ${ms(encoded)}, longest turn ${ms(held)}, until durable ${ms(whole)}`,
  );
  await wal.close();
}

async function fill(wal: Wal, records: number): Promise<void> {
  for (let number = 0; number < records; number += 1) {
    wal.next(ORDERS.make(number));
    if (number % 1024 === 0) await wal.sync();
  }
  await wal.sync();
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
  if (wants(asked, 'project')) await project(options);
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
