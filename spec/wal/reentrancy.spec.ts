/* eslint-disable rxjs-x/no-nested-subscribe -- calls from within an output are what this is about */
import { EMPTY, Subject, catchError, config, filter, queueScheduler, take } from 'rxjs';
import { WalPoisonedError, type Codec, type Wal, type WalError } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** Every method of a log may be called from within any of its outputs. */

const fsyncs = (sync: string | readonly string[] = '---|') => ({ plan: marblePlan({ sync }) });

/** What is in the log, in order. */
const contentOf = (wal: Wal<string>): string[] => {
  const values: string[] = [];
  wal.read().subscribe(({ value }) => values.push(value));
  return values;
};

/** Appends `a` and `b`, and once `more` where `listen` asks for it. @returns what is in the log then; each has its ack. */
function withMore(listen: (wal: Wal<string>, more: () => void) => void): string[] {
  return virtualTime(({ flush }) => {
    const { wal } = memoryWal<string>({ ...fsyncs(), maxRecordBytes: 10 });
    const acked: number[] = [];
    wal.acks$.subscribe(({ lsn }) => acked.push(lsn));
    let told = false;
    listen(wal, () => {
      if (told) return;
      told = true;
      wal.next('more');
    });
    wal.next('a');
    wal.next('b');
    flush();
    const content = contentOf(wal);
    expect(acked).toEqual(content.map((_, index) => index + 1));
    return content;
  });
}

describe('append from within an output', () => {
  it('of append', () => {
    const content = withMore((wal, more) => wal.append('first').subscribe(more));
    expect(content).toEqual(['first', 'a', 'b', 'more']);
  });

  it('of acks$', () => {
    expect(withMore((wal, more) => wal.acks$.subscribe(more))).toEqual(['a', 'b', 'more']);
  });

  it('of commits$', () => {
    expect(withMore((wal, more) => wal.commits$.subscribe(more))).toEqual(['a', 'b', 'more']);
  });

  it('of durable$', () => {
    // The current value comes on the subscription, before a.
    expect(withMore((wal, more) => wal.durable$.subscribe(more))).toEqual(['more', 'a', 'b']);
    expect(withMore((wal, more) => wal.durable$.pipe(filter((lsn) => lsn > 0)).subscribe(more))).toEqual([
      'a',
      'b',
      'more',
    ]);
  });

  it('of rejected$', () => {
    const content = withMore((wal, more) => {
      wal.rejected$.subscribe(more);
      wal.next('larger than maxRecordBytes');
    });
    expect(content).toEqual(['more', 'a', 'b']);
  });

  it('of state$', () => {
    expect(withMore((wal, more) => wal.state$.subscribe(more))).toEqual(['more', 'a', 'b']);
  });

  it('of sync()', async () => {
    const { wal } = memoryWal<string>();
    wal.next('a');
    await wal.sync().then(() => wal.append('more'));
    expect(contentOf(wal)).toEqual(['a', 'more']);
  });
});

describe('order', () => {
  it('holds where an ack appends while others of the same fsync are still to be acknowledged', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>(fsyncs(['---|', '|']));
      const heard: string[] = [];
      wal.acks$.subscribe(({ lsn }) => heard.push(`acks$ ${lsn}`));
      const append = (value: string, then?: () => void) =>
        wal.append(value).subscribe(({ lsn }) => {
          heard.push(`${value} ${lsn}`);
          then?.();
        });
      append('a', () => append('d', () => append('e')));
      append('b');
      append('c');
      flush();
      expect(heard.filter((line) => line.startsWith('acks$'))).toEqual([1, 2, 3, 4, 5].map((lsn) => `acks$ ${lsn}`));
      expect(heard.filter((line) => !line.startsWith('acks$'))).toEqual(['a 1', 'b 2', 'c 3', 'd 4', 'e 5']);
    });
  });

  it('holds for one who subscribes to a later append from within an earlier ack', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ ...fsyncs(), isCommit: (value) => value === 'C' });
      const heard: string[] = [];
      const b$ = wal.append('b');
      const c$ = wal.append('C');
      b$.subscribe(({ lsn }) => {
        heard.push(`b ${lsn}`);
        c$.subscribe((late) => heard.push(`C ${late.lsn}, late`));
      });
      c$.subscribe(({ lsn }) => heard.push(`C ${lsn}`));
      flush();
      expect(heard).toEqual(['b 1', 'C 2', 'C 2, late']);
    });
  });

  it('holds on acks$ for one who comes from within an ack', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ ...fsyncs(), isCommit: (value) => value === 'C' });
      const lsns: number[] = [];
      wal.append('a').subscribe(() => wal.acks$.subscribe(({ lsn }) => lsns.push(lsn)));
      void wal.append('b');
      void wal.append('C');
      flush();
      // Whether the ack it came from is among them is not promised; those behind it are.
      expect(lsns.filter((lsn) => lsn > 1)).toEqual([2, 3]);
    });
  });
});

describe('what a listener puts on the queue scheduler', () => {
  it('may throw: the log goes on', () => {
    const unhandled: unknown[] = [];
    config.onUnhandledError = (error: unknown) => unhandled.push(error);
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>(fsyncs());
      wal.acks$.subscribe(() => {
        queueScheduler.schedule(() => {
          throw new Error('a listener broke');
        });
      });
      cold('a-----b').subscribe(wal);
      expectObservable(wal.durable$).toBe('0--1-----2', [0, 1, 2]);
    });
    config.onUnhandledError = null;
  });
});

describe('isCommit', () => {
  it('may append: the inner record goes first, and each has its own ack', async () => {
    const { wal } = memoryWal<string>({
      isCommit: (value) => {
        if (value === 'outer') wal.append('inner').subscribe(({ lsn }) => acked.push(`inner ${lsn}`));
        return true;
      },
    });
    const acked: string[] = [];
    const outer = wal.append('outer');
    outer.subscribe(({ lsn }) => acked.push(`outer ${lsn}`));
    await outer;
    expect(acked).toEqual(['inner 1', 'outer 2']);
    expect(contentOf(wal)).toEqual(['inner', 'outer']);
  });

  it('may append where the codec uses its memory again', async () => {
    const memory = Buffer.alloc(64);
    const codec: Codec<string> = {
      encode: (value) => memory.subarray(0, memory.write(value)),
      decode: (payload) => Buffer.from(payload).toString(),
    };
    const { wal } = memoryWal<string>({
      codec,
      isCommit: (value) => {
        if (value === 'outer') wal.next('INNER');
        return true;
      },
    });
    await wal.append('outer');
    expect(contentOf(wal)).toEqual(['INNER', 'outer']);
  });

  it('may close the log: the record is refused', () => {
    const { wal } = memoryWal<string>({
      isCommit: () => {
        wal.complete();
        return true;
      },
    });
    const errors: unknown[] = [];
    wal.append('a').subscribe({ error: (error: unknown) => errors.push(error) });
    expect(errors).toEqual([expect.objectContaining({ code: 'WAL_CLOSED' })]);
    expect(wal.lastLsn).toBe(0);
  });
});

describe('isCommit that appends and then closes the log', () => {
  it('gives each record its own outcome', () => {
    const { wal } = memoryWal<string>({
      isCommit: (value) => {
        if (value === 'outer') {
          wal.append('inner').subscribe(({ lsn }) => outcomes.push(`inner ${lsn}`));
          wal.complete();
        }
        return true;
      },
    });
    const outcomes: string[] = [];
    wal.append('outer').subscribe({
      next: ({ lsn }) => outcomes.push(`outer ${lsn}`),
      error: (error: unknown) => outcomes.push(`outer ${(error as WalError).code}`),
    });
    expect(outcomes).toEqual(['inner 1', 'outer WAL_CLOSED']);
  });
});

describe('a getter of a value', () => {
  it('may append nothing: that value is refused, and the log goes on', async () => {
    const { wal } = memoryWal<unknown>();
    const errors: unknown[] = [];
    const value = {
      get trap() {
        wal.append('inner').subscribe({ error: (error: unknown) => errors.push(error) });
        return 1;
      },
    };
    await wal.append(value);
    expect(errors).toEqual([expect.objectContaining({ code: 'WAL_RECORD' })]);
    const values: unknown[] = [];
    wal.read().subscribe((entry) => values.push(entry.value));
    expect(values).toEqual([{ trap: 1 }]);
  });
});

describe('close from within an output', () => {
  const outputs: [string, (wal: Wal<string>) => void][] = [
    ['append', (wal) => wal.append('a').subscribe(() => void wal.close())],
    ['acks$', (wal) => wal.acks$.pipe(take(1)).subscribe(() => void wal.close())],
    ['commits$', (wal) => wal.commits$.pipe(take(1)).subscribe(() => void wal.close())],
    ['durable$', (wal) => wal.durable$.pipe(filter((lsn) => lsn === 1)).subscribe(() => void wal.close())],
    ['state$', (wal) => wal.state$.pipe(filter((state) => state === 'closing')).subscribe(() => void wal.close())],
  ];

  it.each(outputs)('of %s drains what was accepted, and ends the log once', (_, listen) => {
    virtualTime(({ cold, flush }) => {
      const { wal, store } = memoryWal<string>(fsyncs());
      const states: string[] = [];
      const lsns: number[] = [];
      let ends = 0;
      wal.state$.subscribe((state) => states.push(state));
      wal.acks$.subscribe({ next: ({ lsn }) => lsns.push(lsn), complete: () => (ends += 1) });
      listen(wal);
      cold('a-b-----------------|').subscribe({
        next: (value) =>
          wal
            .append(value)
            .pipe(catchError(() => EMPTY))
            .subscribe(),
        complete: () => wal.complete(),
      });
      flush();
      expect(states).toEqual(['open', 'closing', 'closed']);
      expect(ends).toBe(1);
      expect(lsns).toEqual(lsns.map((_lsn, index) => index + 1));
      const { wal: again } = memoryWal<string>({ files: store.durableSnapshot() });
      expect(again.recovery).toMatchObject({ clean: true, lastLsn: lsns.length });
    });
  });
});

describe('a log that stops', () => {
  const outputs: [string, (wal: Wal<string>, then: () => void) => void][] = [
    ['state$', (wal, then) => wal.state$.pipe(filter((state) => state === 'poisoned')).subscribe(then)],
    ['append', (wal, then) => wal.append('a').subscribe({ error: then })],
    ['acks$', (wal, then) => wal.acks$.subscribe({ error: then })],
    ['commits$', (wal, then) => wal.commits$.subscribe({ error: then })],
    ['durable$', (wal, then) => wal.durable$.subscribe({ error: then })],
  ];

  it.each(outputs)('may be closed from within %s; every other output still has the error', async (_, listen) => {
    await virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---#' }) });
      let closed: Promise<unknown> | undefined;
      const states: string[] = [];
      const ends: string[] = [];
      const end = (name: string) => ({
        error: (error: unknown) => ends.push(`${name} ${error instanceof WalPoisonedError ? error.code : 'other'}`),
        complete: () => ends.push(`${name} completes`),
      });
      listen(wal, () => {
        closed ??= wal.close().catch((error: unknown) => error);
      });
      wal.state$.subscribe((state) => states.push(state));
      wal.acks$.subscribe(end('acks$'));
      wal.commits$.subscribe(end('commits$'));
      wal.durable$.subscribe(end('durable$'));
      wal.append('b').subscribe(end('append'));
      flush();
      expect(states).toEqual(['open', 'poisoned']);
      expect(ends.sort()).toEqual([
        'acks$ WAL_POISONED',
        'append WAL_POISONED',
        'commits$ WAL_POISONED',
        'durable$ WAL_POISONED',
      ]);
      return expect(closed).resolves.toBeInstanceOf(WalPoisonedError);
    });
  });

  it('refuses what its own error handlers append', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---#' }) });
      const errors: unknown[] = [];
      const again = new Subject<string>();
      again.subscribe((value) => wal.append(value).subscribe({ error: (error: unknown) => errors.push(error) }));
      wal.append('a').subscribe({ error: () => again.next('a') });
      flush();
      expect(errors).toEqual([expect.objectContaining({ code: 'WAL_POISONED', outcome: 'not written' })]);
    });
  });
});
