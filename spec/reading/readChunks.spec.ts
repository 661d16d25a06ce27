import { Observable, Subject, map, of, take, throwError, timer, type Subscriber } from 'rxjs';
import fc from 'fast-check';
import { readChunks } from '../../src/reading/readChunks';
import type { ReadOnlyFile } from '../../src/store/segmentStore';
import { virtualTime } from '../../src/testing/virtualTime';

/** A file of bytes that say where they stand, and what was asked of it. */
function fileOf(size: number, read: (at: number, chunk$: Observable<Uint8Array>) => Observable<Uint8Array>) {
  const asked: [at: number, bytes: number][] = [];
  const file: ReadOnlyFile = {
    name: 'file',
    size: () => of(size),
    read: (at, bytes) =>
      new Observable((subscriber) => {
        asked.push([at, bytes]);
        const content = Uint8Array.from({ length: Math.max(0, Math.min(bytes, size - at)) }, (_, index) => at + index);
        return read(at, of(content)).subscribe(subscriber);
      }),
  };
  return { file, asked };
}

const bytesOf = (chunks: readonly Uint8Array[]): number[] => chunks.flatMap((chunk) => [...chunk]);

describe('readChunks', () => {
  it('reads the next chunk while one is dealt with, from the second on, and never two', () => {
    virtualTime(({ expectObservable, flush }) => {
      let underWay = 0;
      let most = 0;
      const { file, asked } = fileOf(5, (_at, chunk$) => {
        most = Math.max(most, (underWay += 1));
        return timer(2).pipe(
          map(() => {
            underWay -= 1;
            return read(chunk$);
          }),
        );
      });
      const chunks$ = readChunks(file, 0, 5, { firstBytes: 1, chunkBytes: 1 }).pipe(map((chunk) => String(chunk[0])));
      expectObservable(chunks$).toBe('--0-1-2-3-(4|)');
      flush();
      expect(most).toBe(1);
      expect(asked.map(([at]) => at)).toEqual([0, 1, 2, 3, 4]);
    });
  });

  it('gives all bytes in their order, whatever the sizes and whatever the reads take', () => {
    fc.assert(
      fc.property(
        fc.nat(200),
        fc.nat(50),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.infiniteStream(fc.nat(3)),
        (size, from, first, chunk, delays) => {
          virtualTime(({ flush }) => {
            const { file } = fileOf(size, (_at, chunk$) => {
              const delay = delays.next().value;
              return delay === 0 ? chunk$ : timer(delay).pipe(map(() => read(chunk$)));
            });
            const chunks: Uint8Array[] = [];
            let complete = false;
            readChunks(file, from, size, { firstBytes: first, chunkBytes: chunk }).subscribe({
              next: (each) => chunks.push(each),
              complete: () => {
                complete = true;
              },
            });
            flush();
            expect(complete).toBe(true);
            expect(bytesOf(chunks)).toEqual(Array.from({ length: Math.max(0, size - from) }, (_, at) => from + at));
            for (const { length } of chunks) expect(length).toBeLessThanOrEqual(chunk);
          });
        },
      ),
    );
  });

  it('begins with a small chunk and doubles it', () => {
    const { file, asked } = fileOf(100, (_at, chunk$) => chunk$);
    readChunks(file, 0, 100, { firstBytes: 4, chunkBytes: 32 }).subscribe();
    expect(asked).toEqual([
      [0, 4],
      [4, 8],
      [12, 16],
      [28, 32],
      [60, 32],
      [92, 8],
    ]);
  });

  it('asks for nothing ahead where the first chunk is enough', () => {
    const { file, asked } = fileOf(100, (_at, chunk$) => chunk$);
    readChunks(file, 0, 100, { firstBytes: 10, chunkBytes: 10 }).pipe(take(1)).subscribe();
    expect(asked).toEqual([[0, 10]]);
  });

  it('asks for no more than one chunk ahead where it is left later', () => {
    for (const wanted of [2, 3, 5]) {
      const { file, asked } = fileOf(100, (_at, chunk$) => chunk$);
      readChunks(file, 0, 100, { firstBytes: 10, chunkBytes: 10 }).pipe(take(wanted)).subscribe();
      expect(asked).toHaveLength(wanted + 1);
    }
  });

  it('stops the read that is under way when it is left', () => {
    const stopped: number[] = [];
    const { file } = fileOf(
      100,
      (at) =>
        new Observable(() => () => {
          stopped.push(at);
        }),
    );
    const subscription = readChunks(file, 10, 100, { firstBytes: 10, chunkBytes: 10 }).subscribe();
    expect(stopped).toEqual([]);
    subscription.unsubscribe();
    expect(stopped).toEqual([10]);
  });

  it('stops the read ahead when it is left while a chunk is dealt with', () => {
    const pending: Subscriber<Uint8Array>[] = [];
    const stopped: number[] = [];
    const { file } = fileOf(
      100,
      (at) =>
        new Observable((subscriber) => {
          pending.push(subscriber);
          return () => {
            if (!subscriber.closed) return;
            stopped.push(at);
          };
        }),
    );
    const seen: number[] = [];
    const subscription = readChunks(file, 0, 100, { firstBytes: 10, chunkBytes: 10 }).subscribe(({ length }) => {
      seen.push(length);
      if (seen.length === 2) subscription.unsubscribe();
    });
    const answer = (): void => {
      const subscriber = pending.shift();
      subscriber?.next(new Uint8Array(10));
      subscriber?.complete();
    };
    answer();
    expect(pending).toHaveLength(1);
    answer();
    expect(seen).toHaveLength(2);
    expect(stopped).toContain(20);
    expect(pending).toHaveLength(1);
  });

  it('shows a failure of the read ahead behind the chunk before it', () => {
    const failure = new Error('EIO');
    const { file } = fileOf(100, (at, chunk$) => (at < 20 ? chunk$ : throwError(() => failure)));
    const seen: unknown[] = [];
    readChunks(file, 0, 100, { firstBytes: 10, chunkBytes: 10 }).subscribe({
      next: ({ length }) => seen.push(length),
      error: (error: unknown) => seen.push(error),
    });
    expect(seen).toEqual([10, 10, failure]);
  });

  it('asks for nothing more after a failure', () => {
    const { file, asked } = fileOf(100, () => throwError(() => new Error('EIO')));
    readChunks(file, 0, 100, { firstBytes: 10, chunkBytes: 10 }).subscribe({ error: () => undefined });
    expect(asked).toHaveLength(1);
  });

  it('is no recursion where reads take no time', () => {
    const { file } = fileOf(200_000, (_at, chunk$) => chunk$);
    let chunks = 0;
    readChunks(file, 0, 200_000, { firstBytes: 1, chunkBytes: 1 }).subscribe(() => (chunks += 1));
    expect(chunks).toBe(200_000);
  });

  it('hands on one chunk at a time, though the read ahead comes back while one is dealt with', () => {
    const answers = new Subject<void>();
    let busy = false;
    const seen: number[] = [];
    const { file } = fileOf(60, (_at, chunk$) =>
      answers.pipe(
        take(1),
        map(() => read(chunk$)),
      ),
    );
    readChunks(file, 0, 60, { firstBytes: 10, chunkBytes: 10 }).subscribe((chunk) => {
      expect(busy).toBe(false);
      busy = true;
      seen.push(chunk[0] ?? -1);
      answers.next();
      busy = false;
    });
    for (let time = 0; time < 6; time += 1) answers.next();
    expect(seen).toEqual([0, 10, 20, 30, 40, 50]);
  });

  it('goes on where a read gives fewer bytes than it was asked for, and ends where none are wanted', () => {
    const { file } = fileOf(15, (_at, chunk$) => chunk$);
    const lengths: number[] = [];
    readChunks(file, 0, 30, { firstBytes: 10, chunkBytes: 10 }).subscribe(({ length }) => lengths.push(length));
    expect(lengths).toEqual([10, 5, 0]);
    let complete = false;
    readChunks(file, 5, 5).subscribe({ complete: () => (complete = true) });
    expect(complete).toBe(true);
  });
});

/** What an Observable that takes no time gives. */
function read(chunk$: Observable<Uint8Array>): Uint8Array {
  let content = new Uint8Array(0);
  chunk$.subscribe((chunk) => {
    content = new Uint8Array(chunk);
  });
  return content;
}
