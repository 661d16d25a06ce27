import { NEVER, catchError, map, mergeMap, of, type Observable } from 'rxjs';
import { fault, marblePlan, memoryStore, virtualTime, type MemoryStore } from '../../src/testing';
import type { SegmentFile } from '../../src/store/segmentStore';
import { storeContract } from './contract';
import { contentOf, did, makeFile } from './operations';

storeContract('memoryStore', () => memoryStore());

describe('memoryStore', () => {
  const text = (files: Map<string, Uint8Array>): Record<string, string> =>
    Object.fromEntries([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]));

  describe('plan', () => {
    /** An open file of a store whose plan begins afterwards. */
    function openFile(plan: Parameters<typeof memoryStore>[0]): { store: MemoryStore; file: SegmentFile } {
      let file: SegmentFile | undefined;
      const store = memoryStore({
        ...plan,
        plan: (operation) => (file ? plan?.plan?.(operation) : undefined),
      });
      store.open('a', 'create').subscribe((opened) => (file = opened));
      return { store, file: file! };
    }
    const as = <R>(source: Observable<unknown>, value: R): Observable<R> => source.pipe(map(() => value));

    it('lets every operation take no time by default', () => {
      virtualTime(({ expectObservable }) => {
        const { store, file } = openFile({});
        expectObservable(as(file.write([Buffer.from('abc')], 0), 'w')).toBe('(w|)');
        expectObservable(as(file.sync(), 's')).toBe('(s|)');
        expectObservable(file.size()).toBe('(3|)', { 3: 3 });
        expectObservable(as(store.syncDir(), 'd')).toBe('(d|)');
      });
    });

    it('gives each kind of operation its time', () => {
      virtualTime(({ expectObservable }) => {
        const { store, file } = openFile({ plan: marblePlan({ write: '--|', sync: '---|', syncDir: '5ms |' }) });
        expectObservable(as(file.write([Buffer.from('abc')], 0), 'w')).toBe('--(w|)');
        expectObservable(as(file.sync(), 's')).toBe('---(s|)');
        expectObservable(as(store.syncDir(), 'd')).toBe('-----(d|)');
        expectObservable(as(file.truncate(0), 't')).toBe('(t|)');
      });
    });

    it('gives the first operation the first timeline, and the last one to all that follow', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { file } = openFile({ plan: marblePlan({ sync: ['---|', '-|', '--#'] }, fault('EIO')) });
        const each = cold('a---b---c---d|').pipe(
          mergeMap((name) =>
            file.sync().pipe(
              map(() => `${name} done`),
              catchError((error: unknown) => of(`${name} ${(error as NodeJS.ErrnoException).code}`)),
            ),
          ),
        );
        expectObservable(each).toBe('   ---a-b----c---(d|)', { a: 'a done', b: 'b done', c: 'c EIO', d: 'd EIO' });
      });
    });

    it('lets an operation take effect when its time is over, and not before', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { store, file } = openFile({ plan: marblePlan({ write: '---|' }) });
        file.write([Buffer.from('abc')], 0).subscribe();
        const looks = cold('a-bcd|').pipe(map(() => text(store.snapshot())['a']));
        expectObservable(looks).toBe('a-bcd|', { a: '', b: '', c: 'abc', d: 'abc' });
      });
    });

    it('of an operation that nobody waits for any more has no effect', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { store, file } = openFile({ plan: marblePlan({ write: '---|' }) });
        const write = file.write([Buffer.from('abc')], 0).subscribe();
        cold('--|').subscribe({
          complete: () => {
            write.unsubscribe();
          },
        });
        expectObservable(cold('-----a|').pipe(map(() => text(store.snapshot())['a']))).toBe('-----a|', { a: '' });
      });
    });

    it('fails an operation, which then has no effect', () => {
      virtualTime(({ expectObservable }) => {
        const { store, file } = openFile({ plan: marblePlan({ write: '--#' }, fault('ENOSPC')) });
        expectObservable(file.write([Buffer.from('abc')], 0)).toBe('--#', {}, fault('ENOSPC'));
        expect(text(store.snapshot())).toEqual({ a: '' });
      });
    });

    it('lets an operation never come back', () => {
      virtualTime(({ expectObservable }) => {
        const { file } = openFile({ plan: marblePlan({ sync: '-' }) });
        expectObservable(file.sync()).toBe('-');
      });
      const { file } = openFile({ plan: () => NEVER });
      const ended = jest.fn();
      file.size().subscribe({ next: ended, error: ended, complete: ended });
      expect(ended).not.toHaveBeenCalled();
    });

    it('is asked with what the operation is', async () => {
      const plan = jest.fn(() => undefined);
      const store = memoryStore({ plan });
      const file = await makeFile(store, 'a', 'abc');
      await did(file.write([Buffer.from('de'), Buffer.from('f')], 3));
      await did(file.read(1, 2));
      expect(plan.mock.calls).toEqual([
        [{ kind: 'create', file: 'a' }],
        [{ kind: 'write', file: 'a', position: 0, bytes: 3 }],
        [{ kind: 'write', file: 'a', position: 3, bytes: 3 }],
        [{ kind: 'read', file: 'a', position: 1, bytes: 2 }],
      ]);
    });

    it('of a fault says that a test asked for it', () => {
      expect(fault('EDQUOT')).toMatchObject({ code: 'EDQUOT', message: expect.stringMatching(/^EDQUOT: .*test/) });
    });
  });

  describe('durableSnapshot, what a power cut leaves for certain,', () => {
    it('lacks a name that was not made durable, whatever was fsync’d in it', async () => {
      const store = memoryStore();
      const file = await makeFile(store, 'a', 'abc');
      await did(file.sync());
      expect(text(store.snapshot())).toEqual({ a: 'abc' });
      expect(text(store.durableSnapshot())).toEqual({});
      await did(store.syncDir());
      expect(text(store.durableSnapshot())).toEqual({ a: 'abc' });
    });

    it('lacks bytes that were not fsync’d, under a name that was made durable', async () => {
      const store = memoryStore();
      const file = await makeFile(store, 'a', 'abc');
      await did(store.syncDir());
      expect(text(store.durableSnapshot())).toEqual({ a: '' });
      await did(file.sync());
      await did(file.write([Buffer.from('def')], 3));
      expect(text(store.durableSnapshot())).toEqual({ a: 'abc' });
      expect(text(store.snapshot())).toEqual({ a: 'abcdef' });
    });

    it('has neither an overwriting nor a truncation before the fsync', async () => {
      const store = memoryStore({ files: new Map([['a', Buffer.from('abcdef')]]) });
      const file = await did(store.open('a', 'write'));
      await did(file.write([Buffer.from('X')], 0));
      await did(file.truncate(2));
      expect(text(store.durableSnapshot())).toEqual({ a: 'abcdef' });
      await did(file.sync());
      expect(text(store.durableSnapshot())).toEqual({ a: 'Xb' });
    });

    it('has what it had when a file that is there is emptied, until the fsync', async () => {
      const store = memoryStore({ files: new Map([['a', Buffer.from('old')]]) });
      const file = await did(store.open('a', 'create'));
      await did(file.write([Buffer.from('new')], 0));
      expect(text(store.durableSnapshot())).toEqual({ a: 'old' });
      await did(file.sync());
      expect(text(store.durableSnapshot())).toEqual({ a: 'new' });
    });

    it('has old names until the directory is fsync’d: renames and removals', async () => {
      const files = new Map(['a', 'b', 'c'].map((name) => [name, Buffer.from(`of ${name}`)]));
      const store = memoryStore({ files });
      await did(store.rename('a', 'b'));
      await did(store.remove('c'));
      expect(text(store.snapshot())).toEqual({ b: 'of a' });
      expect(text(store.durableSnapshot())).toEqual({ a: 'of a', b: 'of b', c: 'of c' });
      await did(store.syncDir());
      expect(text(store.durableSnapshot())).toEqual({ b: 'of a' });
    });

    it('is not changed by closing a file', async () => {
      const store = memoryStore();
      const file = await makeFile(store, 'a', 'abc');
      await did(store.syncDir());
      await did(file.close());
      expect(text(store.durableSnapshot())).toEqual({ a: '' });
    });

    it('does not have an fsync that is still on its way, nor one that failed', () => {
      virtualTime(({ cold, expectObservable }) => {
        const store = memoryStore({
          files: new Map([['a', new Uint8Array(0)]]),
          plan: marblePlan({ sync: ['----|', '--#'] }),
        });
        let file: SegmentFile | undefined;
        store.open('a', 'write').subscribe((opened) => (file = opened));
        file!.write([Buffer.from('abc')], 0).subscribe();
        file!.sync().subscribe();
        file!.sync().subscribe({ error: () => undefined });
        const looks = cold('a--bc|').pipe(map(() => text(store.durableSnapshot())['a']));
        expectObservable(looks).toBe('a--bc|', { a: '', b: '', c: 'abc' });
      });
    });
  });

  describe('snapshots', () => {
    it('are copies', async () => {
      const store = memoryStore({ files: new Map([['a', Buffer.from('abc')]]) });
      store.snapshot().get('a')!.fill(0);
      store.durableSnapshot().get('a')!.fill(0);
      expect(text(store.snapshot())).toEqual({ a: 'abc' });
      expect(text(store.durableSnapshot())).toEqual({ a: 'abc' });
      const before = store.snapshot();
      await did((await did(store.open('a', 'write'))).write([Buffer.from('X')], 0));
      expect(text(before)).toEqual({ a: 'abc' });
    });

    it('begin another store, of which they are the durable content', async () => {
      const first = memoryStore();
      await makeFile(first, 'a', 'abc');
      const files = first.snapshot();
      const second = memoryStore({ files });
      files.get('a')!.fill(0);
      expect(text(second.durableSnapshot())).toEqual({ a: 'abc' });
      const file = await did(second.open('a', 'write'));
      await did(file.write([Buffer.from('Z')], 0));
      expect(text(first.snapshot())).toEqual({ a: 'abc' });
      expect(await contentOf(file)).toBe('Zbc');
    });
  });

  it('records what it was asked for, in order, when it was asked', () => {
    virtualTime(() => {
      const store = memoryStore({ plan: marblePlan({ sync: '---|', remove: '#', close: '----|' }) });
      store.lock().subscribe();
      store.list().subscribe();
      let file: SegmentFile | undefined;
      store.open('a', 'create').subscribe((opened) => (file = opened));
      file!.sync().subscribe();
      file!.write([Buffer.from('ab'), Buffer.from('c')], 7).subscribe();
      file!.size().subscribe();
      file!.truncate(1).subscribe();
      file!.close().subscribe();
      store.rename('a', 'b').subscribe();
      store.remove('b').subscribe({ error: () => undefined });
      store.open('b', 'read').subscribe();
      store.syncDir().subscribe();
      expect(store.operations).toEqual([
        { kind: 'lock', file: '' },
        { kind: 'list', file: '' },
        { kind: 'create', file: 'a' },
        { kind: 'sync', file: 'a' },
        { kind: 'write', file: 'a', position: 7, bytes: 3 },
        { kind: 'size', file: 'a' },
        { kind: 'truncate', file: 'a' },
        { kind: 'close', file: 'a' },
        { kind: 'rename', file: 'a' },
        { kind: 'remove', file: 'b' },
        { kind: 'open', file: 'b' },
        { kind: 'syncDir', file: '' },
      ]);
    });
  });

  it('names its directory in messages', async () => {
    const store = memoryStore({ dir: 'somewhere' });
    await did(store.lock());
    expect(store.dir).toBe('somewhere');
    await expect(did(store.lock())).rejects.toThrow(/^somewhere is open/);
    expect(memoryStore().dir).toBe('memory');
  });
});
