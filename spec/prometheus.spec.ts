import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as nextTurn } from 'node:timers/promises';
import { Gauge, Registry } from 'prom-client';
import { config, throwError } from 'rxjs';
import { openWal, type WalOptions } from 'rxwal';
import { collectWal } from 'rxwal/prometheus';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';

/** The lines of a scrape that are no comments: the value, by what stands before it. */
async function scrape(registry: Registry): Promise<Record<string, number>> {
  const text = await registry.metrics();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const options: WalOptions<string> = { isCommit: (value) => value !== 'later' };
/** A frame around the CBOR of one letter. */
const FRAME_BYTES = 18;

describe('collectWal', () => {
  it('shows in the registry what the log has done', async () => {
    const registry = new Registry();
    const { wal } = memoryWal<string>(options);
    collectWal(wal, registry, { labels: { log: 'orders' } });
    wal.next('a');
    await wal.append('b');
    await wal.append('c');
    wal.append((() => undefined) as never).subscribe({ error: () => undefined });
    await wal.rotate();
    await wal.checkpoint({ lsn: 2 });
    wal.next('later');
    expect(await scrape(registry)).toMatchObject({
      ...{ 'rxwal_appended_records_total{log="orders"}': 4, 'rxwal_acked_records_total{log="orders"}': 3 },
      ...{ 'rxwal_rejected_records_total{log="orders"}': 1, 'rxwal_rotations_total{log="orders"}': 1 },
      ...{ 'rxwal_checkpoints_total{log="orders"}': 1, 'rxwal_segments{log="orders"}': 2 },
      ...{ 'rxwal_queue_records{log="orders"}': 1, 'rxwal_queue_bytes{log="orders"}': 16 + 6 },
      ...{ 'rxwal_durable_lag_records{log="orders"}': 1, 'rxwal_first_lsn{log="orders"}': 1 },
      ...{ 'rxwal_last_lsn{log="orders"}': 4, 'rxwal_durable_lsn{log="orders"}': 3 },
      ...{ 'rxwal_recovery_cut_bytes{log="orders"}': 0 },
      ...{ 'rxwal_state{log="orders",state="open"}': 1, 'rxwal_state{log="orders",state="closed"}': 0 },
      // Two batches, of two records and of one; the second with a mark.
      ...{ 'rxwal_commit_records_count{log="orders"}': 2, 'rxwal_commit_records_sum{log="orders"}': 3 },
      ...{
        'rxwal_commit_records_bucket{le="1",log="orders"}': 1,
        'rxwal_commit_records_bucket{le="2",log="orders"}': 2,
      },
      'rxwal_commit_bytes_sum{log="orders"}': 3 * FRAME_BYTES + 16,
    });
    await wal.close();
    expect(await scrape(registry)).toMatchObject({
      ...{ 'rxwal_state{log="orders",state="open"}': 0, 'rxwal_state{log="orders",state="closed"}': 1 },
      'rxwal_durable_lag_records{log="orders"}': 0,
    });
  });

  it('shows its types and help, and units by the names', async () => {
    const registry = new Registry();
    collectWal(memoryWal<string>().wal, registry);
    const text = await registry.metrics();
    const types = Object.fromEntries(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
    );
    expect(types).toEqual({
      ...{ rxwal_appended_records_total: 'counter', rxwal_acked_records_total: 'counter' },
      ...{ rxwal_rejected_records_total: 'counter', rxwal_written_bytes_total: 'counter' },
      ...{ rxwal_rotations_total: 'counter', rxwal_checkpoints_total: 'counter' },
      ...{ rxwal_queue_records: 'gauge', rxwal_queue_bytes: 'gauge', rxwal_segments: 'gauge' },
      ...{ rxwal_durable_lag_records: 'gauge', rxwal_first_lsn: 'gauge', rxwal_last_lsn: 'gauge' },
      ...{ rxwal_durable_lsn: 'gauge', rxwal_state: 'gauge' },
      ...{ rxwal_recovery_duration_seconds: 'gauge', rxwal_recovery_cut_bytes: 'gauge' },
      ...{ rxwal_commit_duration_seconds: 'histogram', rxwal_commit_records: 'histogram' },
      rxwal_commit_bytes: 'histogram',
    });
    expect([...text.matchAll(/^# HELP (\S+) \S.*\.$/gm)].map(([, name]) => name)).toEqual(Object.keys(types));
  });

  it('begins with zeros, so that a rate can be told from the first commit on', async () => {
    const registry = new Registry();
    collectWal(memoryWal<string>().wal, registry);
    const before = await scrape(registry);
    expect(before['rxwal_commit_duration_seconds_count{dir="memory",durable="true"}']).toBe(0);
    expect(before['rxwal_commit_duration_seconds_count{dir="memory",durable="false"}']).toBeUndefined();
    expect(before['rxwal_written_bytes_total{dir="memory"}']).toBe(0);
  });

  it('tells writes from fsyncs in mode nosync, and counts each commit in seconds', async () => {
    const registry = new Registry();
    const plan = marblePlan({ write: '4ms |', sync: '30ms |' });
    const { wal } = memoryWal<string>({ durability: { mode: 'nosync' }, plan });
    collectWal(wal, registry, { labels: {} });
    await wal.append('a');
    await wal.sync();
    const shown = await scrape(registry);
    expect(shown['rxwal_commit_duration_seconds_count{durable="false"}']).toBe(1);
    expect(shown['rxwal_commit_duration_seconds_count{durable="true"}']).toBe(1);
    // A timer of a busy machine may be late, and is never early by more than the clock's millisecond.
    expect(shown['rxwal_commit_duration_seconds_bucket{le="0.002",durable="false"}']).toBe(0);
    expect(shown['rxwal_commit_duration_seconds_bucket{le="0.02",durable="true"}']).toBe(0);
    expect(shown['rxwal_commit_duration_seconds_bucket{le="10",durable="true"}']).toBe(1);
    await wal.close();
  });

  it('takes several logs of one registry by their labels, and removes one without the other', async () => {
    const registry = new Registry();
    const logs = ['a', 'b'].map((log) => {
      const { wal } = memoryWal<string>();
      return { wal, collecting: collectWal(wal, registry, { labels: { log } }) };
    });
    await logs[0]!.wal.append('x');
    await logs[1]!.wal.append('x');
    await logs[1]!.wal.append('y');
    const appended = async () => {
      const entries = Object.entries(await scrape(registry));
      return entries.filter(([name]) => /^rxwal_(appended_records_total|commit_records_count)/.test(name));
    };
    expect(await appended()).toEqual([
      ...[
        ['rxwal_appended_records_total{log="a"}', 1],
        ['rxwal_appended_records_total{log="b"}', 2],
      ],
      ...[
        ['rxwal_commit_records_count{log="a"}', 1],
        ['rxwal_commit_records_count{log="b"}', 2],
      ],
    ]);
    logs[0]!.collecting.unsubscribe();
    expect(await appended()).toEqual([
      ['rxwal_appended_records_total{log="b"}', 2],
      ['rxwal_commit_records_count{log="b"}', 2],
    ]);
    expect(await registry.metrics()).not.toContain('log="a"');
    logs[1]!.collecting.unsubscribe();
    expect(registry.getMetricsAsArray()).toEqual([]);
    // And anew, with other names.
    collectWal(logs[0]!.wal, registry);
    expect(await appended()).toContainEqual(['rxwal_appended_records_total{dir="memory"}', 1]);
  });

  it('leaves the commits when it is unsubscribed, also twice', async () => {
    const registry = new Registry();
    const { wal } = memoryWal<string>();
    const collecting = collectWal(wal, registry);
    collecting.unsubscribe();
    collecting.unsubscribe();
    await wal.append('a');
    expect(await scrape(registry)).toEqual({});
  });

  it('takes a prefix', async () => {
    const registry = new Registry();
    collectWal(memoryWal<string>().wal, registry, { prefix: 'shop_wal_' });
    expect(Object.keys(await scrape(registry)).every((name) => name.startsWith('shop_wal_'))).toBe(true);
  });

  it('shows everything again in a registry that was cleared, with the next log', async () => {
    const registry = new Registry();
    collectWal(memoryWal<string>().wal, registry, { labels: { log: 'a' } });
    registry.clear();
    collectWal(memoryWal<string>().wal, registry, { labels: { log: 'b' } });
    expect(Object.keys(await scrape(registry))).toEqual(
      expect.arrayContaining(['rxwal_segments{log="a"}', 'rxwal_segments{log="b"}']),
    );
  });

  it('measures a log on the real disk', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'rxwal-prometheus-'));
    try {
      const registry = new Registry();
      const wal = await openWal<string>(dir);
      collectWal(wal, registry, { labels: {} });
      for (const value of ['a', 'b', 'c']) await wal.append(value);
      const shown = await scrape(registry);
      // Whether the fsync is in the write or behind it, the time of the commit has it.
      expect(shown['rxwal_commit_duration_seconds_count{durable="true"}']).toBe(3);
      expect(shown['rxwal_commit_duration_seconds_sum{durable="true"}']).toBeGreaterThan(0);
      expect(shown['rxwal_recovery_duration_seconds']).toBe(wal.recovery.milliseconds / 1000);
      await wal.close();
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  describe('refuses', () => {
    const { wal } = memoryWal<string>();

    it.each([
      [{ label: {} }, TypeError, 'label is no option; there are labels, prefix'],
      [
        { prefix: '1x' },
        RangeError,
        "prefix must be the beginning of a metric's name ([a-zA-Z_:][a-zA-Z0-9_:]*), not '1x'",
      ],
      [{ prefix: 7 }, TypeError, 'prefix must be a string, not 7'],
      [{ labels: null }, TypeError, 'labels must be an object, not null'],
      [{ labels: { 'a-b': 'x' } }, RangeError, 'labels.a-b is no name for a label'],
      [{ labels: { le: 'x' } }, RangeError, 'labels.le is no name for a label'],
      [{ labels: { log: 7 } }, TypeError, 'labels.log must be a string, not number'],
    ])('%j', (bad, type, message) => {
      const registry = new Registry();
      const collect = () => collectWal(wal, registry, bad as never);
      expect(collect).toThrow(type);
      expect(collect).toThrow(message);
      expect(registry.getMetricsAsArray()).toEqual([]);
    });

    it('what is no registry', () => {
      expect(() => collectWal(wal, {} as never)).toThrow(new TypeError('registry must be a Registry of prom-client'));
    });

    it('labels that another log of the registry has, and such of other names; the first log stays', async () => {
      const registry = new Registry();
      collectWal(wal, registry, { labels: { log: 'a' } });
      const { wal: other } = memoryWal<string>();
      expect(() => collectWal(other, registry, { labels: { log: 'a' } })).toThrow(
        new RangeError('labels must tell the logs of a registry apart, and another one has {"log":"a"}'),
      );
      expect(() => collectWal(other, registry)).toThrow(
        new TypeError('labels must have the names that those of the other logs of this registry have (log), not dir'),
      );
      expect(await scrape(registry)).toMatchObject({ 'rxwal_segments{log="a"}': 1 });
    });

    it('a name that is taken by a metric of somebody else, and registers nothing', () => {
      const registry = new Registry();
      const theirs = new Gauge({ name: 'rxwal_segments', help: 'theirs', registers: [registry] });
      expect(() => collectWal(wal, registry)).toThrow('the registry has a metric rxwal_segments already');
      expect(registry.getMetricsAsArray()).toEqual([theirs]);
      registry.clear();
      expect(() => collectWal(wal, registry)).not.toThrow();
    });
  });
});

describe('collecting is not listening', () => {
  afterEach(() => {
    config.onUnhandledError = null;
  });

  it('a failure that nobody else hears of is an unhandled error, and the state says poisoned', async () => {
    const unhandled = new Promise((resolve) => {
      config.onUnhandledError = resolve;
    });
    const registry = new Registry();
    const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '#' }, fault('EIO')) });
    collectWal(wal, registry);
    wal.next('a');
    expect(await unhandled).toMatchObject({ code: 'WAL_POISONED', cause: { code: 'EIO' } });
    expect(await scrape(registry)).toMatchObject({ 'rxwal_state{dir="memory",state="poisoned"}': 1 });
  });

  it('a refusal that nobody else hears of is an unhandled error, and counted', async () => {
    const unhandled = new Promise((resolve) => {
      config.onUnhandledError = resolve;
    });
    const registry = new Registry();
    const { wal } = memoryWal<string>();
    collectWal(wal, registry);
    wal.next(Symbol('no') as never);
    expect(await unhandled).toMatchObject({ code: 'WAL_RECORD' });
    expect(await scrape(registry)).toMatchObject({ 'rxwal_rejected_records_total{dir="memory"}': 1 });
  });

  it('of what only looks like a log, a failure is left to whom it concerns', async () => {
    const unhandled = jest.fn();
    config.onUnhandledError = unhandled;
    const registry = new Registry();
    const { state$, stats, firstLsn, lastLsn, durableLsn, recovery, dir, durability } = memoryWal<string>().wal;
    const failing = { state$, stats, firstLsn, lastLsn, durableLsn, recovery, dir, durability };
    collectWal({ ...failing, commits$: throwError(() => new Error('theirs')) }, registry);
    await nextTurn(); // unhandled errors are reported in a turn of their own
    await nextTurn();
    expect(unhandled).not.toHaveBeenCalled();
    expect(await scrape(registry)).toMatchObject({ 'rxwal_segments{dir="memory"}': 1 });
  });
});
