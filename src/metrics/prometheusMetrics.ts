import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { BOUNDS } from './bounds';
import { measuredCommits } from './measuredCommits';
import { stateOf } from './meter';
import { COMMIT_HISTOGRAMS, READINGS, STATE, type Reading } from './readings';
import type { ObservedLog } from './walMetrics';

export type { Registry } from 'prom-client';

/** A log in a registry. */
export interface Member {
  readonly wal: ObservedLog;
  readonly labels: Readonly<Record<string, string>>;
  /** Since it came. */
  writtenBytes: number;
}

/** The metrics of prom-client that show some logs. What can be read is read for each scrape; what a commit tells is observed as it comes. */
export class PrometheusMetrics {
  readonly #registry: Registry;
  readonly #seconds: Histogram;
  readonly #records: Histogram;
  readonly #bytes: Histogram;
  readonly #all: ReadonlyMap<string, Counter | Gauge | Histogram>;

  /** @param members those to show, as they are at a scrape. */
  constructor(registry: Registry, prefix: string, labelNames: readonly string[], members: Iterable<Member>) {
    this.#registry = registry;
    const histogram = (
      { prometheus, help }: (typeof COMMIT_HISTOGRAMS)['duration' | 'records' | 'bytes'],
      bounds: readonly number[],
      ...more: readonly string[]
    ): Histogram =>
      new Histogram({
        ...{ name: prefix + prometheus, help, registers: [] },
        ...{ labelNames: [...labelNames, ...more], buckets: [...bounds] },
      });
    this.#seconds = histogram(COMMIT_HISTOGRAMS.duration, BOUNDS.seconds, 'durable');
    this.#records = histogram(COMMIT_HISTOGRAMS.records, BOUNDS.records);
    this.#bytes = histogram(COMMIT_HISTOGRAMS.bytes, BOUNDS.bytes);
    this.#all = new Map<string, Counter | Gauge | Histogram>([
      ...READINGS.map(
        (reading) => [prefix + reading.prometheus, metricOf(reading, prefix, labelNames, members)] as const,
      ),
      [prefix + STATE.prometheus, stateMetric(prefix, labelNames, members)],
      [prefix + COMMIT_HISTOGRAMS.duration.prometheus, this.#seconds],
      [prefix + COMMIT_HISTOGRAMS.records.prometheus, this.#records],
      [prefix + COMMIT_HISTOGRAMS.bytes.prometheus, this.#bytes],
    ]);
  }

  /**
   * Puts them into the registry; those that are there stay.
   *
   * @throws Error, with nothing registered, where somebody else's metric has one of the names.
   */
  register(): void {
    for (const [name, metric] of this.#all) {
      const there = this.#registry.getSingleMetric(name);
      if (there !== undefined && there !== metric) {
        throw new Error(`the registry has a metric ${name} already, which is none of this log: give a prefix`);
      }
    }
    for (const metric of this.#all.values()) this.#registry.registerMetric(metric);
  }

  remove(): void {
    for (const [name, metric] of this.#all) {
      if (this.#registry.getSingleMetric(name) === metric) this.#registry.removeSingleMetric(name);
    }
  }

  /** Observes the commits of a log. @returns what ends that, and takes what it has observed out. */
  observe(member: Member): () => void {
    const { wal, labels } = member;
    const durable = { ...labels, durable: 'true' };
    const written = { ...labels, durable: 'false' };
    const series = wal.durability.mode === 'nosync' ? [durable, written] : [durable];
    for (const each of series) this.#seconds.zero(each);
    this.#records.zero(labels);
    this.#bytes.zero(labels);
    const observing = measuredCommits(wal).subscribe({
      next: (done) => {
        member.writtenBytes += done.bytes;
        this.#seconds.observe(done.durable ? durable : written, (done.writeMs + done.syncMs) / 1000);
        if (done.records === 0) return;
        this.#records.observe(labels, done.records);
        this.#bytes.observe(labels, done.bytes);
      },
      // Of a log that is not ours, and whose commits can fail: whoever it concerns hears of it there.
      error: () => undefined,
    });
    return () => {
      observing.unsubscribe();
      for (const each of series) this.#seconds.remove(each);
      this.#records.remove(labels);
      this.#bytes.remove(labels);
    };
  }
}

function metricOf(
  { prometheus, kind, help, read }: Reading,
  prefix: string,
  labelNames: readonly string[],
  members: Iterable<Member>,
): Counter | Gauge {
  const configuration = { name: prefix + prometheus, help, labelNames, registers: [] };
  if (kind === 'counter') {
    return new Counter({
      ...configuration,
      collect() {
        this.reset();
        for (const member of members) this.inc(member.labels, read(member.wal, member));
      },
    });
  }
  return new Gauge({
    ...configuration,
    collect() {
      this.reset();
      for (const member of members) this.set(member.labels, read(member.wal, member));
    },
  });
}

function stateMetric(prefix: string, labelNames: readonly string[], members: Iterable<Member>): Gauge {
  return new Gauge({
    ...{ name: prefix + STATE.prometheus, help: STATE.help, labelNames: [...labelNames, 'state'], registers: [] },
    collect() {
      this.reset();
      for (const { wal, labels } of members) {
        const now = stateOf(wal);
        for (const state of STATE.states) this.set({ ...labels, state }, state === now ? 1 : 0);
      }
    },
  });
}
