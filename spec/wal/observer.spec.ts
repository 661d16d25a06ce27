import {
  NEVER,
  Subject,
  concat,
  config,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  of,
  share,
  tap,
  toArray,
} from 'rxjs';
import { WalClosedError, appendTo } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** A store whose fsync takes 3 frames of time. */
const timed = () => marblePlan({ sync: '---|' });

describe('events$.subscribe(wal)', () => {
  it('appends every event, in order', async () => {
    const { wal } = memoryWal<string>();
    const events$ = new Subject<string>();
    events$.subscribe(wal);
    for (const event of ['a', 'b', 'c']) events$.next(event);
    await wal.sync();
    const entries = await lastValueFrom(wal.read().pipe(toArray()));
    expect(entries).toEqual([
      { lsn: 1, value: 'a' },
      { lsn: 2, value: 'b' },
      { lsn: 3, value: 'c' },
    ]);
  });

  it('drains and closes the log with the end of the events', () => {
    virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const events$ = hot('                                a-b-|');
      events$.subscribe(wal);
      expectObservable(wal.durable$).toBe('                0--1--2--|', [0, 1, 2]);
      expectObservable(wal.state$).toBe('                  o---c----(d|)', { o: 'open', c: 'closing', d: 'closed' });
      expectSubscriptions(events$.subscriptions).toBe('    ^---!');
    });
  });

  it('leaves the log open when the subscription is given up', () => {
    virtualTime(({ hot, cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const subscription = hot('           a-----b-----c').subscribe(wal);
      cold('                               --------x').subscribe(() => subscription.unsubscribe());
      expectObservable(wal.durable$).toBe('0--1-----2', [0, 1, 2]);
      expectObservable(wal.state$).toBe('  o', { o: 'open' });
    });
  });

  it('may have several sources; the first that ends closes the log for all of them', () => {
    virtualTime(({ hot, expectObservable, flush }) => {
      const unhandled: unknown[] = [];
      config.onUnhandledError = (error: unknown) => unhandled.push(error);
      const { wal } = memoryWal<string>();
      hot('                                               a---b---c').subscribe(wal);
      hot('                                               --x--|').subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('a-x-b|', { a: 1, x: 2, b: 3 });
      flush();
      config.onUnhandledError = null;
      // c, for which there is no log any more.
      expect(unhandled).toEqual([expect.any(WalClosedError)]);
    });
  });

  it('may have sources that come and go, merged', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>();
      merge(hot('                                         a-|'), hot('---b---|'), hot('-----c|')).subscribe(wal);
      expectObservable(wal.acks$.pipe(map(({ lsn }) => lsn))).toBe('a--b-c-|', { a: 1, b: 2, c: 3 });
    });
  });

  it('never closes the log where the end of the events is kept from it', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>();
      concat(cold('a|'), NEVER).subscribe(wal);
      expectObservable(wal.state$).toBe('o', { o: 'open' });
    });
  });

  it('may be beside append and next', () => {
    const { wal } = memoryWal<string>();
    of('a')
      .pipe((events$) => concat(events$, NEVER))
      .subscribe(wal);
    wal.next('b');
    void wal.append('c');
    expect(wal.lastLsn).toBe(3);
  });
});

describe('the line of an application', () => {
  it('applies what is durable, and nothing before', () => {
    virtualTime(({ hot, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const applied$ = hot('           a-b-c-------|').pipe(
        appendTo(wal),
        map(({ value }) => value),
      );
      expectObservable(applied$).toBe('---a--b--c--|');
    });
  });

  it('may feed one source to the log and to others', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: timed() });
      const seen: string[] = [];
      const events$ = cold('               a-b---|').pipe(share());
      events$
        .pipe(
          tap((event) => seen.push(event)),
          ignoreElements(),
        )
        .subscribe();
      events$.subscribe(wal);
      expectObservable(wal.durable$).toBe('0--1--2--|', [0, 1, 2]);
    });
  });
});

describe('what the log shows', () => {
  it('can be listened to, and not be spoken to', () => {
    const { wal } = memoryWal<string>();
    for (const output$ of [wal.acks$, wal.commits$, wal.durable$, wal.state$, wal.rejected$]) {
      expect(output$).not.toBeInstanceOf(Subject);
    }
  });

  it('may have as many listeners as one likes', async () => {
    const { wal } = memoryWal<string>();
    const heard: string[] = [];
    for (const name of ['x', 'y', 'z']) wal.acks$.subscribe(({ lsn }) => heard.push(`${name}${lsn}`));
    await wal.append('a');
    expect(heard).toEqual(['x1', 'y1', 'z1']);
  });

  it('goes on to the others where one throws', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      const heard: number[] = [];
      wal.acks$.subscribe(() => {
        throw new Error('a listener broke');
      });
      wal.acks$.subscribe(({ lsn }) => heard.push(lsn));
      wal.next('a');
      wal.next('b');
      // RxJS reports what a listener throws as an unhandled error.
      expect(() => flush()).toThrow('a listener broke');
      expect(heard).toEqual([1, 2]);
    });
  });
});
