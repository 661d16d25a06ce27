import type { Attributes, Meter, Observable as Instrument } from '@opentelemetry/api';
import { Subscription } from 'rxjs';
import { BOUNDS } from './metrics/bounds';
import { measuredCommits } from './metrics/measuredCommits';
import { stateOf } from './metrics/meter';
import { COMMIT_HISTOGRAMS, READINGS, STATE, type Reading } from './metrics/readings';
import type { ObservedLog } from './metrics/walMetrics';
import { checkNames } from './options';

export type { ObservedLog } from './metrics/walMetrics';

export interface ObserveWalOptions {
  /**
   * Attributes of every measurement: what tells the logs of a process apart.
   *
   * @default { 'rxwal.dir': wal.dir }
   */
  readonly attributes?: Attributes | undefined;
}

/**
 * Reports a log to OpenTelemetry, until the subscription that it gives is unsubscribed. Numbers are read when the SDK collects; a commit records three
 * values, which takes 1.5 microseconds. Units are UCUM's: seconds, bytes, `{record}`.
 *
 * Counters: `rxwal.records.appended`, `.acked`, `.rejected`, `rxwal.written`, `rxwal.rotations`, `rxwal.checkpoints`. Sums that go up and down:
 * `rxwal.queue.records`, `rxwal.queue.size`, `rxwal.segments`. Gauges: `rxwal.durable.lag`, `rxwal.lsn.first`, `.last`, `.durable`,
 * `rxwal.recovery.duration`, `.cut`, and `rxwal.state` with the attribute `rxwal.state`, 1 for the state the log is in. Histograms:
 * `rxwal.commit.duration`, `.records`, `.size`.
 *
 * `rxwal.commit.duration` with `rxwal.commit.durable` set is how long an fsync takes, on every platform and in every mode.
 *
 * It only looks: a failure or a refusal that nobody hears of is still reported as an unhandled error. A log that has ended goes on being reported, with its
 * state, until it is unsubscribed.
 *
 * Needs `@opentelemetry/api` 1.9 or later, for its types alone.
 *
 * @example
 * const reporting = observeWal(wal, metrics.getMeter('orders'));
 * await wal.close();
 * reporting.unsubscribe();
 * @throws TypeError for an unknown option, or a meter that is none.
 */
export function observeWal(wal: ObservedLog, meter: Meter, options: ObserveWalOptions = {}): Subscription {
  checkNames('options', options, ['attributes']);
  if (typeof (meter as Partial<Meter> | undefined)?.addBatchObservableCallback !== 'function') {
    throw new TypeError('meter must be a Meter of @opentelemetry/api, as metrics.getMeter(name) gives it');
  }
  const attributes: Attributes = { ...(options.attributes ?? { 'rxwal.dir': wal.dir }) };
  const tally = { writtenBytes: 0 };
  const reporting = new Subscription();
  reporting.add(recordCommits(wal, meter, attributes, tally));
  reporting.add(readWhenAsked(wal, meter, attributes, tally));
  return reporting;
}

function recordCommits(
  wal: ObservedLog,
  meter: Meter,
  attributes: Attributes,
  tally: { writtenBytes: number },
): Subscription {
  const histogram = (
    { opentelemetry, unit, help }: (typeof COMMIT_HISTOGRAMS)['duration' | 'records' | 'bytes'],
    bounds: readonly number[],
  ) =>
    meter.createHistogram(opentelemetry, {
      ...{ unit, description: help },
      advice: { explicitBucketBoundaries: [...bounds] },
    });
  const seconds = histogram(COMMIT_HISTOGRAMS.duration, BOUNDS.seconds);
  const records = histogram(COMMIT_HISTOGRAMS.records, BOUNDS.records);
  const bytes = histogram(COMMIT_HISTOGRAMS.bytes, BOUNDS.bytes);
  const durable: Attributes = { ...attributes, 'rxwal.commit.durable': true };
  const written: Attributes = { ...attributes, 'rxwal.commit.durable': false };
  return measuredCommits(wal).subscribe({
    next: (done) => {
      tally.writtenBytes += done.bytes;
      seconds.record((done.writeMs + done.syncMs) / 1000, done.durable ? durable : written);
      if (done.records === 0) return;
      records.record(done.records, attributes);
      bytes.record(done.bytes, attributes);
    },
    // Of a log that is not ours, and whose commits can fail: whoever it concerns hears of it there.
    error: () => undefined,
  });
}

function readWhenAsked(
  wal: ObservedLog,
  meter: Meter,
  attributes: Attributes,
  tally: { readonly writtenBytes: number },
): Subscription {
  const instruments = READINGS.map((reading) => ({ reading, instrument: instrumentOf(meter, reading) }));
  const state = meter.createObservableGauge(STATE.opentelemetry, { description: STATE.help, unit: '1' });
  const observe = (result: { observe: (to: Instrument, value: number, attributes?: Attributes) => void }): void => {
    for (const { reading, instrument } of instruments) result.observe(instrument, reading.read(wal, tally), attributes);
    const now = stateOf(wal);
    for (const each of STATE.states) {
      result.observe(state, each === now ? 1 : 0, { ...attributes, 'rxwal.state': each });
    }
  };
  const all = [state, ...instruments.map(({ instrument }) => instrument)];
  meter.addBatchObservableCallback(observe, all);
  return new Subscription(() => {
    meter.removeBatchObservableCallback(observe, all);
  });
}

function instrumentOf(meter: Meter, { opentelemetry, kind, unit, help }: Reading): Instrument {
  const options = { unit, description: help };
  if (kind === 'counter') return meter.createObservableCounter(opentelemetry, options);
  if (kind === 'sum') return meter.createObservableUpDownCounter(opentelemetry, options);
  return meter.createObservableGauge(opentelemetry, options);
}
