import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Observable, concatAll, concatMap, from, lastValueFrom, map, tap, toArray } from 'rxjs';
import { WalLockedError } from '../../src/errors';
import { openWal, recoverWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { nodeStore } from '../../src/store/nodeStore';
import { LOCK_FILE, type SegmentStore } from '../../src/store/segmentStore';
import { storeContract } from './contract';
import { contentOf, did, emissions, makeFile } from './operations';

type Done<R> = (error: NodeJS.ErrnoException | null, result?: R) => void;
type Writev = (fd: number, pieces: readonly NodeJS.ArrayBufferView[], position: number, done: Done<number>) => void;
type Read = (fd: number, into: Uint8Array, at: number, length: number, position: number, done: Done<number>) => void;
type ReadSync = (fd: number, into: Uint8Array, at: number, length: number, position: number) => number;
type Open = (path: string, flags: number, mode: number, done: Done<number>) => void;

const realWritev = fs.writev as Writev;
const realRead = fs.read as Read;
const realReadSync = fs.readSync as ReadSync;
const realOpen = fs.open as Open;

function mockWritev(writev: Writev): jest.SpyInstance {
  return jest.spyOn(fs, 'writev').mockImplementation(writev as unknown as typeof fs.writev);
}

function failure(code: string, syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: a fault that the test injected, ${syscall}`), { code, syscall });
}

/** What this process has open below a directory. */
function openBelow(dir: string): string[] {
  return fs
    .readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return '';
      }
    })
    .filter((path) => path.startsWith(dir));
}

/**
 * Goes round the event loop, through the thread pool, until a condition has held for a while: what is on its way may still
 * change it. At most so often that a broken one ends.
 */
async function eventually(condition: () => boolean): Promise<void> {
  for (let round = 0, held = 0; round < 500 && held < 20; round += 1) {
    await fs.promises.stat('/');
    held = condition() ? held + 1 : 0;
  }
}

const dirs: string[] = [];

function emptyDirectory(): string {
  const dir = fs.mkdtempSync(join(tmpdir(), 'rxwal-store-'));
  dirs.push(dir);
  return dir;
}

afterEach(() => {
  jest.restoreAllMocks();
  for (const dir of dirs.splice(0)) fs.rmSync(dir, { recursive: true, force: true });
});

storeContract('nodeStore', () => nodeStore(emptyDirectory()));

describe('nodeStore', () => {
  let dir: string;
  let store: SegmentStore;

  beforeEach(() => {
    dir = emptyDirectory();
    store = nodeStore(dir);
  });

  describe('the directory', () => {
    const mode = (path: string): string => (fs.statSync(path).mode & 0o777).toString(8);

    it('is made with those above it, for the owner alone, when the lock is taken', async () => {
      const nested = nodeStore(join(dir, 'a', 'b', 'c'));
      const unlock = await did(nested.lock());
      const file = await makeFile(nested, 'file', 'content');
      expect(['a', 'a/b', 'a/b/c'].map((path) => mode(join(dir, path)))).toEqual(['700', '700', '700']);
      expect(['file', LOCK_FILE].map((name) => mode(join(nested.dir, name)))).toEqual(['600', '600']);
      await did(file.close());
      await did(unlock());
    });

    it('and its files have the modes that were asked for, less the umask', async () => {
      const nested = nodeStore(join(dir, 'a', 'b'), { fileMode: 0o664, directoryMode: 0o775 });
      const umask = process.umask(0o002);
      try {
        const unlock = await did(nested.lock());
        const file = await makeFile(nested, 'file', 'content');
        expect(['a', 'a/b'].map((path) => mode(join(dir, path)))).toEqual(['775', '775']);
        expect(['file', LOCK_FILE].map((name) => mode(join(nested.dir, name)))).toEqual(['664', '664']);
        await did(file.close());
        await did(unlock());
      } finally {
        process.umask(umask);
      }
    });

    it.each([
      [{ fileMode: 0o1000 }, new RangeError('fileMode must be an integer from 0 to 0o777, not 512')],
      [{ directoryMode: -1 }, new RangeError('directoryMode must be an integer from 0 to 0o777, not -1')],
      [{ fileMode: '600' as unknown as number }, new TypeError('fileMode must be a number, not 600')],
    ])('has no mode %j', (options, error) => {
      expect(() => nodeStore(dir, options)).toThrow(error);
    });

    it.each(['read', 'write', 'create'] as const)('does not follow a symbolic link to %s', async (access) => {
      const target = join(emptyDirectory(), 'target');
      fs.writeFileSync(target, 'not ours');
      for (const name of ['wal_00000000.log', 'checkpoint.meta.tmp']) {
        fs.symlinkSync(target, join(dir, name));
        await expect(did(store.open(name, access))).rejects.toMatchObject({ code: 'ELOOP' });
      }
      expect(fs.readFileSync(target, 'latin1')).toBe('not ours');
      expect(openBelow(dir)).toEqual([]);
    });

    it('does not lock what a symbolic link leads to', async () => {
      const target = join(emptyDirectory(), 'target');
      fs.writeFileSync(target, 'not ours');
      fs.symlinkSync(target, join(dir, LOCK_FILE));
      await expect(did(store.lock())).rejects.toMatchObject({ code: 'ELOOP' });
      expect(fs.readFileSync(target, 'latin1')).toBe('not ours');
    });

    it('keeps its mode where it is there', async () => {
      fs.chmodSync(dir, 0o755);
      await did((await did(store.lock()))());
      expect(mode(dir)).toBe('755');
    });

    it('is made before its lock is taken, and its name and those above it are made durable', async () => {
      const paths = new Map<number, string>();
      const synced: string[] = [];
      jest.spyOn(fs, 'open').mockImplementation(((
        path: string,
        flags: number,
        fileMode: number,
        done: Done<number>,
      ) => {
        realOpen(path, flags, fileMode, (error, fd) => {
          paths.set(fd!, path);
          done(error, fd);
        });
      }) as typeof fs.open);
      const realFsync = fs.fsync;
      jest.spyOn(fs, 'fsync').mockImplementation((fd, done) => {
        synced.push(paths.get(fd)!);
        realFsync(fd, done);
      });
      const nested = nodeStore(join(dir, 'a', 'b'));
      const unlock = await did(nested.lock());
      expect(synced.sort()).toEqual([dir, join(dir, 'a')]);
      await did(unlock());
    });

    it('may be relative, and is then the one it was when the store was made', async () => {
      const path = join(relative(process.cwd(), dir), 'log');
      const relativeStore = nodeStore(path);
      expect(relativeStore.dir).toBe(join(dir, 'log'));
      await did((await did(relativeStore.lock()))());
      await did((await makeFile(relativeStore, 'a', 'abc')).close());
      expect(fs.readFileSync(join(dir, 'log', 'a'), 'latin1')).toBe('abc');
    });

    it('that cannot be made is the system’s own error', async () => {
      fs.writeFileSync(join(dir, 'file'), '');
      await expect(did(nodeStore(join(dir, 'file', 'log')).lock())).rejects.toMatchObject({ code: 'ENOTDIR' });
      expect(openBelow(dir)).toEqual([]);
    });

    it('that is not there is no empty list', async () => {
      await expect(did(nodeStore(join(dir, 'missing')).list())).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(did(nodeStore(join(dir, 'missing')).syncDir())).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('lists what is there, the log’s or not', async () => {
      fs.writeFileSync(join(dir, 'wal_00000000.log'), '');
      fs.writeFileSync(join(dir, 'notes.txt'), '');
      fs.mkdirSync(join(dir, 'wal_1.log'));
      fs.symlinkSync('notes.txt', join(dir, 'link'));
      expect([...(await did(store.list()))].sort()).toEqual(['link', 'notes.txt', 'wal_00000000.log', 'wal_1.log']);
    });

    it.each([
      ['a symbolic link', 'ELOOP', (path: string) => fs.symlinkSync('notes.txt', path)],
      ['a dangling link', 'ELOOP', (path: string) => fs.symlinkSync('nowhere', path)],
      ['a directory', 'EISDIR', (path: string) => fs.mkdirSync(path)],
      ['a pipe', 'EINVAL', (path: string) => execFileSync('mkfifo', [path])],
    ])('opens no file of the log that is %s', async (_what, code, make) => {
      for (const access of ['read', 'write', 'create'] as const) {
        const name = `wal_0000000${access.length}.log`;
        make(join(dir, name));
        await expect(did(store.open(name, access))).rejects.toMatchObject({ code });
        expect([...(await did(store.list()))]).toContain(name);
      }
      make(join(dir, LOCK_FILE));
      await expect(did(store.lock())).rejects.toMatchObject({ code });
      expect(openBelow(dir)).toEqual([]);
    });

    it('lists no leftover that is something else', async () => {
      fs.symlinkSync('notes.txt', join(dir, 'wal_00000000.log.tmp'));
      fs.mkdirSync(join(dir, 'checkpoint.meta.tmp'));
      fs.writeFileSync(join(dir, 'wal_00000001.log.tmp'), '');
      expect(await did(store.list())).toEqual(['wal_00000001.log.tmp']);
    });

    it('whose fsync fails says so, and is closed', async () => {
      jest.spyOn(fs, 'fsync').mockImplementation((_fd, done) => {
        process.nextTick(done, failure('EIO', 'fsync'));
      });
      await expect(did(store.syncDir())).rejects.toMatchObject({ code: 'EIO' });
      expect(openBelow(dir)).toEqual([]);
    });
  });

  describe('the lock', () => {
    it('is one for all stores of a directory, and the refusal names the holder', async () => {
      const before = new Date().toISOString();
      const unlock = await did(store.lock());
      const refused = did(nodeStore(dir).lock());
      await expect(refused).rejects.toBeInstanceOf(WalLockedError);
      await expect(refused).rejects.toMatchObject({
        code: 'WAL_LOCKED',
        dir,
        holder: { pid: process.pid, host: hostname() },
        message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
      });
      const { holder } = (await refused.catch((error: unknown) => error)) as WalLockedError;
      expect(holder!.since >= before && holder!.since <= new Date().toISOString()).toBe(true);
      await did(unlock());
      await did((await did(nodeStore(dir).lock()))());
    });

    it('is held also where its file cannot be read', async () => {
      const unlock = await did(store.lock());
      for (const text of ['', '{', 'null', '[]', '"text"', '{"pid":"1"}', '{"pid":1,"host":2}']) {
        fs.writeFileSync(join(dir, LOCK_FILE), text);
        await expect(did(nodeStore(dir).lock())).rejects.toMatchObject({ code: 'WAL_LOCKED', holder: undefined });
      }
      await did(unlock());
    });

    it('is not held by a file that a dead process left', async () => {
      fs.writeFileSync(join(dir, LOCK_FILE), JSON.stringify({ pid: 1, host: hostname(), since: 'x'.repeat(2000) }));
      const unlock = await did(store.lock());
      const told = JSON.parse(fs.readFileSync(join(dir, LOCK_FILE), 'utf8')) as unknown;
      expect(told).toMatchObject({ pid: process.pid });
      await did(unlock());
    });

    it('leaves nothing open: neither given back nor refused', async () => {
      const unlock = await did(store.lock());
      await expect(did(nodeStore(dir).lock())).rejects.toBeInstanceOf(WalLockedError);
      expect(openBelow(dir)).toEqual([join(dir, LOCK_FILE)]);
      await did(unlock());
      expect(openBelow(dir)).toEqual([]);
    });

    it.each(['EIO', 'ENOSPC'])('is taken also where nobody can be told who holds it: %s', async (code) => {
      mockWritev((_fd, _pieces, _position, done) => {
        process.nextTick(done, failure(code, 'write'));
      });
      const unlock = await did(store.lock());
      await expect(did(nodeStore(dir).lock())).rejects.toMatchObject({ code: 'WAL_LOCKED', holder: undefined });
      await did(unlock());
      expect(openBelow(dir)).toEqual([]);
    });

    it('that the system refuses to try is the system’s own error, and leaves nothing open', async () => {
      fs.mkdirSync(join(dir, LOCK_FILE));
      await expect(did(store.lock())).rejects.toMatchObject({ code: 'EISDIR' });
      expect(openBelow(dir)).toEqual([]);
    });

    it.each(['open', 'ftruncate', 'writev'] as const)(
      'that nobody waits for any more is given back, when that is found out at %s',
      async (at) => {
        const real = fs[at] as (...args: unknown[]) => void;
        const subscription = { unsubscribe: (): void => undefined };
        const asked = jest.spyOn(fs, at).mockImplementation((...args: unknown[]) => {
          subscription.unsubscribe();
          real(...args);
        });
        const emitted = jest.fn();
        const running = store.lock().subscribe(emitted);
        subscription.unsubscribe = () => {
          running.unsubscribe();
        };
        await eventually(() => asked.mock.calls.length > 0);
        await eventually(() => openBelow(dir).length === 0);
        expect(emitted).not.toHaveBeenCalled();
        expect(openBelow(dir)).toEqual([]);
        jest.restoreAllMocks();
        await did((await did(nodeStore(dir).lock()))());
      },
    );
  });

  describe('a write', () => {
    it('of more pieces than one call takes is whole', async () => {
      const calls = jest.spyOn(fs, 'writev');
      const pieces = Array.from({ length: 2 * 1024 + 100 }, (_, index) => Buffer.from(`${index},`));
      const file = await did(store.open('a', 'create'));
      await did(file.write(pieces, 3));
      expect(calls.mock.calls.map(([, list]) => list.length)).toEqual([1024, 1024, 100]);
      await did(file.close());
      expect(fs.readFileSync(join(dir, 'a')).equals(Buffer.concat([Buffer.alloc(3), ...pieces]))).toBe(true);
    });

    it('of nothing asks nothing of the system', async () => {
      const file = await did(store.open('a', 'create'));
      const calls = jest.spyOn(fs, 'writev');
      await did(file.write([], 0));
      await did(file.write([new Uint8Array(0), new Uint8Array(0)], 7));
      expect(calls).not.toHaveBeenCalled();
      await did(file.close());
    });

    it('sends no piece without bytes to the system', async () => {
      const file = await did(store.open('a', 'create'));
      const calls = jest.spyOn(fs, 'writev');
      const nothing = new Uint8Array(0);
      await did(file.write([nothing, Buffer.from('a'), nothing, Buffer.from('b')], 0));
      expect(calls.mock.calls.map(([, list]) => list.length)).toEqual([2]);
      await did(file.close());
      expect(fs.readFileSync(join(dir, 'a'), 'latin1')).toBe('ab');
    });

    it.each([1, 2, 3, 5, 7, 1000])('that the system takes %i bytes at a time goes on behind them', async (most) => {
      const file = await did(store.open('a', 'create'));
      const calls = mockWritev((fd, pieces, position, done) => {
        const some = Buffer.concat(pieces as Uint8Array[]).subarray(0, most);
        realWritev(fd, [some], position, done);
      });
      await did(file.write(['ab', 'c', 'defg', 'h', 'ijklmnop'].map(Buffer.from as (text: string) => Buffer), 4));
      expect(calls).toHaveBeenCalledTimes(Math.ceil(16 / most));
      await did(file.close());
      expect(fs.readFileSync(join(dir, 'a'), 'latin1')).toBe('\0\0\0\0abcdefghijklmnop');
    });

    it.each(['write', 'writeDurable'] as const)(
      'that comes back short on a full disk fails with ENOSPC, and is no success (libuv#2699): %s',
      async (method) => {
        const file = await did(store.open('a', 'create'));
        let left = 5;
        mockWritev((fd, pieces, position, done) => {
          if (left === 0) {
            process.nextTick(done, failure('ENOSPC', 'write'));
            return;
          }
          const some = Buffer.concat(pieces as Uint8Array[]).subarray(0, left);
          left -= some.length;
          realWritev(fd, [some], position, done);
        });
        const write = file[method]!([Buffer.from('abc'), Buffer.from('defgh')], 0);
        await expect(did(write)).rejects.toMatchObject({ code: 'ENOSPC', syscall: 'write' });
        await did(file.close());
      },
    );

    it('that the system takes no byte of is an error, not an endless loop', async () => {
      const file = await did(store.open('a', 'create'));
      mockWritev((_fd, _pieces, _position, done) => {
        process.nextTick(done, null, 0);
      });
      await expect(did(file.write([Buffer.from('abc')], 0))).rejects.toMatchObject({ code: 'EIO' });
      await did(file.close());
    });

    it.each(['EIO', 'EDQUOT', 'EFBIG'])('fails with the system’s own %s, and is not tried again', async (code) => {
      const file = await did(store.open('a', 'create'));
      const error = failure(code, 'write');
      const calls = mockWritev((_fd, _pieces, _position, done) => {
        process.nextTick(done, error);
      });
      await expect(did(file.write([Buffer.from('abc')], 0))).rejects.toBe(error);
      expect(calls).toHaveBeenCalledTimes(1);
      await did(file.close());
    });

    it('does not change the list of pieces it was given', async () => {
      const file = await did(store.open('a', 'create'));
      const pieces = ['ab', '', 'cd'].map((text) => Buffer.from(text));
      const given = [...pieces];
      mockWritev((fd, list, position, done) => {
        realWritev(fd, [(list[0] as Buffer).subarray(0, 1)], position, done);
      });
      await did(file.write(pieces, 0));
      expect(pieces).toEqual(given);
      expect(await contentOf(file)).toBe('abcd');
      await did(file.close());
    });

    it('that is durable goes to a descriptor of its own, which makes it so', async () => {
      const flags = new Map<number, number>();
      jest.spyOn(fs, 'open').mockImplementation(((path: string, how: number, fileMode: number, done: Done<number>) => {
        realOpen(path, how, fileMode, (error, fd) => {
          flags.set(fd!, how);
          done(error, fd);
        });
      }) as typeof fs.open);
      const calls = jest.spyOn(fs, 'writev');
      const file = await did(store.open('a', 'create'));
      await did(file.writeDurable!([Buffer.from('durable')], 0));
      await did(file.write([Buffer.from('not')], 7));
      const used = calls.mock.calls.map(([fd]) => (flags.get(fd)! & fs.constants.O_DSYNC) === fs.constants.O_DSYNC);
      expect(used).toEqual([true, false]);
      expect(await contentOf(file)).toBe('durablenot');
      await did(file.close());
    });
  });

  describe('a read', () => {
    it('that comes back short goes on, and ends only where a read finds nothing', async () => {
      const file = await makeFile(store, 'a', 'abcdefghij');
      const calls = jest.spyOn(fs, 'read').mockImplementation(((fd, into, at, length, position, done) => {
        realRead(fd, into, at, Math.min(length, 3), position, done);
      }) as Read as unknown as typeof fs.read);
      expect(Buffer.from(await did(file.read(1, 8))).toString()).toBe('bcdefghi');
      expect(calls).toHaveBeenCalledTimes(3);
      expect(Buffer.from(await did(file.read(7, 8))).toString()).toBe('hij');
      expect(calls).toHaveBeenCalledTimes(5);
      await did(file.close());
    });

    it.each([0, 1, 2])('that fails after %i good ones is an error, and not the end of the file', async (good) => {
      const file = await makeFile(store, 'a', 'abcdefghij');
      const error = failure('EIO', 'read');
      let left = good;
      jest.spyOn(fs, 'read').mockImplementation(((fd, into, at, length, position, done) => {
        left -= 1;
        if (left < 0) process.nextTick(done, error);
        else realRead(fd, into, at, Math.min(length, 3), position, done);
      }) as Read as unknown as typeof fs.read);
      await expect(did(file.read(0, 10))).rejects.toBe(error);
      jest.restoreAllMocks();
      await did(file.close());
    });

    it('of a size that cannot be told is an error', async () => {
      const file = await makeFile(store, 'a', 'abc');
      jest.spyOn(fs, 'fstat').mockImplementation(((_fd: number, done: Done<never>) => {
        process.nextTick(done, failure('EIO', 'fstat'));
      }) as unknown as typeof fs.fstat);
      await expect(did(file.size())).rejects.toMatchObject({ code: 'EIO' });
      await did(file.close());
    });
  });

  describe.each(['memory', 'disk'] as const)('the beginnings of many files, which come from the %s', (from) => {
    const names = Array.from({ length: 100 }, (_, index) => `file-${index}`);
    const starts = (of: readonly string[]): Observable<string> =>
      store.readStarts!(of, 4).pipe(
        concatAll(),
        map((start) => Buffer.from(start).toString()),
      );

    beforeEach(() => {
      for (const [index, name] of names.entries()) fs.writeFileSync(join(dir, name), `${index}: content`);
      // A disk takes longer for a file than the caller may wait.
      let ms = 0;
      jest.spyOn(performance, 'now').mockImplementation(() => (ms += from === 'disk' ? 2 : 0.1));
    });

    it('come in the order of the names, and are as long as the files have it', async () => {
      const pool = jest.spyOn(fs, 'open');
      fs.writeFileSync(join(dir, 'file-1'), 'ab');
      fs.writeFileSync(join(dir, 'file-2'), '');
      await expect(emissions(starts(names))).resolves.toEqual(
        names.map((_, index) => ['0: c', 'ab', ''][index] ?? `${index}: content`.slice(0, 4)),
      );
      expect(pool).toHaveBeenCalledTimes(from === 'disk' ? 100 : 0);
      expect(openBelow(dir)).toEqual([]);
    });

    it('of no files are none', async () => {
      await expect(emissions(starts([]))).resolves.toEqual([]);
    });

    it('are cold: each subscription reads again', async () => {
      const starts$ = starts(['file-0']);
      fs.writeFileSync(join(dir, 'file-0'), 'abcd');
      await expect(emissions(starts$)).resolves.toEqual(['abcd']);
      fs.writeFileSync(join(dir, 'file-0'), 'efgh');
      await expect(emissions(starts$)).resolves.toEqual(['efgh']);
    });

    it('that come back short are read on', async () => {
      jest.spyOn(fs, 'read').mockImplementation(((fd, into, at, length, position, done) => {
        realRead(fd, into, at, Math.min(length, 3), position, done);
      }) as Read as unknown as typeof fs.read);
      jest
        .spyOn(fs, 'readSync')
        .mockImplementation(((fd, into, at, length, position) =>
          realReadSync(fd, into, at, Math.min(length, 3), position)) as ReadSync as unknown as typeof fs.readSync);
      await expect(emissions(starts(['file-10', 'file-11']))).resolves.toEqual(['10: ', '11: ']);
    });

    it.each([
      ['a symbolic link', 'ELOOP', (path: string) => fs.symlinkSync(join(dir, 'file-0'), path)],
      ['a directory', 'EISDIR', (path: string) => fs.mkdirSync(path)],
      ['a pipe', 'EINVAL', (path: string) => execFileSync('mkfifo', [path])],
      ['nothing', 'ENOENT', () => undefined],
    ])('are not read from %s: those before it, and %s', async (_, code, make) => {
      fs.unlinkSync(join(dir, 'file-50'));
      make(join(dir, 'file-50'));
      const seen: string[] = [];
      await expect(did(starts(names).pipe(tap((start) => seen.push(start))))).rejects.toMatchObject({ code });
      expect(openBelow(dir)).toEqual([]);
      expect(seen).toEqual(names.slice(0, 50).map((__, index) => `${index}: content`.slice(0, 4)));
    });

    it.each([
      ['open', 'EMFILE'],
      ['fstat', 'EIO'],
      ['read', 'EIO'],
    ] as const)('whose %s fails are an error, and nothing is tried again', async (call, code) => {
      const error = failure(code, call);
      const failed = jest.fn();
      jest.spyOn(fs, call).mockImplementation((...args: readonly unknown[]) => {
        failed();
        process.nextTick(args.at(-1) as Done<never>, error);
      });
      jest.spyOn(fs, `${call}Sync`).mockImplementation(() => {
        failed();
        throw error;
      });
      await expect(did(starts(['file-0']))).rejects.toBe(error);
      jest.restoreAllMocks();
      expect(failed).toHaveBeenCalledTimes(1);
      expect(openBelow(dir)).toEqual([]);
    });

    it('are read, whatever a close says', async () => {
      const [close, closeSync] = [fs.close, fs.closeSync];
      jest.spyOn(fs, 'close').mockImplementation(((fd: number, done: Done<never>) => {
        close(fd, () => {
          done(failure('EIO', 'close'));
        });
      }) as typeof fs.close);
      jest.spyOn(fs, 'closeSync').mockImplementation((fd) => {
        closeSync(fd);
        throw failure('EIO', 'close');
      });
      await expect(emissions(starts(['file-0', 'file-1']))).resolves.toEqual(['0: c', '1: c']);
    });

    it('are read no further when nobody waits for them', async () => {
      const read = [jest.spyOn(fs, 'open'), jest.spyOn(fs, 'openSync')];
      const opens = (): number => read.reduce((sum, { mock }) => sum + mock.calls.length, 0);
      const emitted = jest.fn();
      starts(names).subscribe(emitted).unsubscribe();
      const [begun, given] = [opens(), emitted.mock.calls.length];
      await eventually(() => openBelow(dir).length === 0);
      expect(emitted).toHaveBeenCalledTimes(given);
      expect(opens()).toBe(begun);
      expect(begun).toBeLessThanOrEqual(32);
    });
  });

  describe('the beginnings of many files', () => {
    beforeEach(() => {
      for (let index = 0; index < 100; index += 1) fs.writeFileSync(join(dir, String(index)), 'abcd');
    });
    const names = Array.from({ length: 100 }, (_, index) => String(index));

    it('are left to the pool when a file has kept the caller waiting', async () => {
      const openSync = fs.openSync;
      const waited = jest.spyOn(fs, 'openSync').mockImplementation((...args) => {
        const until = performance.now() + 2;
        while (performance.now() < until);
        return openSync(...args);
      });
      const pool = jest.spyOn(fs, 'open');
      await expect(emissions(store.readStarts!(names, 4).pipe(concatAll()))).resolves.toHaveLength(100);
      expect([waited.mock.calls.length, pool.mock.calls.length]).toEqual([1, 99]);
    });

    it('leave the event loop its turns', async () => {
      let ms = 0;
      jest.spyOn(performance, 'now').mockImplementation(() => (ms += 0.1));
      let turns = 0;
      const count = (): void => {
        turns += 1;
        counting = setImmediate(count);
      };
      let counting = setImmediate(count);
      const runs = await emissions(store.readStarts!(names, 4));
      clearImmediate(counting);
      expect(runs.length).toBeGreaterThanOrEqual(10);
      expect(turns).toBeGreaterThanOrEqual(runs.length - 1);
    });

    it('fail with the first by name, whichever fails first', async () => {
      jest
        .spyOn(performance, 'now')
        .mockImplementationOnce(() => 0)
        .mockImplementationOnce(() => 2);
      let late = (): void => undefined;
      jest.spyOn(fs, 'open').mockImplementation(((path: string, flags: number, mode: number, done: Done<number>) => {
        if (path.endsWith('/5')) {
          late = () => {
            done(failure('EIO', 'open'));
          };
        } else if (path.endsWith('/7')) {
          process.nextTick(() => {
            done(failure('EMFILE', 'open'));
            setImmediate(late);
          });
        } else {
          realOpen(path, flags, mode, done);
        }
      }) as typeof fs.open);
      const seen: Uint8Array[] = [];
      await expect(did(store.readStarts!(names, 4).pipe(tap((run) => seen.push(...run))))).rejects.toMatchObject({
        code: 'EIO',
      });
      expect(seen).toHaveLength(5);
      expect(openBelow(dir)).toEqual([]);
    });
  });

  describe('an open', () => {
    it.each(['read', 'write', 'create'] as const)(
      'that nobody waits for any more closes what it opened: to %s',
      async (access) => {
        await did((await makeFile(store, 'a', 'abc')).close());
        const opened = jest.fn();
        const closed = jest.spyOn(fs, 'close');
        store.open('a', access).subscribe(opened).unsubscribe();
        await eventually(() => closed.mock.calls.length > 0);
        await eventually(() => openBelow(dir).length === 0);
        expect(opened).not.toHaveBeenCalled();
        expect(openBelow(dir)).toEqual([]);
      },
    );

    it.each(['write', 'create'] as const)(
      'that is given up between its two descriptors closes both: to %s',
      async (access) => {
        await did((await makeFile(store, 'a', 'abc')).close());
        const subscription = { unsubscribe: (): void => undefined };
        let opens = 0;
        jest.spyOn(fs, 'open').mockImplementation(((path: string, flags: number, mode: number, done: Done<number>) => {
          opens += 1;
          if (opens === 2) subscription.unsubscribe();
          realOpen(path, flags, mode, done);
        }) as typeof fs.open);
        const opened = jest.fn();
        const running = store.open('a', access).subscribe(opened);
        subscription.unsubscribe = () => {
          running.unsubscribe();
        };
        await eventually(() => opens === 2);
        await eventually(() => openBelow(dir).length === 0);
        expect(opened).not.toHaveBeenCalled();
        expect(openBelow(dir)).toEqual([]);
      },
    );

    it('whose second descriptor cannot be had closes the first, and fails', async () => {
      let opens = 0;
      jest.spyOn(fs, 'open').mockImplementation(((path: string, flags: number, mode: number, done: Done<number>) => {
        opens += 1;
        if (opens === 2) process.nextTick(done, failure('EMFILE', 'open'));
        else realOpen(path, flags, mode, done);
      }) as typeof fs.open);
      await expect(did(store.open('a', 'create'))).rejects.toMatchObject({ code: 'EMFILE' });
      expect(openBelow(dir)).toEqual([]);
    });

    it('of a log that is given up gives its lock back', async () => {
      const subscription = { unsubscribe: (): void => undefined };
      const asked = jest.spyOn(fs, 'readdir').mockImplementation(((path: string, done: Done<string[]>) => {
        subscription.unsubscribe();
        done(null, fs.readdirSync(path));
      }) as typeof fs.readdir);
      const opened = jest.fn();
      const running = recoverWal(store).subscribe(opened);
      subscription.unsubscribe = () => {
        running.unsubscribe();
      };
      await eventually(() => asked.mock.calls.length > 0);
      await eventually(() => openBelow(dir).length === 0);
      expect(opened).not.toHaveBeenCalled();
      expect(openBelow(dir)).toEqual([]);
      await did((await did(nodeStore(dir).lock()))());
    });
  });

  it('has nothing open after a whole life of a log: open, append, rotate, checkpoint, read, close', async () => {
    const options = { codec: rawCodec(), maxSegmentBytes: 4096, preallocateBytes: 1024 };
    for (let round = 0; round < 3; round += 1) {
      const wal = await openWal(dir, options);
      const values = from(Array.from({ length: 100 }, (_, index) => Buffer.alloc(100, index)));
      await lastValueFrom(values.pipe(concatMap((value) => wal.append(value))));
      expect((await wal.logFiles()).length).toBeGreaterThan(2);
      expect(await lastValueFrom(wal.read({ after: wal.lastLsn - 100 }).pipe(toArray()))).toHaveLength(100);
      await wal.rotate();
      await wal.checkpoint({ lsn: wal.lastLsn - 10 });
      await new Promise<void>((resolve) => {
        // A reader that leaves in the middle.
        const reading = wal.read().subscribe(() => {
          reading.unsubscribe();
          resolve();
        });
      });
      await wal.close();
      await eventually(() => openBelow(dir).length === 0);
      expect(openBelow(dir)).toEqual([]);
    }
  });

  it('closes both descriptors of a file also where closing the first fails', async () => {
    const file = await did(store.open('a', 'create'));
    const realClose = fs.close;
    let closes = 0;
    jest.spyOn(fs, 'close').mockImplementation((fd, done) => {
      closes += 1;
      const report = closes === 1 ? () => done?.(failure('EIO', 'close')) : done;
      // Linux gives the descriptor back whatever close says.
      realClose(fd, report);
    });
    await expect(did(file.close())).rejects.toMatchObject({ code: 'EIO' });
    await eventually(() => openBelow(dir).length === 0);
    expect(openBelow(dir)).toEqual([]);
  });

  it('is cold down to the system: an Observable that is made asks nothing', async () => {
    const file = await makeFile(store, 'a', 'abc');
    const calls = (['open', 'close', 'writev', 'read', 'fstat', 'fsync', 'ftruncate', 'rename', 'unlink'] as const).map(
      (name) => jest.spyOn(fs, name),
    );
    const made = [
      store.lock(),
      store.list(),
      store.open('a', 'read'),
      store.open('a', 'write'),
      store.rename('a', 'b'),
      store.remove('a'),
      store.syncDir(),
      file.size(),
      file.read(0, 1),
      file.write([Buffer.from('X')], 0),
      file.writeDurable!([Buffer.from('X')], 0),
      file.sync(),
      file.truncate(0),
      file.close(),
    ];
    await new Promise(setImmediate);
    expect(made.every((operation) => operation instanceof Observable)).toBe(true);
    expect(calls.flatMap(({ mock }) => mock.calls)).toEqual([]);
    jest.restoreAllMocks();
    await did(file.close());
  });
});
