/**
 * What it costs to watch a log, and what it costs to be watchable: `npx tsx bench/trials/metricsCost.ts [1] [64] [bulk] [commit] [DIST]`.
 *
 * Runs `dist/`; DIST is that of another commit, which then is the first row: what the others are held against. `commit` is what one commit costs a
 * watcher, by itself: no disk, and so little noise.
 */
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import Table from 'cli-table3';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { Registry } from 'prom-client';
import type * as index from 'rxwal';
import type * as opentelemetry from 'rxwal/opentelemetry';
import type * as prometheus from 'rxwal/prometheus';
import type * as testing from 'rxwal/testing';
import { Subject } from 'rxjs';
import { ORDERS, produce } from '../counts/work';
import { PLAIN, inTurns, median, perSecond, printConditions, trialOptions, wants, type Variant } from './harness';

type Wal = index.Wal<unknown>;

/** Puts somebody there who watches. @returns what takes him away. */
type Watch = (wal: Wal) => () => void;

const own = join(__dirname, '../../dist');
const load = createRequire(__filename);
const indexOf = (dist: string): typeof index => load(join(dist, 'index.js')) as typeof index;
const prometheusOf = (dist: string): typeof prometheus => load(join(dist, 'prometheus.js')) as typeof prometheus;

const BULK_RECORDS = 4096;
/** Records between two looks at the clock. */
const STRETCH = { '1': 16, '64': 1024 };

/** Does a regime's work once. @returns records. */
const REGIMES: Readonly<Record<string, (wal: Wal) => Promise<number>>> = {
  '1': (wal) => stretch(wal, 1, STRETCH['1']),
  '64': (wal) => stretch(wal, 64, STRETCH['64']),
  bulk: async (wal) => {
    for (let number = 0; number < BULK_RECORDS; number += 1) wal.next(ORDERS.make(number));
    await wal.sync();
    return BULK_RECORDS;
  },
};

async function stretch(wal: Wal, producers: number, records: number): Promise<number> {
  await produce(wal, { producers, records, make: ORDERS.make });
  return records;
}

const nobody: Watch = () => () => undefined;
const watchers: Readonly<Record<string, Watch>> = {
  'nobody watches': nobody,
  'metrics()': (wal) => {
    const subscription = wal.commits$.pipe(indexOf(own).metrics(wal)).subscribe();
    return () => subscription.unsubscribe();
  },
  'rxwal:commit': () => {
    let commits = 0;
    const count = (): void => {
      commits += 1;
    };
    subscribe('rxwal:commit', count);
    return () => {
      unsubscribe('rxwal:commit', count);
      if (commits === 0) throw new Error('no commit was published');
    };
  },
  'collectWal()': (wal) => {
    const subscription = prometheusOf(own).collectWal(wal, new Registry());
    return () => subscription.unsubscribe();
  },
};

async function variant(name: string, dist: string, watch: Watch, regime: string, dir: string): Promise<Variant> {
  const { cborCodec, openWal } = indexOf(dist);
  const wal = await openWal<unknown>(dir, { codec: cborCodec() });
  const work = REGIMES[regime];
  if (work === undefined) throw new Error(`there is no regime ${regime}`);
  return {
    name,
    run: async (roundMs) => {
      const leave = watch(wal);
      let records = 0;
      const started = performance.now();
      while (performance.now() - started < roundMs) records += await work(wal);
      const elapsedMs = performance.now() - started;
      leave();
      return { latenciesMs: [], records, writes: 0, elapsedMs };
    },
  };
}

/** What is done for a commit, for each who watches. */
function watchedCommits(): readonly Variant[] {
  const { memoryWal } = load(join(own, 'testing/index.js')) as typeof testing;
  const { Diagnostics } = load(join(own, 'diagnostics.js')) as {
    readonly Diagnostics: new (dir: string) => { commit(commit: index.Commit): void };
  };
  const done: index.Commit = {
    ...{ firstLsn: 1, lastLsn: 64, records: 64, bytes: 12_345, reason: 'commit', durable: true },
    ...{ writeMs: 0.13, syncMs: 0, barriers: [], segment: 0 },
  };
  const { wal } = memoryWal<unknown>();
  const { state$, stats, firstLsn, lastLsn, durableLsn, recovery, dir, durability } = wal;
  const through = (name: string, watch: (log: prometheus.ObservedLog) => unknown): Variant => {
    const commits$ = new Subject<index.Commit>();
    watch({ state$, stats, firstLsn, lastLsn, durableLsn, recovery, dir, durability, commits$ });
    return calls(name, () => commits$.next(done));
  };
  const diagnostics = new Diagnostics('dir');
  return [
    through('commits$ alone', (log) => log.commits$.subscribe()),
    calls('rxwal:commit, no subscriber', () => diagnostics.commit(done)),
    through('metrics()', (log) => log.commits$.pipe(indexOf(own).metrics(log)).subscribe()),
    through('collectWal()', (log) => prometheusOf(own).collectWal(log, new Registry())),
    through('observeWal()', (log) => {
      const reader = new PeriodicExportingMetricReader({
        exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
        exportIntervalMillis: 3_600_000,
      });
      const { observeWal } = load(join(own, 'opentelemetry.js')) as typeof opentelemetry;
      observeWal(log, new MeterProvider({ readers: [reader] }).getMeter('trial'));
    }),
  ];
}

function calls(name: string, call: () => void): Variant {
  return {
    name,
    run: (roundMs) => {
      let records = 0;
      const started = performance.now();
      while (performance.now() - started < roundMs) {
        for (let count = 0; count < 10_000; count += 1) call();
        records += 10_000;
      }
      return { latenciesMs: [], records, writes: 0, elapsedMs: performance.now() - started };
    },
  };
}

async function main(): Promise<void> {
  const options = trialOptions('metricsCost', { rounds: 9, roundMs: 400 });
  const before = options.parts.find((part) => existsSync(join(part, 'index.js')));
  const parts = options.parts.filter((part) => part !== before);
  const regimes = Object.keys(REGIMES).filter((each) => wants({ ...options, parts }, each));
  printConditions(options);
  if (wants({ ...options, parts }, 'commit'))
    print('a commit', await inTurns(watchedCommits(), options.rounds, options.roundMs));
  for (const regime of regimes) {
    const builds = Object.entries(watchers).map(([name, watch]) => ({ name, dist: own, watch }));
    if (before) builds.unshift({ name: 'the commit before', dist: resolve(before), watch: nobody });
    const variants: Variant[] = [];
    for (const [at, { name, dist, watch }] of builds.entries()) {
      variants.push(await variant(name, dist, watch, regime, join(options.dir, `${regime}-${at}`)));
    }
    print(regime, await inTurns(variants, options.rounds, options.roundMs));
  }
}

function print(regime: string, outcomes: Awaited<ReturnType<typeof inTurns>>): void {
  const first = outcomes[0]?.samples ?? [];
  const table = new Table({
    head: [regime, 'x rate', 'lowest..highest', 'CPU us each', 'x CPU'],
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
    colAligns: ['left', 'right', 'right', 'right', 'right'],
  });
  const cpuOf = (samples: typeof first): number =>
    median(samples.map(({ cpuMs, records }) => (cpuMs * 1000) / records));
  for (const { name, samples } of outcomes) {
    const ratios = samples.flatMap((sample, round) => {
      const reference = first[round];
      return reference ? [perSecond(sample) / perSecond(reference)] : [];
    });
    table.push([
      name,
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      cpuOf(samples).toFixed(3),
      (cpuOf(samples) / cpuOf(first)).toFixed(2),
    ]);
  }
  console.log(`\n${table.toString()}`);
}

void main().then(() => process.exit(0));
