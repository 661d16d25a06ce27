import { once } from 'node:events';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { WalBackpressureError, WalClosedError, type WalError } from '../src/errors';
import { walWritable } from '../src/writable';

/** A log as the stream sees it: what it is asked for, in order, and when each flush is done. */
class FakeLog {
  readonly calls: string[] = [];
  readonly #flushes: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(private readonly verdict: (value: unknown) => WalError | undefined = () => undefined) {}

  take(value: unknown): WalError | undefined {
    this.calls.push(`append ${String(value)}`);
    return this.verdict(value);
  }

  flush(): Promise<void> {
    this.calls.push('flush');
    return new Promise((resolve, reject) => this.#flushes.push({ resolve, reject }));
  }

  flushed(): void {
    this.#flushes.shift()?.resolve();
  }

  flushFails(error: Error): void {
    this.#flushes.shift()?.reject(error);
  }
}

/** One whose flushes take no time. */
class QuickLog extends FakeLog {
  override flush(): Promise<void> {
    const done = super.flush();
    this.flushed();
    return done;
  }
}

const full = new WalBackpressureError('maxPendingRecords', 1, 1);

describe('walWritable', () => {
  it('takes any value but null', async () => {
    const log = new QuickLog();
    const stream = walWritable(log);
    for (const value of [0, '', false, undefined, 1n]) stream.write(value);
    stream.end();
    await finished(stream);
    expect(log.calls.filter((call) => call !== 'flush')).toEqual([
      'append 0',
      'append ',
      'append false',
      'append undefined',
      'append 1',
    ]);
  });

  it('calls back when the log has flushed, and not before', async () => {
    const log = new FakeLog();
    const stream = walWritable(log);
    const written = jest.fn();
    stream.write('a', written);
    await Promise.resolve();
    expect(log.calls).toEqual(['append a', 'flush']);
    expect(written).not.toHaveBeenCalled();
    log.flushed();
    stream.end();
    await finished(stream);
    expect(written).toHaveBeenCalledTimes(1);
  });

  it('appends together what gathered during one flush, and flushes once for it', async () => {
    const log = new FakeLog();
    const stream = walWritable(log);
    for (const value of ['a', 'b', 'c', 'd']) stream.write(value);
    expect(log.calls).toEqual(['append a', 'flush']);
    log.flushed();
    stream.end();
    while (log.calls.length < 6) await Promise.resolve();
    expect(log.calls.slice(2)).toEqual(['append b', 'append c', 'append d', 'flush']);
    log.flushed();
    await finished(stream);
  });

  it('flushes and tries the same value again where the log is full', async () => {
    let refusals = 3;
    const log = new QuickLog((value) => (value === 'b' && refusals-- > 0 ? full : undefined));
    await pipeline(Readable.from(['a', 'b', 'c']), walWritable(log));
    expect(log.calls.filter((call) => call === 'append b')).toHaveLength(4);
    const order = log.calls.filter((call, index) => call !== 'flush' && log.calls[index + 1] !== call);
    expect(order.filter((call, index) => order[index - 1] !== call)).toEqual(['append a', 'append b', 'append c']);
  });

  it('is destroyed by any other refusal, and appends nothing behind it', async () => {
    const refusal = new WalClosedError('append');
    const log = new QuickLog((value) => (value === 'b' ? refusal : undefined));
    await expect(pipeline(Readable.from(['a', 'b', 'c']), walWritable(log))).rejects.toBe(refusal);
    expect(log.calls).not.toContain('append c');
  });

  it('is destroyed where a flush fails', async () => {
    const failure = new Error('the log stopped');
    const log = new FakeLog();
    const stream = walWritable(log);
    stream.write('a');
    log.flushFails(failure);
    await expect(once(stream, 'close')).rejects.toBe(failure);
    expect(stream.destroyed).toBe(true);
  });

  it('says false at highWaterMark', () => {
    const stream = walWritable(new FakeLog(), { highWaterMark: 2 });
    expect(stream.write('a')).toBe(true);
    expect(stream.write('b')).toBe(false);
  });

  it('lets 1024 values wait by default', () => {
    expect(walWritable(new FakeLog()).writableHighWaterMark).toBe(1024);
  });

  it('leaves the log open at its end', async () => {
    const log = new QuickLog();
    const stream = walWritable(log);
    stream.end('a');
    await finished(stream);
    expect(log.calls).toEqual(['append a', 'flush']);
  });
});
