import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  ignoreElements,
  map,
  of,
  throwError,
  type Observable,
} from 'rxjs';
import { WalLockedError, type LockHolder } from '../errors';
import { afterFailure } from '../afterFailure';
import { toTheEnd } from '../toTheEnd';
import { call, named, openFile, readAll, sync, truncate, writeAll, type Descriptor } from './descriptor';
import {
  blockingCalls,
  constants,
  mkdir,
  poolCalls,
  readdir,
  rm,
  rmdir,
  stat,
  type Dirent,
  type FileCalls,
  type Stats,
} from './fileCalls';
import { tryLockDescriptor, unlockDescriptor } from './lock';
import { PLATFORM, type Platform } from './platform';
import { readStarts } from './readStarts';
import { REGULAR_ONLY, strangerIn } from './regularFile';
import {
  LOCK_FILE,
  isLeftover,
  knownName,
  type SegmentAccess,
  type SegmentFile,
  type SegmentStore,
  type Unlock,
} from './segmentStore';
import { threadCalls } from './threadCalls';
import { whileInUse } from './whileInUse';

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
 * A directory of the real disk, through `node:fs`.
 *
 * A symbolic link, a directory or a pipe in the place of one of the log's files is never opened, and is left alone.
 *
 * @param dir made where it is not there.
 * @throws TypeError or RangeError for an option that is none.
 */
export function nodeStore(dir: string, options: NodeStoreOptions = {}): SegmentStore {
  return nodeStoreOn(PLATFORM, dir, options);
}

/** The same, as it is on another system: for the specs of what differs there. */
export function nodeStoreOn(
  platform: Platform,
  dir: string,
  { fileMode = 0o600, directoryMode = 0o700, io = 'pool' }: NodeStoreOptions = {},
): SegmentStore {
  const modes = [checkMode('fileMode', fileMode), checkMode('directoryMode', directoryMode)] as const;
  return new NodeStore(resolve(dir), ...modes, fileCalls(io), platform);
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
export function moveDirectory(from: string, to: string, platform = PLATFORM): Observable<void> {
  const moved = call((done) => {
    poolCalls.rename(from, to, done);
  });
  return concat(
    platform.replacesDirectories ? EMPTY : removeEmptyDirectory(to).pipe(ignoreElements()),
    (platform.refusesFilesInUse ? moved.pipe(whileInUse()) : moved).pipe(ignoreElements()),
    syncDirectory(dirname(to), poolCalls, platform),
  );
}

/** One that has something in it stays, and is an error; one that is not there is none. */
function removeEmptyDirectory(dir: string): Observable<void> {
  return call((done) => {
    rmdir(dir, done);
  }).pipe(
    catchError((error: unknown) =>
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? of(undefined) : throwError(() => error),
    ),
  );
}

/** Removes a directory and all that is in it. */
export function removeDirectory(dir: string): Observable<void> {
  return call((done) => {
    rm(dir, { recursive: true, force: true }, done as (error: NodeJS.ErrnoException | null) => void);
  });
}

class NodeStore implements SegmentStore {
  constructor(
    readonly dir: string,
    private readonly fileMode: number,
    private readonly directoryMode: number,
    private readonly calls: FileCalls,
    private readonly platform: Platform,
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
        const nameOf = this.platform.ignoresCase ? knownName : (name: string) => name;
        const known = entries.filter((entry) => entry.isFile() || !isLeftover(nameOf(entry.name)));
        return [...new Set(known.map(({ name }) => nameOf(name)))];
      }),
    );
  }

  open(name: string, access: SegmentAccess): Observable<SegmentFile> {
    const path = join(this.dir, name);
    if (access === 'read') return this.#open(path, constants.O_RDONLY).pipe(map((file) => new NodeFile(name, file)));
    const create = access === 'create' ? constants.O_CREAT | constants.O_TRUNC : 0;
    return this.#open(path, constants.O_RDWR | create).pipe(
      concatMap((file) => {
        const { durableWrites } = this.platform;
        if (durableWrites === undefined) return of(new NodeFile(name, file));
        return this.#open(path, constants.O_WRONLY | durableWrites).pipe(
          map((durable) => new DurableNodeFile(name, file, durable)),
          afterFailure(() => file.close()),
        );
      }),
      toTheEnd((file) => file.close()),
    );
  }

  readonly readStarts = (names: readonly string[], length: number): Observable<readonly Uint8Array[]> =>
    readStarts(this.dir, names, length);

  readonly modifiedAt = (name: string): Observable<number> =>
    call<Stats>((done) => {
      stat(join(this.dir, name), done);
    }).pipe(map(({ mtimeMs }) => mtimeMs));

  rename(from: string, to: string): Observable<void> {
    return this.#patiently(
      call((done) => {
        this.calls.rename(join(this.dir, from), join(this.dir, to), done);
      }),
    );
  }

  remove(name: string): Observable<void> {
    return this.#patiently(
      call((done) => {
        this.calls.remove(join(this.dir, name), done);
      }),
    );
  }

  syncDir(): Observable<void> {
    return syncDirectory(this.dir, this.calls, this.platform);
  }

  /** An operation that a file in use refuses is tried again, where the system does so. */
  #patiently<R>(operation: Observable<R>, codes?: readonly string[]): Observable<R> {
    return this.platform.refusesFilesInUse ? operation.pipe(whileInUse(codes)) : operation;
  }

  #open(path: string, flags: number): Observable<Descriptor> {
    // Of an opening a denied access may be what it says.
    return this.#patiently(openFile(this.calls, path, flags | REGULAR_ONLY, this.fileMode), ['EBUSY']).pipe(
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
        return concat(...parents.map((parent) => syncDirectory(parent, this.calls, this.platform)));
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

function syncDirectory(dir: string, calls: FileCalls, platform: Platform): Observable<void> {
  if (!platform.syncsDirectories) return of(undefined);
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
