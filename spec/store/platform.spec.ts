import fs, { constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { recoverWal, readWal } from 'rxwal';
import { PLATFORM, platformOf } from '../../src/store/platform';
import { moveDirectory, nodeStoreOn } from '../../src/store/nodeStore';
import { knownName, type SegmentStore } from '../../src/store/segmentStore';
import { storeContract } from './contract';

const dirs: string[] = [];

function emptyDirectory(): string {
  const dir = fs.mkdtempSync(join(tmpdir(), 'rxwal-platform-'));
  dirs.push(dir);
  return dir;
}

afterEach(() => {
  jest.restoreAllMocks();
  for (const dir of dirs.splice(0)) fs.rmSync(dir, { recursive: true, force: true });
});

const failure = (code: string): NodeJS.ErrnoException => Object.assign(new Error(`${code}: injected`), { code });

/** The calls of a kind that fail before the system is asked. */
function failFirst(method: 'rename' | 'unlink' | 'open', codes: readonly string[]): jest.SpyInstance {
  const left = [...codes];
  const real = fs[method] as (...args: unknown[]) => void;
  return jest.spyOn(fs, method).mockImplementation((...args: unknown[]) => {
    const code = left.shift();
    if (code === undefined) real(...args);
    else (args.at(-1) as (error: Error) => void)(failure(code));
  });
}

interface Opened {
  readonly path: string;
  readonly flags: number;
  readonly fd: number;
}

/** What is opened, by which flags. */
function opened(): readonly Opened[] {
  const calls: Opened[] = [];
  const real = fs.open as (
    path: string,
    flags: number,
    mode: number,
    done: (error: unknown, fd: number) => void,
  ) => void;
  jest.spyOn(fs, 'open').mockImplementation(((
    path: string,
    flags: number,
    mode: number,
    done: Parameters<typeof real>[3],
  ) => {
    real(path, flags, mode, (error, fd) => {
      calls.push({ path, flags, fd });
      done(error, fd);
    });
  }) as never);
  return calls;
}

describe.each(['linux', 'darwin', 'win32'] as const)('on %s', (name) => {
  const platform = platformOf(name);

  storeContract(`nodeStore as on ${name}`, () => nodeStoreOn(platform, emptyDirectory()));

  it('a log lives: append, rotate, checkpoint, close, open after a crash, read', async () => {
    const dir = emptyDirectory();
    const crashed = emptyDirectory();
    const open = (at: string) => lastValueFrom(recoverWal<number>(nodeStoreOn(platform, at)));
    const wal = await open(dir);
    await wal.append(1);
    await wal.rotate();
    await wal.checkpoint();
    await wal.append(2);
    for (const file of fs.readdirSync(dir)) fs.copyFileSync(join(dir, file), join(crashed, file));
    await wal.close();
    const again = await open(crashed);
    expect(again.recovery).toMatchObject({ clean: false, firstLsn: 2, lastLsn: 2 });
    await again.append(3);
    await again.close();
    const entries = await lastValueFrom(readWal<number>(nodeStoreOn(platform, crashed)).pipe(toArray()));
    expect(entries).toEqual([2, 3].map((lsn) => ({ lsn, value: lsn })));
  });

  it('syncs as the system can: by O_DSYNC or by fsync, the directory or not', async () => {
    const dir = emptyDirectory();
    const calls = opened();
    const fsync = jest.spyOn(fs, 'fsync');
    const wal = await lastValueFrom(recoverWal<number>(nodeStoreOn(platform, dir), { preallocateBytes: 0 }));
    const before = fsync.mock.calls.length;
    await wal.append(1);
    expect(fsync.mock.calls.length - before).toBe(name === 'linux' ? 0 : 1);
    await wal.close();
    expect(calls.some(({ flags }) => (flags & constants.O_DSYNC) !== 0)).toBe(name === 'linux');
    expect(calls.some(({ path }) => path === dir)).toBe(name !== 'win32');
    // Windows flushes by a handle that may write only.
    const synced = new Set(fsync.mock.calls.map(([fd]) => fd));
    const files = calls.filter(({ path, fd }) => synced.has(fd) && path !== dir);
    expect(files).not.toEqual([]);
    expect(files.filter(({ flags }) => (flags & (constants.O_RDWR | constants.O_WRONLY)) === 0)).toEqual([]);
  });
});

describe('a file that somebody else has open', () => {
  const windows = (dir = emptyDirectory()): SegmentStore => nodeStoreOn(platformOf('win32'), dir);

  it('is renamed, removed and opened on Windows when it is let go of', async () => {
    const dir = emptyDirectory();
    for (const file of ['a', 'b']) fs.writeFileSync(join(dir, file), file);
    const rename = failFirst('rename', ['EPERM', 'EBUSY']);
    await lastValueFrom(windows(dir).rename('a', 'c'));
    const unlink = failFirst('unlink', ['EACCES', 'EPERM']);
    await lastValueFrom(windows(dir).remove('b'));
    const open = failFirst('open', ['EBUSY']);
    const file = await lastValueFrom(windows(dir).open('c', 'read'));
    await lastValueFrom(file.close());
    expect([rename, unlink, open].map(({ mock }) => mock.calls.length)).toEqual([3, 3, 2]);
    expect(fs.readdirSync(dir)).toEqual(['c']);
  });

  it('is an error at once elsewhere, and on Windows where an opening is denied', async () => {
    const linux = nodeStoreOn(platformOf('linux'), emptyDirectory());
    const rename = failFirst('rename', ['EBUSY']);
    await expect(lastValueFrom(linux.rename('a', 'b'))).rejects.toMatchObject({ code: 'EBUSY' });
    const open = failFirst('open', ['EPERM']);
    await expect(lastValueFrom(windows().open('a', 'read'))).rejects.toMatchObject({ code: 'EPERM' });
    expect([rename, open].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });
});

describe('names in capitals', () => {
  it.each([
    ['WAL_00000000.LOG', 'wal_00000000.log'],
    ['Checkpoint.Meta', 'checkpoint.meta'],
    ['WAL_00000001.LOG.TMP', 'wal_00000001.log.tmp'],
    ['wal_00000000.log', 'wal_00000000.log'],
    ['NOTES.TXT', 'NOTES.TXT'],
    ['LOCK', 'LOCK'],
    ['WAL_1.LOG', 'WAL_1.LOG'],
  ])('%s is %s where case does not count', (name, known) => {
    expect(knownName(name)).toBe(known);
  });

  it('are listed as the log knows them on macOS and Windows, once, and as they are on Linux', async () => {
    const dir = emptyDirectory();
    for (const name of ['WAL_00000000.LOG', 'wal_00000001.log', 'WAL_00000001.LOG', 'Mine'])
      fs.writeFileSync(join(dir, name), '');
    const listed = async (name: NodeJS.Platform): Promise<string[]> =>
      [...(await lastValueFrom(nodeStoreOn(platformOf(name), dir).list()))].sort();
    const known = ['Mine', 'wal_00000000.log', 'wal_00000001.log'];
    await expect(listed('darwin')).resolves.toEqual(known);
    await expect(listed('win32')).resolves.toEqual(known);
    await expect(listed('linux')).resolves.toEqual(fs.readdirSync(dir).sort());
  });
});

describe('moveDirectory', () => {
  it.each(['linux', 'win32'] as const)(
    'on %s: over an empty directory, and over none, but over no other',
    async (name) => {
      const dir = emptyDirectory();
      const [from, to] = [join(dir, 'from'), join(dir, 'to')];
      for (const make of [() => undefined, () => fs.mkdirSync(to)]) {
        fs.rmSync(to, { recursive: true, force: true });
        fs.mkdirSync(from);
        fs.writeFileSync(join(from, 'file'), '');
        make();
        await lastValueFrom(moveDirectory(from, to, platformOf(name)));
        expect([fs.readdirSync(dir), fs.readdirSync(to)]).toEqual([['to'], ['file']]);
      }
      fs.mkdirSync(from);
      await expect(lastValueFrom(moveDirectory(from, to, platformOf(name)))).rejects.toMatchObject({
        code: 'ENOTEMPTY',
      });
      expect(fs.readdirSync(to)).toEqual(['file']);
    },
  );
});

it('the platform of this process is its own', () => {
  expect(PLATFORM).toEqual(platformOf(process.platform));
});
