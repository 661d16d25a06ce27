import { concat, type Observable } from 'rxjs';
import { WalLockedError } from '../../src/errors';
import { LOCK_FILE, type SegmentFile, type SegmentStore } from '../../src/store/segmentStore';
import { contentOf, did, emissions, makeFile } from './operations';

async function contentAt(store: SegmentStore, name: string): Promise<string> {
  const file = await did(store.open(name, 'read'));
  const content = await contentOf(file);
  await did(file.close());
  return content;
}

async function names(store: SegmentStore): Promise<string[]> {
  return (await did(store.list())).filter((name) => name !== LOCK_FILE).sort();
}

/**
 * What the log expects of every store. The real disk and the one in memory both run it, so that what is proven on the second
 * holds on the first.
 *
 * @param makeStore an empty store whose directory is there.
 */
// eslint-disable-next-line jest/no-export -- the suite is what this file is for; the specs of the stores run it
export function storeContract(name: string, makeStore: () => SegmentStore): void {
  describe(`${name} is a SegmentStore`, () => {
    let store: SegmentStore;

    beforeEach(() => {
      store = makeStore();
    });

    describe('Observables', () => {
      it('are cold: nothing happens before the subscription, and each one acts again', async () => {
        const create = store.open('a', 'create');
        expect(await names(store)).toEqual([]);

        const file = await did(create);
        const write = file.write([Buffer.from('one')], 0);
        const cut = file.truncate(0);
        const close = file.close();
        const rename = store.rename('a', 'b');
        const remove = store.remove('b');
        expect(await did(file.size())).toBe(0);
        await did(write);
        await did(cut);
        expect(await did(file.size())).toBe(0);
        await did(write);
        expect(await contentOf(file)).toBe('one');

        expect(await names(store)).toEqual(['a']);
        await did(rename);
        expect(await names(store)).toEqual(['b']);
        await did(remove);
        await expect(did(remove)).rejects.toMatchObject({ code: 'ENOENT' });
        await did(close);
      });

      it('of the lock are cold too', async () => {
        const lock = store.lock();
        const unlock = await did(store.lock());
        const giveBack = unlock();
        await expect(did(lock)).rejects.toBeInstanceOf(WalLockedError);
        await did(giveBack);
        await did((await did(lock))());
      });

      it('emit at most once, and complete', async () => {
        const file = await makeFile(store, 'a', 'content');
        const unlock = await did(store.lock());
        const operations: Record<string, Observable<unknown>> = {
          list: store.list(),
          size: file.size(),
          read: file.read(0, 4),
          write: file.write([Buffer.from('x'), Buffer.from('y')], 0),
          writeNothing: file.write([], 0),
          sync: file.sync(),
          truncate: file.truncate(3),
          rename: store.rename('a', 'b'),
          syncDir: store.syncDir(),
          remove: store.remove('b'),
          unlock: unlock(),
          close: file.close(),
        };
        for (const [operation, source] of Object.entries(operations)) {
          const seen = await emissions<unknown>(source);
          expect([operation, seen.length <= 1]).toEqual([operation, true]);
        }
        expect(await emissions(store.open('c', 'create'))).toHaveLength(1);
        expect(await emissions(store.open('c', 'write'))).toHaveLength(1);
        expect(await emissions(store.open('c', 'read'))).toHaveLength(1);
        expect(await emissions(store.lock())).toHaveLength(1);
      });
    });

    describe('lock', () => {
      it('is refused while it is held', async () => {
        const unlock = await did(store.lock());
        const refused = did(store.lock());
        await expect(refused).rejects.toBeInstanceOf(WalLockedError);
        await expect(refused).rejects.toMatchObject({ code: 'WAL_LOCKED', dir: store.dir });
        await did(unlock());
      });

      it('is free again once it is given back, as often as that happens', async () => {
        for (let round = 0; round < 3; round += 1) {
          const unlock = await did(store.lock());
          await expect(did(store.lock())).rejects.toBeInstanceOf(WalLockedError);
          await did(unlock());
        }
      });

      it('is not lost by a refused one', async () => {
        const unlock = await did(store.lock());
        await expect(did(store.lock())).rejects.toBeInstanceOf(WalLockedError);
        await expect(did(store.lock())).rejects.toBeInstanceOf(WalLockedError);
        await did(unlock());
      });
    });

    describe('names', () => {
      it('are none in an empty directory', async () => {
        expect(await names(store)).toEqual([]);
      });

      it('are those of the files', async () => {
        for (const name of ['b', 'a', 'wal_00000000.log']) await did((await makeFile(store, name, name)).close());
        expect(await names(store)).toEqual(['a', 'b', 'wal_00000000.log']);
      });

      it('change with a rename, and the content goes along', async () => {
        await did((await makeFile(store, 'a', 'content of a')).close());
        await did(store.rename('a', 'b'));
        expect(await names(store)).toEqual(['b']);
        expect(await contentAt(store, 'b')).toBe('content of a');
      });

      it('that are taken are renamed over', async () => {
        await did((await makeFile(store, 'a', 'new')).close());
        await did((await makeFile(store, 'b', 'old and longer')).close());
        await did(store.rename('a', 'b'));
        expect(await names(store)).toEqual(['b']);
        expect(await contentAt(store, 'b')).toBe('new');
      });

      it('go with a removal', async () => {
        await did((await makeFile(store, 'a', 'a')).close());
        await did((await makeFile(store, 'b', 'b')).close());
        await did(store.remove('a'));
        expect(await names(store)).toEqual(['b']);
      });

      it('that were removed can be made again, empty', async () => {
        await did((await makeFile(store, 'a', 'before')).close());
        await did(store.remove('a'));
        const again = await did(store.open('a', 'create'));
        expect(await contentOf(again)).toBe('');
        await did(again.close());
      });

      it('know when they were last written, where the store can tell', async () => {
        if (!store.modifiedAt) return;
        const before = Date.now();
        const file = await makeFile(store, 'a', 'a');
        await did(file.close());
        await did(store.rename('a', 'b'));
        const made = await did(store.modifiedAt('b'));
        // A file system may round, and has a clock of its own that ticks every few milliseconds.
        expect(made).toBeGreaterThan(before - 1000);
        expect(made).toBeLessThan(Date.now() + 1000);
        await expect(did(store.modifiedAt('missing'))).rejects.toMatchObject({ code: 'ENOENT' });
      });

      it.each(['read', 'write'] as const)('that are not there cannot be opened to %s', async (access) => {
        await expect(did(store.open('missing', access))).rejects.toMatchObject({ code: 'ENOENT' });
        expect(await names(store)).toEqual([]);
      });

      it('that are not there cannot be renamed, and nothing else is', async () => {
        await did((await makeFile(store, 'there', 'there')).close());
        await expect(did(store.rename('missing', 'there'))).rejects.toMatchObject({ code: 'ENOENT' });
        expect(await contentAt(store, 'there')).toBe('there');
      });

      it('that are not there cannot be removed', async () => {
        await expect(did(store.remove('missing'))).rejects.toMatchObject({ code: 'ENOENT' });
      });

      it('can be made durable, also where there are none', async () => {
        await did(store.syncDir());
        await did((await makeFile(store, 'a', 'a')).close());
        await did(store.syncDir());
        expect(await names(store)).toEqual(['a']);
      });
    });

    describe('open', () => {
      it('makes a file that was not there, empty', async () => {
        const file = await did(store.open('a', 'create'));
        expect(file.name).toBe('a');
        expect(await did(file.size())).toBe(0);
        expect(await names(store)).toEqual(['a']);
        await did(file.close());
      });

      it('empties a file that was there, when it is to create it', async () => {
        await did((await makeFile(store, 'a', 'before')).close());
        const file = await did(store.open('a', 'create'));
        expect(await contentOf(file)).toBe('');
        await did(file.close());
        expect(await contentAt(store, 'a')).toBe('');
      });

      it.each(['read', 'write'] as const)('leaves a file as it is, to %s', async (access) => {
        await did((await makeFile(store, 'a', 'before')).close());
        const file = await did(store.open('a', access));
        expect(file.name).toBe('a');
        expect(await contentOf(file)).toBe('before');
        await did(file.close());
      });

      it('to write lets one read too', async () => {
        await did((await makeFile(store, 'a', 'abc')).close());
        const file = await did(store.open('a', 'write'));
        await did(file.write([Buffer.from('X')], 1));
        expect(await contentOf(file)).toBe('aXc');
        await did(file.close());
      });

      it('to read lets nobody write', async () => {
        await did((await makeFile(store, 'a', 'abc')).close());
        const file = await did(store.open('a', 'read'));
        await expect(did(file.write([Buffer.from('X')], 1))).rejects.toThrow(/EBADF|EPERM|EINVAL/);
        await expect(did(file.truncate(0))).rejects.toThrow(/EBADF|EPERM|EINVAL/);
        await did(file.close());
        expect(await contentAt(store, 'a')).toBe('abc');
      });

      it('keeps several files apart', async () => {
        const files = await Promise.all(['a', 'b', 'c'].map((name) => makeFile(store, name, `this is ${name}`)));
        const [a, b, c] = files as [SegmentFile, SegmentFile, SegmentFile];
        await did(b.write([Buffer.from('THAT')], 0));
        await did(c.close());
        await did(a.truncate(4));
        expect(await contentOf(a)).toBe('this');
        expect(await contentOf(b)).toBe('THAT is b');
        expect(await contentAt(store, 'c')).toBe('this is c');
        await did(a.close());
        await did(b.close());
      });

      it('twice shows both the same bytes at once, without an fsync', async () => {
        const writer = await makeFile(store, 'a', 'abc');
        const reader = await did(store.open('a', 'read'));
        await did(writer.write([Buffer.from('def')], 3));
        expect(await contentOf(reader)).toBe('abcdef');
        await did(writer.close());
        expect(await contentOf(reader)).toBe('abcdef');
        await did(reader.close());
      });

      it('keeps a file that is removed, or renamed over, until it is closed', async () => {
        await did((await makeFile(store, 'a', 'of a')).close());
        await did((await makeFile(store, 'b', 'of b')).close());
        const a = await did(store.open('a', 'read'));
        const b = await did(store.open('b', 'read'));
        await did(store.rename('a', 'b'));
        await did(store.remove('b'));
        expect(await contentOf(a)).toBe('of a');
        expect(await contentOf(b)).toBe('of b');
        await did(a.close());
        await did(b.close());
        expect(await names(store)).toEqual([]);
      });
    });

    describe('a file', () => {
      let file: SegmentFile;

      beforeEach(async () => {
        file = await did(store.open('file', 'create'));
      });

      afterEach(async () => {
        await did(file.close()).catch(() => undefined);
      });

      it('is written at a position, all pieces one behind the other', async () => {
        await did(file.write([Buffer.from('ab'), Buffer.from('c'), Buffer.from('def')], 0));
        await did(file.write([Buffer.from('X'), Buffer.from('YZ')], 2));
        expect(await contentOf(file)).toBe('abXYZf');
      });

      it('takes many pieces in one write', async () => {
        const pieces = Array.from({ length: 3000 }, (_, index) => Buffer.from(`${index},`));
        await did(file.write(pieces, 5));
        expect(await contentOf(file)).toBe('\0'.repeat(5) + Buffer.concat(pieces).toString());
      });

      it('takes pieces of no bytes', async () => {
        const nothing = new Uint8Array(0);
        await did(file.write([nothing, Buffer.from('a'), nothing, nothing, Buffer.from('b'), nothing], 0));
        expect(await contentOf(file)).toBe('ab');
      });

      it.each([
        ['no pieces', []],
        ['pieces of no bytes', [new Uint8Array(0), new Uint8Array(0)]],
      ])('stays as it is after a write of %s', async (_, pieces) => {
        await did(file.write([Buffer.from('abc')], 0));
        await did(file.write(pieces, 1));
        await did(file.write(pieces, 100));
        expect(await contentOf(file)).toBe('abc');
      });

      it('writes views of a larger buffer, and keeps no hold of them', async () => {
        const buffer = Buffer.from('0123456789');
        await did(file.write([buffer.subarray(2, 4), buffer.subarray(7)], 0));
        buffer.fill('x');
        expect(await contentOf(file)).toBe('23789');
      });

      it('has zeros between its end and a write past it', async () => {
        await did(file.write([Buffer.from('ab')], 0));
        await did(file.write([Buffer.from('cd')], 5));
        expect(await contentOf(file)).toBe('ab\0\0\0cd');
        expect(await did(file.size())).toBe(7);
      });

      it('is overwritten in place, without being cut', async () => {
        await did(file.write([Buffer.from('abcdef')], 0));
        await did(file.write([Buffer.from('XY')], 0));
        expect(await contentOf(file)).toBe('XYcdef');
      });

      it('grows by what a write has beyond its end', async () => {
        await did(file.write([Buffer.from('abc')], 0));
        await did(file.write([Buffer.from('XYZ')], 1));
        expect(await contentOf(file)).toBe('aXYZ');
      });

      it('reads fewer bytes only where it ends, and none past that', async () => {
        await did(file.write([Buffer.from('abcdef')], 0));
        const lengths: number[] = [];
        for (const [position, length] of [
          [0, 6],
          [0, 7],
          [2, 3],
          [4, 100],
          [6, 1],
          [1000, 10],
          [3, 0],
        ] as const) {
          lengths.push((await did(file.read(position, length))).length);
        }
        expect(lengths).toEqual([6, 6, 3, 2, 0, 0, 0]);
        expect(Buffer.from(await did(file.read(2, 3))).toString()).toBe('cde');
      });

      it('gives memory that is the caller’s', async () => {
        await did(file.write([Buffer.from('abc')], 0));
        const first = await did(file.read(0, 3));
        first.fill(0);
        expect(await contentOf(file)).toBe('abc');
        const second = await did(file.read(0, 3));
        await did(file.write([Buffer.from('xyz')], 0));
        expect(Buffer.from(second).toString()).toBe('abc');
      });

      it('is cut, and grows with zeros', async () => {
        await did(file.write([Buffer.from('abcdef')], 0));
        await did(file.truncate(3));
        expect(await contentOf(file)).toBe('abc');
        await did(file.truncate(5));
        expect(await contentOf(file)).toBe('abc\0\0');
        await did(file.truncate(5));
        expect(await did(file.size())).toBe(5);
        await did(file.truncate(0));
        expect(await contentOf(file)).toBe('');
      });

      it('shows nothing of what it had been cut from when it grows again', async () => {
        await did(file.write([Buffer.from('secret')], 0));
        await did(file.truncate(1));
        await did(file.write([Buffer.from('!')], 5));
        expect(await contentOf(file)).toBe('s\0\0\0\0!');
      });

      it('has the same content before and after an fsync', async () => {
        await did(file.write([Buffer.from('abc')], 0));
        await did(file.sync());
        expect(await contentOf(file)).toBe('abc');
        await did(file.sync());
        await did(file.write([Buffer.from('d')], 3));
        await did(file.sync());
        expect(await contentOf(file)).toBe('abcd');
      });

      it('keeps its content when it is closed without an fsync', async () => {
        await did(file.write([Buffer.from('abc')], 0));
        await did(file.close());
        expect(await contentAt(store, 'file')).toBe('abc');
      });

      it('fails at everything once it is closed', async () => {
        await did(file.write([Buffer.from('abc')], 0));
        await did(file.close());
        const codes = [];
        for (const operation of [
          file.size(),
          file.read(0, 3),
          file.write([Buffer.from('X')], 0),
          file.sync(),
          file.truncate(0),
          file.close(),
        ]) {
          codes.push(
            await did<unknown>(operation).then(
              () => 'done',
              (error: unknown) => (error as NodeJS.ErrnoException).code,
            ),
          );
        }
        expect(codes).toEqual(['EBADF', 'EBADF', 'EBADF', 'EBADF', 'EBADF', 'EBADF']);
        expect(await contentAt(store, 'file')).toBe('abc');
      });

      it('has the same content after writeDurable, where there is one, as after write and sync', async () => {
        const twoCalls = (pieces: readonly Uint8Array[], position: number): Observable<void> =>
          concat(file.write(pieces, position), file.sync());
        const writeDurable = file.writeDurable ?? twoCalls;
        const other = await did(store.open('other', 'create'));
        for (const [pieces, position] of [
          [['abc', '', 'def'], 0],
          [['XY'], 2],
          [['past', ' the end'], 10],
          [[], 100],
          [[''], 100],
          [Array.from({ length: 2500 }, String), 4],
        ] as const) {
          const bytes = pieces.map((piece) => Buffer.from(piece));
          expect((await emissions(writeDurable(bytes, position))).length).toBeLessThanOrEqual(2);
          await did(other.write(bytes, position));
          await did(other.sync());
          expect(await contentOf(file)).toBe(await contentOf(other));
        }
        await did(other.close());
      });
    });
  });
}
