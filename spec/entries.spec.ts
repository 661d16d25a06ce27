import { EMPTY, NEVER, Observable, from, lastValueFrom, map, of, take, throwError, timer, toArray } from 'rxjs';
import type { RunHelpers } from 'rxjs/testing';
import { virtualTime } from 'rxwal/testing';
import { Entries } from '../src/entries';
import type { Pausable } from '../src/pull';
import type { Entry } from '../src/types';

const entry = (lsn: number): Entry<number> => ({ lsn, value: lsn * 10 });
const values = { 1: entry(1), 2: entry(2), 3: entry(3), 4: entry(4) };
const lsns = { 1: 1, 2: 2, 3: 3, 4: 4 };

/** A source that does not stop when it is told to: what comes nevertheless is kept. */
const heedless = (source$: Observable<Entry<number>>): Pausable<Entry<number>> => {
  return () => source$;
};

/** A source that gives one run of entries each time it is wanted, and notes how often it was asked. */
function runs(...given: readonly (readonly number[])[]): { source: Pausable<Entry<number>>; asked: () => number } {
  let at = 0;
  const source: Pausable<Entry<number>> = (wanted$) =>
    new Observable((subscriber) => {
      let wanted = false;
      const subscription = wanted$.subscribe({
        next: (isWanted) => {
          wanted = isWanted;
          while (wanted && !subscriber.closed) {
            const run = given[at];
            at += 1;
            if (!run) subscriber.complete();
            for (const lsn of run ?? []) subscriber.next(entry(lsn));
          }
        },
        error: (error: unknown) => subscriber.error(error),
      });
      return () => subscription.unsubscribe();
    });
  return { source, asked: () => at };
}

/** Each entry takes `frames`. */
const taking =
  (frames: number) =>
  ({ lsn }: Entry<number>) =>
    timer(frames).pipe(map(() => lsn));

const inTime = (test: (helpers: RunHelpers) => void): void => virtualTime(test);

describe('entries, subscribed', () => {
  it('are those of the source, each time anew', () => {
    inTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold<Entry<number>>('    -1-2|', values);
      const entries = new Entries(heedless(source$));
      expectObservable(entries.pipe(map(({ lsn }) => lsn))).toBe('-1-2|', lsns);
      expectObservable(entries.pipe(take(1)), '--^').toBe('       ---(1|)', values);
      expectSubscriptions(source$.subscriptions).toBe(['^---!', '--^!']);
    });
  });
});

describe('each', () => {
  it('takes an entry when what became of the one before has completed, as its picture shows', () => {
    inTime(({ cold, expectObservable }) => {
      const entries = new Entries(heedless(cold('-(12|)', values)));
      const work = (each: Entry<number>): Observable<number> => taking(each.lsn === 1 ? 3 : 2)(each);
      expectObservable(entries.each(work)).toBe('      ----1-(2|)', lsns);
    });
  });

  it('of nothing is nothing', () => {
    inTime(({ expectObservable }) => {
      expectObservable(new Entries<number>(heedless(EMPTY)).each(taking(1))).toBe('|');
      expectObservable(new Entries<number>(heedless(NEVER)).each(taking(1))).toBe('-');
    });
  });

  it('fails with the source, behind what had come before', () => {
    inTime(({ cold, expectObservable }) => {
      const entries = new Entries(heedless(cold('(12#)', values)));
      expectObservable(entries.each(taking(3))).toBe('  ---1--(2#)', lsns);
    });
  });

  it('fails with what is made of an entry, and leaves the source', () => {
    inTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold<Entry<number>>('-1-2-3', values);
      const entries = new Entries(heedless(source$));
      const broken = new Error('broken');
      expectObservable(entries.each(() => throwError(() => broken))).toBe('-#', undefined, broken);
      expectSubscriptions(source$.subscriptions).toBe('^!');
    });
  });

  it('fails with what the callback throws', async () => {
    const entries = new Entries(heedless(of(entry(1))));
    const failing = (): never => {
      throw new Error('no');
    };
    await expect(lastValueFrom(entries.each(failing))).rejects.toThrow('no');
  });

  it('takes promises and arrays as well', async () => {
    const entries = new Entries(runs([1], [2, 3]).source);
    const seen$ = entries.each(({ lsn }) => (lsn === 2 ? [2, 2] : Promise.resolve(lsn)));
    await expect(lastValueFrom(seen$.pipe(toArray()))).resolves.toEqual([1, 2, 2, 3]);
  });

  it('left early leaves what is under way, and the source', () => {
    inTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold<Entry<number>>('1---------', values);
      const work$ = cold<number>('        ------1|', lsns);
      expectObservable(
        new Entries(heedless(source$)).each(() => work$),
        '^--!',
      ).toBe('----');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(work$.subscriptions).toBe('^--!');
    });
  });

  it('asks for a run when the one before has been taken, and not before', () => {
    inTime(({ expectObservable, flush }) => {
      const { source, asked } = runs([1, 2], [3]);
      const seen: number[] = [];
      timer(3).subscribe(() => seen.push(asked()));
      timer(5).subscribe(() => seen.push(asked()));
      expectObservable(new Entries(source).each(taking(2))).toBe('--1-2-(3|)', lsns);
      flush();
      expect(seen).toEqual([1, 2]);
    });
  });

  it('is a loop where nothing takes time', async () => {
    const many = Array.from({ length: 50_000 }, (_, index) => [index + 1]);
    const entries = new Entries(runs(...many).source);
    await expect(lastValueFrom(entries.each(({ lsn }) => of(lsn)))).resolves.toBe(50_000);
  });
});

describe('an async iteration', () => {
  it('gives entries to those who ask, in their order', async () => {
    const iterator = new Entries(runs([1, 2], [3]).source)[Symbol.asyncIterator]();
    const asked = [iterator.next(), iterator.next(), iterator.next(), iterator.next()];
    await expect(Promise.all(asked)).resolves.toEqual([
      { done: false, value: entry(1) },
      { done: false, value: entry(2) },
      { done: false, value: entry(3) },
      { done: true, value: undefined },
    ]);
    await expect(iterator.next()).resolves.toEqual({ done: true, value: undefined });
  });

  it('rejects with the error of the source, once', async () => {
    const iterator = new Entries<number>(heedless(throwError(() => new Error('broken'))))[Symbol.asyncIterator]();
    await expect(iterator.next()).rejects.toThrow('broken');
    await expect(iterator.next()).resolves.toEqual({ done: true, value: undefined });
  });

  it('does nothing before it is asked', async () => {
    let subscribed = 0;
    const entries = new Entries<number>(() => {
      subscribed += 1;
      return EMPTY;
    });
    const iterator = entries[Symbol.asyncIterator]();
    expect(subscribed).toBe(0);
    await iterator.next();
    expect(subscribed).toBe(1);
  });

  it('leaves the source at a break', async () => {
    let left = false;
    const source$ = new Observable<Entry<number>>((subscriber) => {
      for (const lsn of [1, 2, 3]) subscriber.next(entry(lsn));
      return () => {
        left = true;
      };
    });
    for await (const { lsn } of new Entries(heedless(source$))) if (lsn === 2) break;
    expect(left).toBe(true);
  });

  it('may be left while an entry is waited for', async () => {
    const iterator = new Entries<number>(heedless(NEVER))[Symbol.asyncIterator]();
    const waiting = [iterator.next(), iterator.next()];
    await iterator.return?.();
    await expect(Promise.all(waiting)).resolves.toEqual(Array(2).fill({ done: true, value: undefined }));
  });
});

describe('a signal', () => {
  const many = Array.from({ length: 100 }, (_, index) => entry(index + 1));

  it('ends what is pulled at once, also what has been read and was not taken', async () => {
    const stop = new AbortController();
    const entries = new Entries(heedless(from(many)), stop.signal);
    const seen: number[] = [];
    const pulled$ = entries.each(({ lsn }) => {
      seen.push(lsn);
      if (lsn === 5) stop.abort(new Error('enough'));
      return of(lsn);
    });
    await expect(lastValueFrom(pulled$)).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2, 3, 4, 5]);
  });

  it('ends an iteration, also of a source that has ended already', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const iterate = async (): Promise<void> => {
      for await (const { lsn } of new Entries(heedless(from(many)), stop.signal)) {
        seen.push(lsn);
        if (lsn === 3) stop.abort(new Error('enough'));
      }
    };
    await expect(iterate()).rejects.toThrow('enough');
    expect(seen).toEqual([1, 2, 3]);
  });

  it('leaves what is being done with an entry', () => {
    inTime(({ cold, expectObservable, expectSubscriptions }) => {
      const stop = new AbortController();
      const work$ = cold<number>('--------1|', lsns);
      timer(3).subscribe(() => stop.abort('enough'));
      expectObservable(new Entries(heedless(from(many)), stop.signal).each(() => work$)).toBe(
        '---#',
        undefined,
        'enough',
      );
      expectSubscriptions(work$.subscriptions).toBe('^--!');
    });
  });
});
