import { metrics as globalMetrics, type Attributes } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type Histogram,
  type MetricData,
} from '@opentelemetry/sdk-metrics';
import { config } from 'rxjs';
import { observeWal } from 'rxwal/opentelemetry';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';

/** The SDK, and what it has exported when it is asked. */
function sdk() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  return {
    meter: provider.getMeter('rxwal'),
    shutdown: () => provider.shutdown(),
    async exported(): Promise<readonly MetricData[]> {
      exporter.reset();
      await provider.forceFlush();
      return exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    },
  };
}

/** The values of a metric, by their attributes; of a histogram, how many values and their sum. */
function valuesOf(all: readonly MetricData[], name: string): readonly (readonly [Attributes, unknown])[] {
  const metric = all.find(({ descriptor }) => descriptor.name === name);
  if (metric === undefined) return [];
  return metric.dataPointType === DataPointType.HISTOGRAM
    ? metric.dataPoints.map(({ attributes, value }) => [attributes, [value.count, value.sum]])
    : metric.dataPoints.map(({ attributes, value }) => [attributes, value]);
}

/** A frame around the CBOR of one letter. */
const FRAME_BYTES = 18;

describe('observeWal', () => {
  let otel: ReturnType<typeof sdk>;
  beforeEach(() => {
    otel = sdk();
  });
  afterEach(async () => {
    config.onUnhandledError = null;
    await otel.shutdown();
  });

  it('reports what the log has done', async () => {
    const { wal } = memoryWal<string>({ isCommit: (value) => value !== 'later' });
    const attributes = { 'shop.log': 'orders' };
    observeWal(wal, otel.meter, { attributes });
    wal.next('a');
    await wal.append('b');
    await wal.append('c');
    wal.append((() => undefined) as never).subscribe({ error: () => undefined });
    await wal.rotate();
    await wal.checkpoint({ lsn: 2 });
    wal.next('later');
    const all = await otel.exported();
    const told = (name: string) => valuesOf(all, name);
    const expected: readonly (readonly [string, unknown])[] = [
      ...([
        ['rxwal.records.appended', 4],
        ['rxwal.records.acked', 3],
        ['rxwal.records.rejected', 1],
      ] as const),
      ...([
        ['rxwal.rotations', 1],
        ['rxwal.checkpoints', 1],
        ['rxwal.segments', 2],
      ] as const),
      ...([
        ['rxwal.queue.records', 1],
        ['rxwal.queue.size', 16 + 6],
        ['rxwal.durable.lag', 1],
      ] as const),
      ...([
        ['rxwal.lsn.first', 1],
        ['rxwal.lsn.last', 4],
        ['rxwal.lsn.durable', 3],
      ] as const),
      ...([
        ['rxwal.recovery.cut', 0],
        ['rxwal.recovery.duration', wal.recovery.milliseconds / 1000],
      ] as const),
      ['rxwal.commit.records', [2, 3]],
      ['rxwal.commit.size', [2, 3 * FRAME_BYTES + 16]],
    ];
    for (const [name, value] of expected) expect([name, told(name)]).toEqual([name, [[attributes, value]]]);
    expect(told('rxwal.state')).toEqual(
      ['open', 'closing', 'closed', 'poisoned'].map((state) => [
        { ...attributes, 'rxwal.state': state },
        state === 'open' ? 1 : 0,
      ]),
    );
    await wal.close();
    expect(valuesOf(await otel.exported(), 'rxwal.state')).toContainEqual([
      { ...attributes, 'rxwal.state': 'closed' },
      1,
    ]);
  });

  it('names kinds and units as the conventions have them', async () => {
    const { wal } = memoryWal<string>();
    observeWal(wal, otel.meter);
    await wal.append('a');
    const kinds = (await otel.exported()).map(({ descriptor, dataPointType, ...rest }) => {
      const monotonic = 'isMonotonic' in rest && rest.isMonotonic ? ', monotonic' : '';
      return `${descriptor.name} ${descriptor.unit}: ${DataPointType[dataPointType]}${monotonic}`;
    });
    expect(kinds.sort()).toEqual(
      [
        'rxwal.checkpoints {checkpoint}: SUM, monotonic',
        'rxwal.commit.duration s: HISTOGRAM',
        'rxwal.commit.records {record}: HISTOGRAM',
        'rxwal.commit.size By: HISTOGRAM',
        'rxwal.durable.lag {record}: GAUGE',
        'rxwal.lsn.durable 1: GAUGE',
        'rxwal.lsn.first 1: GAUGE',
        'rxwal.lsn.last 1: GAUGE',
        'rxwal.queue.records {record}: SUM',
        'rxwal.queue.size By: SUM',
        'rxwal.records.acked {record}: SUM, monotonic',
        'rxwal.records.appended {record}: SUM, monotonic',
        'rxwal.records.rejected {record}: SUM, monotonic',
        'rxwal.recovery.cut By: GAUGE',
        'rxwal.recovery.duration s: GAUGE',
        'rxwal.rotations {rotation}: SUM, monotonic',
        'rxwal.segments {segment}: SUM',
        'rxwal.state 1: GAUGE',
        'rxwal.written By: SUM, monotonic',
      ].sort(),
    );
  });

  it('tells writes from fsyncs in mode nosync, in seconds and in buckets that fit', async () => {
    const plan = marblePlan({ write: '4ms |', sync: '30ms |' });
    const { wal } = memoryWal<string>({ durability: { mode: 'nosync' }, plan });
    observeWal(wal, otel.meter, { attributes: {} });
    await wal.append('a');
    await wal.sync();
    const metric = (await otel.exported()).find(({ descriptor }) => descriptor.name === 'rxwal.commit.duration');
    const points = (metric?.dataPoints ?? []) as readonly { attributes: Attributes; value: Histogram }[];
    expect(points.map(({ attributes, value }) => [attributes, value.count])).toEqual([
      [{ 'rxwal.commit.durable': false }, 1],
      [{ 'rxwal.commit.durable': true }, 1],
    ]);
    const { boundaries, counts } = points[1]!.value.buckets;
    expect([boundaries[0], boundaries.at(-1)]).toEqual([0.00001, 10]);
    // 30 ms, and what a busy machine adds.
    expect(boundaries[counts.indexOf(1) - 1]).toBeGreaterThanOrEqual(0.02);
    await wal.close();
  });

  it('tells the logs of a process apart by their directory where nothing else is said', async () => {
    const { wal } = memoryWal<string>();
    observeWal(wal, otel.meter);
    await wal.append('a');
    const all = await otel.exported();
    expect(valuesOf(all, 'rxwal.records.appended')).toEqual([[{ 'rxwal.dir': 'memory' }, 1]]);
    expect(valuesOf(all, 'rxwal.commit.records')).toEqual([[{ 'rxwal.dir': 'memory' }, [1, 1]]]);
  });

  it('reports two logs through one meter', async () => {
    for (const log of ['a', 'b']) {
      const { wal } = memoryWal<string>();
      observeWal(wal, otel.meter, { attributes: { log } });
      await wal.append('x');
      if (log === 'b') await wal.append('y');
    }
    const all = await otel.exported();
    expect(valuesOf(all, 'rxwal.records.appended')).toEqual([
      [{ log: 'a' }, 1],
      [{ log: 'b' }, 2],
    ]);
    expect(valuesOf(all, 'rxwal.commit.records')).toEqual([
      [{ log: 'a' }, [1, 1]],
      [{ log: 'b' }, [2, 2]],
    ]);
  });

  it('stops when it is unsubscribed', async () => {
    const { wal } = memoryWal<string>();
    const reporting = observeWal(wal, otel.meter);
    await wal.append('a');
    reporting.unsubscribe();
    await wal.append('b');
    const all = await otel.exported();
    expect(valuesOf(all, 'rxwal.records.appended')).toEqual([]);
    // What a histogram has, the SDK keeps; nothing comes to it.
    expect(valuesOf(all, 'rxwal.commit.records')).toEqual([[{ 'rxwal.dir': 'memory' }, [1, 1]]]);
  });

  it('costs nothing but a subscription where no SDK is installed', async () => {
    const { wal } = memoryWal<string>();
    const reporting = observeWal(wal, globalMetrics.getMeter('nobody'));
    await wal.append('a');
    reporting.unsubscribe();
    expect(wal.stats.pendingRecords).toBe(0);
  });

  it('hears of nothing: a failure that nobody else hears of is an unhandled error', async () => {
    const unhandled = new Promise((resolve) => {
      config.onUnhandledError = resolve;
    });
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '#' }, fault('EIO')) });
    observeWal(wal, otel.meter, { attributes: {} });
    wal.next('a');
    expect(await unhandled).toMatchObject({ code: 'WAL_POISONED' });
    expect(valuesOf(await otel.exported(), 'rxwal.state')).toContainEqual([{ 'rxwal.state': 'poisoned' }, 1]);
  });

  it.each([
    [
      'an unknown option',
      (wal: never) => observeWal(wal, otel.meter, { labels: {} } as never),
      /labels is no option; there are attributes/,
    ],
    ['what is no meter', (wal: never) => observeWal(wal, {} as never), /meter must be a Meter of @opentelemetry\/api/],
  ])('refuses %s', (_, observe, message) => {
    const { wal } = memoryWal<string>();
    expect(() => observe(wal as never)).toThrow(message);
    expect(() => observe(wal as never)).toThrow(TypeError);
  });
});
