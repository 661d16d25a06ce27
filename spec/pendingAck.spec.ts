import { setImmediate as turn } from 'node:timers/promises';
import {
  Observable,
  Subject,
  config,
  firstValueFrom,
  forkJoin,
  from,
  lastValueFrom,
  map,
  mergeMap,
  of,
  toArray,
  type Observer,
} from 'rxjs';
import { WalBackpressureError, WalClosedError, WalPoisonedError, WalRecordError, type Ack } from 'rxwal';
import { fault, memoryWal, virtualTime, marblePlan } from 'rxwal/testing';
import { PendingAck } from '../src/pendingAck';

/** Who hands out acks when told, and who has asked for one. */
function ackSource(): {
  readonly ask: (lsn?: number) => PendingAck;
  readonly asked: number[];
  readonly waiting: Observer<Ack>[];
} {
  const asked: number[] = [];
  const waiting: Observer<Ack>[] = [];
  const source = {
    waitFor: (lsn: number, observer: Observer<Ack>): void => {
      asked.push(lsn);
      waiting.push(observer);
    },
  };
  return { ask: (lsn = 7) => new PendingAck(source, lsn), asked, waiting };
}

const ACK: Ack = { lsn: 7, durable: true };

function give(waiting: readonly Observer<Ack>[], ack = ACK): void {
  for (const observer of waiting) {
    observer.next(ack);
    observer.complete();
  }
}

describe('PendingAck', () => {
  it('is an Observable, and can be awaited', () => {
    const { ask } = ackSource();
    expect(ask()).toBeInstanceOf(Observable);
    expect(typeof ask().then).toBe('function');
  });

  it('asks for nothing before somebody wants it', () => {
    const { ask, asked } = ackSource();
    const pending = ask();
    void pending.pipe(map(({ lsn }) => lsn));
    expect(asked).toEqual([]);
  });

  it('emits its ack and completes', () => {
    const { ask, asked, waiting } = ackSource();
    const heard: unknown[] = [];
    ask().subscribe({ next: (ack) => heard.push(ack), complete: () => heard.push('end') });
    expect(asked).toEqual([7]);
    expect(heard).toEqual([]);
    give(waiting);
    expect(heard).toEqual([ACK, 'end']);
  });

  it('gives its ack to who awaits it', async () => {
    const { ask, waiting } = ackSource();
    const awaited = (async () => await ask())();
    await turn();
    give(waiting);
    await expect(awaited).resolves.toBe(ACK);
  });

  it('fails who subscribes, and who awaits, with the same error', async () => {
    const { ask, waiting } = ackSource();
    const pending = ask();
    const errors: unknown[] = [];
    pending.subscribe({ error: (error: unknown) => errors.push(error) });
    const awaited = Promise.resolve(pending);
    await turn();
    const error = new Error('gone');
    for (const observer of waiting) observer.error(error);
    await expect(awaited).rejects.toBe(error);
    expect(errors).toEqual([error]);
  });

  it('has then as a promise has it: a chain, with or without handlers', async () => {
    const { ask, waiting } = ackSource();
    const pending = ask();
    const chains = [
      pending.then(),
      pending.then(null, null),
      pending.then(({ lsn }) => lsn),
      pending.then(({ lsn }) => Promise.resolve(lsn + 1)).then((next) => next * 2),
    ];
    give(waiting);
    await expect(Promise.all(chains)).resolves.toEqual([ACK, ACK, 7, 16]);
    const failing = ask();
    const caught = failing.then(
      () => 'an ack',
      (error: unknown) => `caught ${String(error)}`,
    );
    waiting.at(-1)!.error('this');
    await expect(caught).resolves.toBe('caught this');
  });

  it('asks once for each who subscribes or awaits', () => {
    const { ask, asked, waiting } = ackSource();
    const pending = ask();
    const heard: string[] = [];
    pending.subscribe(() => heard.push('one'));
    pending.subscribe(() => heard.push('two'));
    void pending.then(() => undefined);
    expect(asked).toEqual([7, 7, 7]);
    give(waiting);
    expect(heard).toEqual(['one', 'two']);
  });

  it('hears nothing any more where it was left; the others do', () => {
    const { ask, waiting } = ackSource();
    const pending = ask();
    const heard: string[] = [];
    const left = pending.subscribe(() => heard.push('left'));
    pending.subscribe(() => heard.push('stays'));
    left.unsubscribe();
    give(waiting);
    expect(heard).toEqual(['stays']);
  });

  it('is an Observable and no promise to whatever takes both', () => {
    const { ask, waiting } = ackSource();
    const then = jest.spyOn(PendingAck.prototype, 'then');
    const heard: unknown[] = [];
    const hear = (value: unknown): void => {
      heard.push(value);
    };
    of(1)
      .pipe(mergeMap(() => ask()))
      .subscribe(hear);
    from(ask()).subscribe(hear);
    forkJoin([ask(), ask()]).subscribe(hear);
    ask()
      .pipe(map(({ lsn }) => lsn))
      .subscribe(hear);
    give(waiting);
    // At once: a promise would have taken its time.
    expect(heard).toEqual([ACK, ACK, [ACK, ACK], 7]);
    expect(then).not.toHaveBeenCalled();
    then.mockRestore();
  });

  it('becomes a plain Observable by pipe', () => {
    const { ask } = ackSource();
    expect(ask().pipe(map(({ lsn }) => lsn))).not.toBeInstanceOf(PendingAck);
  });
});

describe('append', () => {
  it('is awaited until its record is durable', async () => {
    const { wal, store } = memoryWal<string>();
    await expect(wal.append('a')).resolves.toEqual({ lsn: 1, durable: true });
    expect(memoryWal<string>({ files: store.durableSnapshot() }).wal.lastLsn).toBe(1);
  });

  it('many at once, with Promise.all, ride on one commit', async () => {
    const { wal } = memoryWal<number>();
    let commits = 0;
    wal.commits$.subscribe(() => (commits += 1));
    const acks = await Promise.all([1, 2, 3, 4].map((value) => wal.append(value)));
    expect(acks.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4]);
    expect(commits).toBe(1);
  });

  it('may be awaited late, and again', async () => {
    const { wal } = memoryWal<string>();
    const pending = wal.append('a');
    await turn();
    expect(wal.durableLsn).toBe(1);
    expect(await pending).toEqual({ lsn: 1, durable: true });
    expect(await pending).toEqual({ lsn: 1, durable: true });
    await wal.close();
    expect(await pending).toEqual({ lsn: 1, durable: true });
  });

  it('happens once, awaited or not', async () => {
    const { wal } = memoryWal<string>();
    const pending = wal.append('a');
    await Promise.all([pending, pending, firstValueFrom(pending), lastValueFrom(pending.pipe(toArray()))]);
    expect(wal.lastLsn).toBe(1);
  });

  it('one after the other, each in its own batch, where each is awaited', async () => {
    const { wal } = memoryWal<string>();
    const sizes: number[] = [];
    wal.commits$.subscribe(({ records }) => sizes.push(records));
    for (const value of ['a', 'b', 'c']) await wal.append(value);
    expect(sizes).toEqual([1, 1, 1]);
  });

  it('that is awaited is told in LSN order, between those that are subscribed', async () => {
    const { wal } = memoryWal<number>();
    const heard: number[] = [];
    const appends = [1, 2, 3, 4, 5, 6].map((value) => wal.append(value));
    const awaited = appends.map((pending, index) =>
      index % 2 === 1 ? pending.then(({ lsn }) => heard.push(lsn)) : Promise.resolve(0),
    );
    for (const pending of [appends[0]!, appends[2]!, appends[4]!]) pending.subscribe(({ lsn }) => heard.push(lsn));
    await Promise.all(awaited);
    // A promise tells it when the turn of those who subscribed is over.
    expect(heard).toEqual([1, 3, 5, 2, 4, 6]);
  });

  it('in mode nosync is awaited until it is written, and says so', async () => {
    const { wal } = memoryWal<string>({ durability: { mode: 'nosync' } });
    await expect(wal.append('a')).resolves.toEqual({ lsn: 1, durable: false });
  });

  it('in mode batch is awaited until its batch is', async () => {
    const { wal } = memoryWal<string>({ durability: { mode: 'batch', maxDelayMs: 60_000, maxRecords: 2 } });
    const first = wal.append('a');
    await turn();
    expect(wal.durableLsn).toBe(0);
    await expect(Promise.all([first, wal.append('b')])).resolves.toMatchObject([{ lsn: 1 }, { lsn: 2 }]);
  });

  describe('that is refused', () => {
    let unhandled: unknown[];
    beforeEach(() => {
      unhandled = [];
      config.onUnhandledError = (error: unknown) => unhandled.push(error);
    });
    afterEach(async () => {
      await turn();
      config.onUnhandledError = null;
    });

    it('rejects: a value that is no record', async () => {
      const { wal } = memoryWal<unknown>();
      await expect(wal.append(() => 1)).rejects.toBeInstanceOf(WalRecordError);
      expect(unhandled).toEqual([]);
    });

    it('rejects: no room', async () => {
      const { wal } = memoryWal<string>({ plan: () => new Subject<never>(), maxPendingRecords: 1 });
      void wal.append('a');
      await expect(wal.append('b')).rejects.toBeInstanceOf(WalBackpressureError);
    });

    it('rejects: a log that is closed', async () => {
      const { wal } = memoryWal<string>();
      await wal.close();
      await expect(wal.append('a')).rejects.toBeInstanceOf(WalClosedError);
    });

    it('rejects again for each who awaits it, late too', async () => {
      const { wal } = memoryWal<unknown>();
      const pending = wal.append(() => 1);
      await turn();
      await expect(pending).rejects.toBeInstanceOf(WalRecordError);
      await expect(pending).rejects.toBeInstanceOf(WalRecordError);
    });

    it('is no unhandled rejection where nobody looks at it', async () => {
      const rejections: unknown[] = [];
      const hear = (reason: unknown): void => {
        rejections.push(reason);
      };
      process.on('unhandledRejection', hear);
      const { wal } = memoryWal<unknown>();
      void wal.append(() => 1);
      await turn();
      process.off('unhandledRejection', hear);
      expect([rejections, unhandled]).toEqual([[], []]);
    });
  });

  describe('on a log that stops', () => {
    it('rejects with what became of the record, also for who awaits it late', async () => {
      const promises: PromiseLike<Ack>[] = [];
      const early: Promise<unknown>[] = [];
      virtualTime(({ cold, flush }) => {
        const { wal } = memoryWal<string>({ plan: marblePlan({ write: '---#' }, fault('ENOSPC')) });
        cold('a-b---c').subscribe((value) => {
          const pending = wal.append(value);
          promises.push(pending);
          early.push(Promise.resolve(pending.then(undefined, (error: unknown) => error)));
        });
        flush();
      });
      const late = await Promise.all(
        promises.map((pending) => Promise.resolve(pending).catch((error: unknown) => error)),
      );
      const errors = await Promise.all(early);
      expect(errors).toEqual([
        expect.any(WalPoisonedError),
        expect.any(WalPoisonedError),
        expect.any(WalPoisonedError),
      ]);
      const told = [
        { outcome: 'unknown', lsn: 1, cause: { code: 'ENOSPC' } },
        { outcome: 'not written', lsn: 2 },
        { outcome: 'not written', lsn: 0 },
      ];
      expect(errors).toMatchObject(told);
      expect(late).toMatchObject(told);
    });

    it('gives the ack of what had been durable before', async () => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: ['|', '#'] }) });
      wal.state$.subscribe();
      const first = wal.append('a');
      await turn();
      await expect(wal.append('b')).rejects.toMatchObject({ outcome: 'unknown', lsn: 2 });
      await expect(first).resolves.toEqual({ lsn: 1, durable: true });
    });
  });
});
