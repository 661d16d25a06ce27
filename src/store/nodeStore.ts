import { constants as systemConstants, hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EMPTY, Observable, catchError, concat, concatMap, defer, ignoreElements, map, of, throwError } from 'rxjs';
import { WalLockedError, type LockHolder } from '../errors';
import { afterFailure } from '../afterFailure';
import { toTheEnd } from '../toTheEnd';
import {
  blockingCalls,
  constants,
  mkdir,
  poolCalls,
  read,
  readdir,
  type Callback,
  type Dirent,
  type FileCalls,
  type FileStats,
} from './fileCalls';
import { tryLockDescriptor, unlockDescriptor } from './lock';
import {
  LOCK_FILE,
  isLeftover,
  type SegmentAccess,
  type SegmentFile,
  type SegmentStore,
  type Unlock,
} from './segmentStore';
import { threadCalls } from './threadCalls';

/** How a store uses the disk, and who may read and write what it makes. The process's umask takes its bits away, as everywhere. */
export interface NodeStoreOptions {
  /**
   * Permissions of the files that are made, from 0 to 0o777.
   *
   * @default 0o600: the owner's alone
   */
  readonly fileMode?: number | undefined;
  /**
   * Permissions of the directory where it has to be made, and of those above it, from 0 to 0o777.
   *
   * @default 0o700
   */
  readonly directoryMode?: number | undefined;
  /**
   * Who waits for the disk where an append waits for it.
   *
   * - `'pool'`: a thread of Node's pool, which the whole process shares. When others keep the pool busy (hashing, compression, `dns.lookup`,
   *   reading large files), the log stands in their queue.
   * - `'thread'`: a thread of the log's own. As fast as an idle pool, and as fast while the pool is busy. Takes some 6 MiB, and 30 ms at the
   *   opening.
   * - `'blocking'`: the caller, and the event loop with it: the shortest way for a program that does nothing else meanwhile.
   *
   * Zeros ahead (`preallocateBytes`) are laid by the same: with `'blocking'` an append waits for a step of them now and then.
   *
   * @default 'pool'
   */
  readonly io?: 'pool' | 'thread' | 'blocking' | undefined;
}

/**
 * A file of the log is never a symbolic link: what one leads to is somebody else's. And opening a pipe would wait for its other end.
 * Windows has neither flag.
 */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as { O_NOFOLLOW?: number; O_NONBLOCK?: number };
const REGULAR_ONLY = O_NOFOLLOW | O_NONBLOCK;

/** POSIX allows at least 16 pieces a `pwritev`, Linux 1,024 (`IOV_MAX`). */
const MAX_PIECES = 1024;

/**
 * The flag that makes each write durable before it returns: one trip through the thread pool where `write` and `fdatasync` take
 * two. Not on macOS, where it stops at the drive's cache and libuv's fsync (`F_FULLFSYNC`) does not; Windows has none.
 */
const O_DSYNC: number | undefined = process.platform === 'darwin' ? undefined : constants.O_DSYNC;

/** A directory cannot be opened, and so not fsync'd, on Windows; NTFS journals its names. */
const CAN_SYNC_DIRECTORY = process.platform !== 'win32';

/**
 * An error of the system with its name. libuv has none for EDQUOT, a disk quota that is used up, and a few others: it gives
 * `Unknown system error -122` for a code.
 */
function named(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const { code = '' } = error;
  const number = /^Unknown system error -(\d+)$/.exec(code)?.[1];
  const name = Object.entries(systemConstants.errno).find(([, errno]) => String(errno) === number)?.[0];
  if (name === undefined) return error;
  error.code = name;
  error.message = error.message.replaceAll(code, name);
  return error;
}

/**
 * A `node:fs` call as a cold Observable. `bindNodeCallback` would do but for its AsyncSubject: a third of a microsecond a call,
 * and it shares the first result with every later subscriber.
 */
function call<R = void>(start: (done: Callback<R>) => void): Observable<R> {
  return new Observable<R>((subscriber) => {
    start((error, result) => {
      if (error) {
        subscriber.error(named(error));
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
 * A symbolic link, a directory or a pipe in the place of one of the log's files is never opened, and is left alone.
 *
 * @param dir made where it is not there.
 * @throws TypeError or RangeError for an option that is none.
 */
export function nodeStore(
  dir: string,
  { fileMode = 0o600, directoryMode = 0o700, io = 'pool' }: NodeStoreOptions = {},
): SegmentStore {
  const modes = [checkMode('fileMode', fileMode), checkMode('directoryMode', directoryMode)] as const;
  return new NodeStore(resolve(dir), ...modes, fileCalls(io));
}

function fileCalls(io: string): FileCalls {
  if (io === 'pool') return poolCalls;
  if (io === 'blocking') return blockingCalls;
  if (io === 'thread') return threadCalls();
  throw new TypeError(`io must be 'pool', 'thread' or 'blocking', not ${JSON.stringify(io)}`);
}

function checkMode(name: string, mode: number): number {
  if (typeof mode !== 'number') throw new TypeError(`${name} must be a number, not ${String(mode)}`);
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o777) return mode;
  throw new RangeError(`${name} must be an integer from 0 to 0o777, not ${mode}`);
}

/** Gives a directory its name, durably; one of that name may be there if it is empty. */
export function moveDirectory(from: string, to: string): Observable<void> {
  const moved = call((done) => {
    poolCalls.rename(from, to, done);
  });
  return concat(moved.pipe(ignoreElements()), syncDirectory(dirname(to), poolCalls));
}

class NodeStore implements SegmentStore {
  constructor(
    readonly dir: string,
    private readonly fileMode: number,
    private readonly directoryMode: number,
    private readonly calls: FileCalls,
  ) {}

  lock(): Observable<Unlock> {
    return concat(this.#makeDirectory().pipe(ignoreElements()), this.#takeLock()).pipe(toTheEnd((unlock) => unlock()));
  }

  list(): Observable<readonly string[]> {
    return call<Dirent[]>((done) => {
      readdir(this.dir, { withFileTypes: true }, done);
    }).pipe(
      map((entries) => {
        // Something else that has the name of a leftover is none, and nothing for a recovery to remove.
        const known = entries.filter((entry) => entry.isFile() || !isLeftover(entry.name));
        return known.map(({ name }) => name);
      }),
    );
  }

  open(name: string, access: SegmentAccess): Observable<SegmentFile> {
    const path = join(this.dir, name);
    if (access === 'read') return this.#open(path, constants.O_RDONLY).pipe(map((file) => new NodeFile(name, file)));
    const create = access === 'create' ? constants.O_CREAT | constants.O_TRUNC : 0;
    return this.#open(path, constants.O_RDWR | create).pipe(
      concatMap((file) => {
        if (O_DSYNC === undefined) return of(new NodeFile(name, file));
        return this.#open(path, constants.O_WRONLY | O_DSYNC).pipe(
          map((durable) => new DurableNodeFile(name, file, durable)),
          afterFailure(() => file.close()),
        );
      }),
      toTheEnd((file) => file.close()),
    );
  }

  readonly readStart = (name: string, length: number): Observable<Uint8Array> =>
    call<Uint8Array>((done) => {
      readStart(join(this.dir, name), length, done);
    });

  rename(from: string, to: string): Observable<void> {
    return call((done) => {
      this.calls.rename(join(this.dir, from), join(this.dir, to), done);
    });
  }

  remove(name: string): Observable<void> {
    return call((done) => {
      this.calls.remove(join(this.dir, name), done);
    });
  }

  syncDir(): Observable<void> {
    return syncDirectory(this.dir, this.calls);
  }

  #open(path: string, flags: number): Observable<Descriptor> {
    return openFile(this.calls, path, flags | REGULAR_ONLY, this.fileMode).pipe(
      concatMap((file) =>
        file.stats().pipe(
          map((stats) => {
            const stranger = strangerIn(stats);
            if (stranger) throw stranger;
            return file;
          }),
          afterFailure(() => file.close()),
        ),
      ),
      toTheEnd((file) => file.close()),
    );
  }

  /** The names of a new directory, and of those above it that had to be made, are durable before anything is in it. */
  #makeDirectory(): Observable<void> {
    return call<string | undefined>((done) => {
      mkdir(this.dir, { recursive: true, mode: this.directoryMode }, done);
    }).pipe(
      concatMap((first) => {
        if (first === undefined) return of(undefined);
        const parents: string[] = [];
        for (let at = this.dir; at.length >= first.length; at = dirname(at)) parents.push(dirname(at));
        return concat(...parents.map((parent) => syncDirectory(parent, this.calls)));
      }),
    );
  }

  /** The lock is on the file's descriptor; what is written into it only tells others who holds it. */
  #takeLock(): Observable<Unlock> {
    const path = join(this.dir, LOCK_FILE);
    return this.#open(path, constants.O_RDWR | constants.O_CREAT).pipe(
      concatMap((file) => {
        const holder: LockHolder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
        const told = concat(truncate(file, 0), writeAll(file, [Buffer.from(`${JSON.stringify(holder)}\n`)], 0));
        return defer(() => {
          if (!tryLockDescriptor(file.fd)) {
            return readHolder(file).pipe(
              map((other) => {
                throw new WalLockedError(this.dir, other);
              }),
            );
          }
          return concat(
            // For people: the lock holds without it, on a full disk too.
            told.pipe(
              ignoreElements(),
              catchError(() => EMPTY),
            ),
            of(() => release(file)),
          );
        }).pipe(
          afterFailure(() => file.close()),
          catchError((error: unknown) => throwError(() => named(error as NodeJS.ErrnoException))),
        );
      }),
    );
  }
}

/** What is no regular file was not made by a log. */
function strangerIn(stats: FileStats): NodeJS.ErrnoException | undefined {
  if (stats.isFile) return undefined;
  const [code, what] = stats.isDirectory
    ? (['EISDIR', 'a directory'] as const)
    : (['EINVAL', 'a device, pipe or socket'] as const);
  return Object.assign(new Error(`${code}: it is ${what}, and the log's files are regular files`), { code });
}

/**
 * An open descriptor. It is closed when the last call on it has come back: its number may be another file's at once, and a write that
 * is still on its way would go there. For the same reason no call gets the number of one that is closed.
 */
class Descriptor {
  #busy = 0;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(
    readonly fd: number,
    readonly calls: FileCalls,
  ) {}

  run<R = void>(start: (fd: number, done: Callback<R>) => void): Observable<R> {
    return call<R>((done) => {
      if (this.#closed) {
        (done as (error: Error) => void)(closedAlready());
        return;
      }
      this.#busy += 1;
      start(this.fd, (error, result) => {
        this.#busy -= 1;
        done(error, result);
        if (this.#busy === 0) this.#whenIdle?.();
      });
    });
  }

  stats(): Observable<FileStats> {
    return this.run<FileStats>((fd, done) => {
      this.calls.stats(fd, done);
    });
  }

  close(): Observable<void> {
    return call((done) => {
      if (this.#closed) {
        (done as (error: Error) => void)(closedAlready());
        return;
      }
      this.#closed = true;
      this.#whenIdle = () => {
        this.#whenIdle = undefined;
        this.calls.close(this.fd, done);
      };
      if (this.#busy === 0) this.#whenIdle();
    });
  }
}

function closedAlready(): NodeJS.ErrnoException {
  return Object.assign(new Error('EBADF: the file has been closed'), { code: 'EBADF' });
}

class NodeFile implements SegmentFile {
  constructor(
    readonly name: string,
    protected readonly descriptor: Descriptor,
  ) {}

  size(): Observable<number> {
    return this.descriptor.stats().pipe(map((stats) => stats.size));
  }

  read(position: number, length: number): Observable<Uint8Array> {
    return defer(() => {
      const buffer = Buffer.allocUnsafeSlow(length);
      return readAll(this.descriptor, buffer, position).pipe(map((read) => buffer.subarray(0, read)));
    });
  }

  write(pieces: readonly Uint8Array[], position: number): Observable<void> {
    return writeAll(this.descriptor, pieces, position);
  }

  sync(): Observable<void> {
    return sync(this.descriptor);
  }

  truncate(size: number): Observable<void> {
    return truncate(this.descriptor, size);
  }

  close(): Observable<void> {
    return this.descriptor.close();
  }
}

/** A file with a second descriptor, opened `O_DSYNC`, for the writes that must be durable when they return. */
class DurableNodeFile extends NodeFile {
  constructor(
    name: string,
    descriptor: Descriptor,
    private readonly durable: Descriptor,
  ) {
    super(name, descriptor);
  }

  readonly writeDurable = (pieces: readonly Uint8Array[], position: number): Observable<void> =>
    writeAll(this.durable, pieces, position);

  override close(): Observable<void> {
    return concat(
      this.durable.close().pipe(
        ignoreElements(),
        afterFailure(() => this.descriptor.close()),
      ),
      this.descriptor.close(),
    );
  }
}

/** As {@link call}, but a descriptor that nobody waits for any more is closed. */
function openFile(calls: FileCalls, path: string, flags: number, mode?: number): Observable<Descriptor> {
  return new Observable<Descriptor>((subscriber) => {
    calls.open(path, flags, mode, (error, fd) => {
      if (error) {
        subscriber.error(named(error));
      } else if (subscriber.closed) {
        calls.close(fd, () => undefined);
      } else {
        subscriber.next(new Descriptor(fd, calls));
        subscriber.complete();
      }
    });
  });
}

/** Gives the lock back. Closing does so too, where unlocking fails. */
function release(descriptor: Descriptor): Observable<void> {
  return defer(() => {
    try {
      unlockDescriptor(descriptor.fd);
    } catch {
      // Closing is not left out.
    }
    return descriptor.close();
  });
}

function sync(descriptor: Descriptor): Observable<void> {
  return descriptor.run((fd, done) => {
    descriptor.calls.sync(fd, done);
  });
}

function truncate(descriptor: Descriptor, size: number): Observable<void> {
  return descriptor.run((fd, done) => {
    descriptor.calls.truncate(fd, size, done);
  });
}

function syncDirectory(dir: string, calls: FileCalls): Observable<void> {
  if (!CAN_SYNC_DIRECTORY) return of(undefined);
  return openFile(calls, dir, constants.O_RDONLY).pipe(
    concatMap((directory) =>
      concat(
        sync(directory).pipe(afterFailure(() => directory.close())),
        // Its names are durable: what a close says takes nothing away.
        directory.close().pipe(
          ignoreElements(),
          catchError(() => EMPTY),
        ),
      ),
    ),
  );
}

/**
 * Writes every piece. A short count is no success: libuv goes on after a short write by itself, and when a later part fails it
 * reports the smaller count and no error (libuv#2699, nodejs/node#31908). So the rest is tried again, and that call brings the
 * error: on a full disk, the ENOSPC.
 */
function writeAll(descriptor: Descriptor, pieces: readonly Uint8Array[], position: number): Observable<void> {
  return descriptor.run((fd, done: (error: Error | null) => void) => {
    let rest = pieces.filter((piece) => piece.length > 0);
    const writeOn = (at: number): void => {
      if (rest.length === 0) {
        done(null);
        return;
      }
      descriptor.calls.write(fd, rest.slice(0, MAX_PIECES), at, (error, written) => {
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

/** In callbacks: as Observables these four calls cost more than the disk does. */
function readStart(path: string, length: number, done: Callback<Uint8Array>): void {
  poolCalls.open(path, constants.O_RDONLY | REGULAR_ONLY, undefined, (error, fd) => {
    const close = (failure: NodeJS.ErrnoException | null, bytes = new Uint8Array()): void => {
      // What is read is read: a close that fails takes nothing away.
      poolCalls.close(fd, () => {
        done(failure, bytes);
      });
    };
    if (error) {
      done(error, new Uint8Array());
      return;
    }
    poolCalls.stats(fd, (unknown, stats) => {
      const stranger = unknown ?? strangerIn(stats);
      const buffer = Buffer.alloc(length);
      if (stranger) {
        close(stranger);
      } else {
        fill(fd, buffer, 0, (failure, read) => {
          close(failure, buffer.subarray(0, read));
        });
      }
    });
  });
}

/** Fills `buffer` from `position` on. Only a successful read of no bytes is the end of a file. */
function readAll(descriptor: Descriptor, buffer: Uint8Array, position: number): Observable<number> {
  return descriptor.run<number>((fd, done) => {
    fill(fd, buffer, position, done);
  });
}

function fill(fd: number, buffer: Uint8Array, position: number, done: Callback<number>): void {
  const readOn = (filled: number): void => {
    if (filled === buffer.length) {
      done(null, filled);
      return;
    }
    read(fd, buffer, filled, buffer.length - filled, position + filled, (error, count) => {
      if (error) done(error, filled);
      else if (count === 0) done(null, filled);
      else readOn(filled + count);
    });
  };
  readOn(0);
}

function readHolder(descriptor: Descriptor): Observable<LockHolder | undefined> {
  const text = Buffer.alloc(1024);
  return readAll(descriptor, text, 0).pipe(
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
