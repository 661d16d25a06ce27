import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Observable, catchError, concat, concatMap, defer, ignoreElements, map, of, throwError } from 'rxjs';
import { WalLockedError, type LockHolder } from '../errors';
import { toTheEnd } from '../toTheEnd';
import { tryLockDescriptor, unlockDescriptor } from './lock';
import { LOCK_FILE, type SegmentAccess, type SegmentFile, type SegmentStore, type Unlock } from './segmentStore';

/** Files are the owner's alone; so is the directory. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** POSIX allows at least 16 pieces a `pwritev`, Linux 1,024 (`IOV_MAX`). */
const MAX_PIECES = 1024;

/**
 * The flag that makes each write durable before it returns: one trip through the thread pool where `write` and `fdatasync` take
 * two. Not on macOS, where it stops at the drive's cache and libuv's fsync (`F_FULLFSYNC`) does not; Windows has none.
 */
const O_DSYNC: number | undefined = process.platform === 'darwin' ? undefined : fs.constants.O_DSYNC;

/** A directory cannot be opened, and so not fsync'd, on Windows; NTFS journals its names. */
const CAN_SYNC_DIRECTORY = process.platform !== 'win32';

type Callback<R> = (error: NodeJS.ErrnoException | null, result: R) => void;

/**
 * A `node:fs` call as a cold Observable. `bindNodeCallback` would do but for its AsyncSubject: a third of a microsecond a call,
 * and it shares the first result with every later subscriber.
 */
function call<R = void>(start: (done: Callback<R>) => void): Observable<R> {
  return new Observable<R>((subscriber) => {
    start((error, result) => {
      if (error) {
        subscriber.error(error);
      } else {
        subscriber.next(result);
        subscriber.complete();
      }
    });
  });
}

/**
 * A directory of the real disk, through `node:fs`.
 *
 * @param dir made where it is not there, with mode 0700; files get mode 0600.
 */
export function nodeStore(dir: string): SegmentStore {
  return new NodeStore(resolve(dir));
}

class NodeStore implements SegmentStore {
  constructor(readonly dir: string) {}

  lock(): Observable<Unlock> {
    return concat(this.#makeDirectory().pipe(ignoreElements()), this.#takeLock()).pipe(toTheEnd((unlock) => unlock()));
  }

  list(): Observable<readonly string[]> {
    return call<string[]>((done) => {
      fs.readdir(this.dir, done);
    });
  }

  open(name: string, access: SegmentAccess): Observable<SegmentFile> {
    const path = join(this.dir, name);
    if (access === 'read') return openFile(path, fs.constants.O_RDONLY).pipe(map((fd) => new NodeFile(name, fd)));
    const create = access === 'create' ? fs.constants.O_CREAT | fs.constants.O_TRUNC : 0;
    return openFile(path, fs.constants.O_RDWR | create).pipe(
      concatMap((fd) => {
        if (O_DSYNC === undefined) return of(new NodeFile(name, fd));
        return openFile(path, fs.constants.O_WRONLY | O_DSYNC).pipe(
          map((durableFd) => new DurableNodeFile(name, fd, durableFd)),
          catchError((error: unknown) => closeThenFail(fd, error)),
        );
      }),
      toTheEnd((file) => file.close()),
    );
  }

  rename(from: string, to: string): Observable<void> {
    return call((done) => {
      fs.rename(join(this.dir, from), join(this.dir, to), done);
    });
  }

  remove(name: string): Observable<void> {
    return call((done) => {
      fs.unlink(join(this.dir, name), done);
    });
  }

  syncDir(): Observable<void> {
    return syncDirectory(this.dir);
  }

  /** The names of a new directory, and of those above it that had to be made, are durable before anything is in it. */
  #makeDirectory(): Observable<void> {
    return call<string | undefined>((done) => {
      fs.mkdir(this.dir, { recursive: true, mode: DIRECTORY_MODE }, done);
    }).pipe(
      concatMap((first) => {
        if (first === undefined) return of(undefined);
        const parents: string[] = [];
        for (let at = this.dir; at.length >= first.length; at = dirname(at)) parents.push(dirname(at));
        return concat(...parents.map(syncDirectory));
      }),
    );
  }

  /** The lock is on the file's descriptor; what is written into it only tells others who holds it. */
  #takeLock(): Observable<Unlock> {
    const path = join(this.dir, LOCK_FILE);
    return openFile(path, fs.constants.O_RDWR | fs.constants.O_CREAT).pipe(
      concatMap((fd) => {
        let locked: boolean;
        try {
          locked = tryLockDescriptor(fd);
        } catch (error) {
          return closeThenFail(fd, error);
        }
        if (!locked) {
          return readHolder(fd).pipe(concatMap((holder) => closeThenFail(fd, new WalLockedError(this.dir, holder))));
        }
        const holder: LockHolder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
        const text = Buffer.from(`${JSON.stringify(holder)}\n`);
        const unlock: Unlock = () =>
          defer(() => {
            unlockDescriptor(fd);
            return closeDescriptor(fd);
          });
        return concat(truncateDescriptor(fd, 0), writeAll(fd, [text], 0)).pipe(
          ignoreElements(),
          (told) => concat(told, of(unlock)),
          catchError((error: unknown) => closeThenFail(fd, error)),
        );
      }),
    );
  }
}

class NodeFile implements SegmentFile {
  constructor(
    readonly name: string,
    protected readonly fd: number,
  ) {}

  size(): Observable<number> {
    return call<fs.Stats>((done) => {
      fs.fstat(this.fd, done);
    }).pipe(map((stats) => stats.size));
  }

  read(position: number, length: number): Observable<Uint8Array> {
    return defer(() => {
      const buffer = Buffer.allocUnsafeSlow(length);
      return readAll(this.fd, buffer, position).pipe(map((read) => buffer.subarray(0, read)));
    });
  }

  write(pieces: readonly Uint8Array[], position: number): Observable<void> {
    return writeAll(this.fd, pieces, position);
  }

  sync(): Observable<void> {
    return call((done) => {
      fs.fsync(this.fd, done);
    });
  }

  truncate(size: number): Observable<void> {
    return truncateDescriptor(this.fd, size);
  }

  close(): Observable<void> {
    return closeDescriptor(this.fd);
  }
}

/** A file with a second descriptor, opened `O_DSYNC`, for the writes that must be durable when they return. */
class DurableNodeFile extends NodeFile {
  constructor(
    name: string,
    fd: number,
    private readonly durableFd: number,
  ) {
    super(name, fd);
  }

  readonly writeDurable = (pieces: readonly Uint8Array[], position: number): Observable<void> =>
    writeAll(this.durableFd, pieces, position);

  override close(): Observable<void> {
    return concat(
      closeDescriptor(this.durableFd).pipe(
        ignoreElements(),
        catchError((error: unknown) => closeThenFail(this.fd, error)),
      ),
      closeDescriptor(this.fd),
    );
  }
}

/** As {@link call}, but a descriptor that nobody waits for any more is closed. */
function openFile(path: string, flags: number): Observable<number> {
  return new Observable<number>((subscriber) => {
    fs.open(path, flags, FILE_MODE, (error, fd) => {
      if (error) {
        subscriber.error(error);
      } else if (subscriber.closed) {
        fs.close(fd);
      } else {
        subscriber.next(fd);
        subscriber.complete();
      }
    });
  });
}

function closeDescriptor(fd: number): Observable<void> {
  return call((done) => {
    fs.close(fd, done);
  });
}

function closeThenFail(fd: number, error: unknown): Observable<never> {
  return concat(
    closeDescriptor(fd),
    throwError(() => error),
  ).pipe(ignoreElements());
}

function truncateDescriptor(fd: number, size: number): Observable<void> {
  return call((done) => {
    fs.ftruncate(fd, size, done as fs.NoParamCallback);
  });
}

function syncDirectory(dir: string): Observable<void> {
  if (!CAN_SYNC_DIRECTORY) return of(undefined);
  return openFile(dir, fs.constants.O_RDONLY).pipe(
    concatMap((fd) =>
      concat(
        call((done) => {
          fs.fsync(fd, done);
        }).pipe(catchError((error: unknown) => closeThenFail(fd, error))),
        closeDescriptor(fd).pipe(ignoreElements()),
      ),
    ),
  );
}

/**
 * Writes every piece. A short count is no success: libuv goes on after a short write by itself, and when a later part fails it
 * reports the smaller count and no error (libuv#2699, nodejs/node#31908). So the rest is tried again, and that call brings the
 * error: on a full disk, the ENOSPC.
 */
function writeAll(fd: number, pieces: readonly Uint8Array[], position: number): Observable<void> {
  return call((done) => {
    let rest = pieces.slice();
    const writeOn = (at: number): void => {
      if (rest.length === 0) {
        done(null);
        return;
      }
      fs.writev(fd, rest.slice(0, MAX_PIECES), at, (error, written) => {
        if (error) {
          done(error);
        } else if (written === 0) {
          done(Object.assign(new Error('EIO: the disk took no byte of a write'), { code: 'EIO', syscall: 'write' }));
        } else {
          rest = behind(rest, written);
          writeOn(at + written);
        }
      });
    };
    rest = rest.filter((piece) => piece.length > 0);
    writeOn(position);
  });
}

/** What is left of `pieces` behind their first `count` bytes. */
function behind(pieces: Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  for (const [index, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(index + 1)];
    left -= piece.length;
  }
  return [];
}

/** Fills `buffer` from `position` on. Only a successful read of no bytes is the end of a file. */
function readAll(fd: number, buffer: Uint8Array, position: number): Observable<number> {
  return call<number>((done) => {
    const readOn = (filled: number): void => {
      if (filled === buffer.length) {
        done(null, filled);
        return;
      }
      fs.read(fd, buffer, filled, buffer.length - filled, position + filled, (error, count) => {
        if (error) done(error, filled);
        else if (count === 0) done(null, filled);
        else readOn(filled + count);
      });
    };
    readOn(0);
  });
}

function readHolder(fd: number): Observable<LockHolder | undefined> {
  const text = Buffer.alloc(1024);
  return readAll(fd, text, 0).pipe(
    map((length) => {
      const holder = JSON.parse(text.toString('utf8', 0, length)) as Partial<LockHolder> | null;
      return typeof holder?.pid === 'number' && typeof holder.host === 'string' && typeof holder.since === 'string'
        ? { pid: holder.pid, host: holder.host, since: holder.since }
        : undefined;
    }),
    // Half written or unreadable: the holder is then unnamed, and still the holder.
    catchError(() => of(undefined)),
  );
}
