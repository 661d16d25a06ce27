import { NEVER, concat, defer, ignoreElements, of, tap, throwError, type Observable } from 'rxjs';
import { WalLockedError } from '../errors';
import { integer } from '../options';
import type { SegmentAccess, SegmentFile, SegmentStore, Unlock } from '../store/segmentStore';
import type { DiskEvent, FileRange } from './diskEvent';
import { GrowingBytes } from './growingBytes';
import type { MemoryStoreOptions, StoreOperation, StoreOperationKind } from './memoryStore';
import type { Random } from './seededRandom';
import { UnsyncedDisk } from './unsyncedDisk';

export interface SimulatedDiskOptions {
  /** Files to begin with; they count as durable. Default: none. */
  readonly files?: ReadonlyMap<string, Uint8Array> | undefined;
  /** Its files have `writeDurable`, as those of `nodeStore` have on Linux. Default `false`. */
  readonly durableWrites?: boolean | undefined;
  /** The largest write that is never torn, in bytes. At least 1. Default 512. */
  readonly sectorBytes?: number | undefined;
  /**
   * Where a file has grown without its data, a power cut may show what those sectors held before. `false`: zeros only, as ext4 in its
   * default mode, XFS and Btrfs have it; ext4 with `data=writeback` and ext2 do not. Default `true`.
   */
  readonly stale?: boolean | undefined;
  /** What {@link SimulatedDisk.fail} is to begin with. */
  readonly fail?: ((operation: StoreOperation) => Error | undefined) | undefined;
  /** What {@link SimulatedDisk.plan} is to begin with. */
  readonly plan?: MemoryStoreOptions['plan'];
  /**
   * Operations that report success and do nothing: a disk that lies, or code that forgets. Asked for what changes something: `write`,
   * `sync`, `truncate`, `rename`, `remove`, `syncDir`. Default: none.
   *
   * @example
   * simulatedDisk({ pretend: ({ kind }) => kind === 'syncDir' })
   */
  readonly pretend?: ((operation: StoreOperation) => boolean) | undefined;
}

/** A disk in memory that records what is done to it, and knows what a power cut could leave of that. */
export interface SimulatedDisk extends SegmentStore {
  /** Everything that has happened to it, in order. A point of time is a number of events. */
  readonly journal: readonly DiskEvent[];

  /**
   * One of the directories that a power cut after the first `point` events could leave: by name, the content of each file.
   *
   * @param point from 0 to `journal.length`. Going forward is cheap; going back goes through the journal again.
   * @param random decides what survives; the same numbers decide the same. The higher they are the more survives: `() => 0` is the
   *   cut that takes everything that was not durable, `() => 0.999999` one that takes nothing.
   * @throws RangeError for a point that is none.
   */
  powerCut(point: number, random: Random): Map<string, Uint8Array>;

  /** What the files hold now, by name, synced or not: what a process that is killed leaves. */
  snapshot(): Map<string, Uint8Array>;

  /**
   * Kills the process that uses the disk; the disk goes on, and forgets nothing. The lock is free, and what that process had begun, or
   * asks of a file it had open, never comes back. May be called within `fail`: then that operation is the last.
   */
  kill(): void;

  /**
   * The power goes now, and comes back: the disk holds what `powerCut(journal.length, random)` gives, and goes on with that. Ends what is
   * using it as {@link kill} does.
   */
  losePower(random: Random): void;

  /**
   * The error an operation fails with, where it fails. May be changed at any time.
   *
   * It has no effect then, but for an fsync: what it should have made durable stays readable, counts as clean, and is never made
   * durable by a later fsync of that file, even where it is written again in place. `writeDurable` is asked for as a `write` and
   * then a `sync`.
   */
  fail: ((operation: StoreOperation) => Error | undefined) | undefined;

  /**
   * How long operations take and how they end, as in `memoryStore`: `marblePlan` fits. May be changed at any time. By default none takes
   * time.
   *
   * An operation begins at once, so a power cut may already find what is on its way; an fsync covers what was written before it began.
   * One whose plan fails has begun too: a write may be there all the same.
   */
  plan: MemoryStoreOptions['plan'];
}

/**
 * A simulated disk: a `SegmentStore` whose operations take no time, that keeps a journal of them, and gives the directories that a
 * power cut could leave at any point of it.
 *
 * The model is what POSIX permits and disks do, where they differ the worse:
 *
 * - A sector of 512 bytes is written whole or not at all. Of a file, the disk may have each sector as it was at the last fsync, or as it
 *   was at any moment since, whatever it has of the others: writes are cut, and reordered.
 * - The size of a file is as it was at its last fsync, or at any moment since, or ends at a sector in between. Where it has grown without
 *   its data there are zeros, or what those sectors held before: bytes of any file, seldom noise.
 * - A truncation is there or not. What a file is cut from and grows over again may be zeros or as before.
 * - Names are apart from content: each creation, renaming and removal since the last `syncDir` is there or not, in any combination. A
 *   name may be there without the content and the content without its name. A renaming is never half there.
 * - An fsync makes durable what was written before it began, and the size; `writeDurable` (`O_DSYNC`) no more than its own bytes,
 *   and that the file reaches to their end.
 * - A failed fsync: see {@link SimulatedDisk.fail}.
 *
 * It does not show bytes that nothing failed to write (rot), nor writes in a wrong place.
 *
 * Sources: Pillai et al., "All File Systems Are Not Created Equal" (ALICE, OSDI 2014), for what file systems permit; Mohan et al.,
 * "Finding Crash-Consistency Bugs with Bounded Black-Box Crash Testing" (CrashMonkey, OSDI 2018), for cutting a recorded journal at
 * each point; Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020), for failed fsyncs.
 *
 * @throws RangeError or TypeError for a `sectorBytes` that is none.
 * @example
 * const disk = simulatedDisk();
 * const wal = await lastValueFrom(recoverWal(disk));
 * await wal.append({ n: 1 });
 * const left = disk.powerCut(disk.journal.length, Math.random);
 * const again = await lastValueFrom(recoverWal(simulatedDisk({ files: left }))); // has the record, whatever was drawn
 */
export function simulatedDisk(options: SimulatedDiskOptions = {}): SimulatedDisk {
  return new Disk(options);
}

interface Inode {
  readonly file: number;
  readonly content: GrowingBytes;
}

/** What ends an operation that has begun, and gives its result. */
type End<R> = () => R;

class Disk implements SimulatedDisk {
  readonly dir = 'simulated disk';
  readonly journal: DiskEvent[] = [];
  fail: SimulatedDisk['fail'];
  plan: SimulatedDisk['plan'];
  readonly #options: SimulatedDiskOptions;
  readonly #initial: ReadonlyMap<string, Uint8Array>;
  readonly #sectorBytes: number;
  readonly #names = new Map<string, Inode>();
  #files = 0;
  #locked = false;
  /** Processes that have been killed. */
  #killed = 0;
  /** How the journal looked from the point that was asked for last. */
  #unsynced: UnsyncedDisk | undefined;

  constructor(options: SimulatedDiskOptions) {
    this.#options = options;
    this.#initial = new Map([...(options.files ?? [])].map(([name, content]) => [name, new Uint8Array(content)]));
    this.#sectorBytes = integer('sectorBytes', options.sectorBytes ?? 512, 1);
    this.fail = options.fail;
    this.plan = options.plan;
    for (const [name, content] of this.#initial) this.#names.set(name, this.#inode(content));
  }

  powerCut(point: number, random: Random): Map<string, Uint8Array> {
    integer('point', point, 0, this.journal.length);
    if (!this.#unsynced || this.#unsynced.point > point) {
      this.#unsynced = new UnsyncedDisk(this.#initial, this.#sectorBytes, this.#options.stale ?? true);
    }
    for (const event of this.journal.slice(this.#unsynced.point, point)) this.#unsynced.apply(event);
    return this.#unsynced.powerCut(random);
  }

  snapshot(): Map<string, Uint8Array> {
    return new Map([...this.#names].map(([name, { content }]) => [name, content.slice()]));
  }

  kill(): void {
    this.#killed += 1;
    this.#locked = false;
  }

  losePower(random: Random): void {
    const files = this.powerCut(this.journal.length, random);
    this.kill();
    this.journal.push({ kind: 'powerCut', files, file: this.#files });
    this.#names.clear();
    for (const [name, content] of files) this.#names.set(name, this.#inode(content));
  }

  lock(): Observable<Unlock> {
    return this.#ask({ kind: 'lock', file: '' }, (): Unlock => {
      if (this.#locked) throw new WalLockedError(this.dir, undefined);
      this.#locked = true;
      const killed = this.#killed;
      const unlock = this.#ask({ kind: 'unlock', file: '' }, () => {
        this.#locked = false;
      });
      return () => defer(() => (killed === this.#killed ? unlock : NEVER));
    });
  }

  list(): Observable<readonly string[]> {
    return this.#ask({ kind: 'list', file: '' }, () => [...this.#names.keys()]);
  }

  open(name: string, access: SegmentAccess): Observable<SegmentFile> {
    return this.#ask({ kind: access === 'create' ? 'create' : 'open', file: name }, () => {
      let inode = this.#names.get(name);
      if (access === 'create') {
        if (inode) this.#resize(name, inode, 0);
        else inode = this.#create(name);
      }
      if (!inode) throw noSuchFile('open', name);
      return this.#handle(name, inode, access !== 'read');
    });
  }

  rename(name: string, to: string): Observable<void> {
    return this.#change({ kind: 'rename', file: name }, () => {
      const inode = this.#names.get(name);
      if (!inode) throw noSuchFile('rename', name);
      this.#names.delete(name);
      this.#names.set(to, inode);
      this.journal.push({ kind: 'rename', name, to, file: inode.file });
    });
  }

  remove(name: string): Observable<void> {
    return this.#change({ kind: 'remove', file: name }, () => {
      const inode = this.#names.get(name);
      if (!inode) throw noSuchFile('unlink', name);
      this.#names.delete(name);
      this.journal.push({ kind: 'remove', name, file: inode.file });
    });
  }

  syncDir(): Observable<void> {
    return this.#do(
      { kind: 'syncDir', file: '' },
      () => {
        const begun = this.journal.length;
        return () => {
          this.journal.push({ kind: 'syncDir', begun });
        };
      },
      { pretended: nothing },
    );
  }

  #inode(content?: Uint8Array): Inode {
    const file = this.#files;
    this.#files += 1;
    return { file, content: new GrowingBytes(content) };
  }

  #create(name: string): Inode {
    const inode = this.#inode();
    this.#names.set(name, inode);
    this.journal.push({ kind: 'create', name, file: inode.file });
    return inode;
  }

  #resize(name: string, { file, content }: Inode, size: number): void {
    if (size === content.length) return;
    content.resize(size);
    this.journal.push({ kind: 'truncate', name, file, size });
  }

  /** An operation that gives something, and takes effect when it ends. */
  #ask<R>(operation: StoreOperation, effect: () => R): Observable<R> {
    return this.#do(operation, () => effect);
  }

  /** An operation that changes something, from when it begins. */
  #change(operation: StoreOperation, effect: () => void): Observable<void> {
    return this.#do(
      operation,
      () => {
        effect();
        return nothing;
      },
      { pretended: nothing },
    );
  }

  /**
   * @param begin what happens when it begins; gives what happens when it ends.
   * @param pretended what it gives where it only pretends; absent where it cannot.
   * @param failed what happens when it fails.
   */
  #do<R>(
    operation: StoreOperation,
    begin: () => End<R>,
    { pretended, failed }: { readonly pretended?: End<R>; readonly failed?: (begun: number) => void } = {},
  ): Observable<R> {
    return defer((): Observable<R> => {
      const killed = this.#killed;
      const alive = (then: () => Observable<R>): Observable<R> =>
        defer((): Observable<R> => (killed === this.#killed ? then() : NEVER));
      const error = this.fail?.(operation);
      return alive(() => {
        const begun = this.journal.length;
        if (error) {
          failed?.(begun);
          return throwError(() => error);
        }
        const end = pretended && this.#options.pretend?.(operation) ? pretended : begin();
        const plan = this.plan?.(operation);
        if (!plan) return of(end());
        const over = tap({
          error: () => {
            if (killed === this.#killed) failed?.(begun);
          },
        });
        return concat(
          plan.pipe(over, ignoreElements()),
          alive(() => of(end())),
        );
      });
    });
  }

  #handle(name: string, inode: Inode, writable: boolean): SegmentFile {
    const { file, content } = inode;
    const killed = this.#killed;
    let open = true;
    const checked = <R>(kind: StoreOperationKind, operation: () => Observable<R>): Observable<R> =>
      defer(() => {
        if (killed !== this.#killed) return NEVER;
        const changes = kind === 'write' || kind === 'truncate';
        return open && (!changes || writable) ? operation() : throwError(() => badDescriptor(kind));
      });
    const change = (operation: Omit<StoreOperation, 'file'>, effect: () => void): Observable<void> =>
      checked(operation.kind, () => this.#change({ ...operation, file: name }, effect));

    const write = (pieces: readonly Uint8Array[], position: number): Observable<void> => {
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return change({ kind: 'write', position, bytes: length }, () => {
        if (length === 0) return;
        const bytes = joined(pieces, length);
        content.write(position, bytes);
        this.journal.push({ kind: 'write', name, file, position, bytes });
      });
    };
    const sync = (range?: FileRange): Observable<void> => {
      const event = (kind: 'sync' | 'syncFailed', begun: number): void => {
        this.journal.push({ kind, name, file, begun, ...(range && { range }) });
      };
      return checked('sync', () =>
        this.#do(
          { kind: 'sync', file: name },
          () => {
            const begun = this.journal.length;
            return () => {
              event('sync', begun);
            };
          },
          {
            pretended: nothing,
            failed: (begun) => {
              event('syncFailed', begun);
            },
          },
        ),
      );
    };
    const writeDurable = (pieces: readonly Uint8Array[], position: number): Observable<void> => {
      const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return concat(write(pieces, position).pipe(ignoreElements()), sync({ position, bytes }));
    };

    return {
      name,
      size: () => checked('size', () => this.#ask({ kind: 'size', file: name }, () => content.length)),
      read: (position, bytes) =>
        checked('read', () =>
          this.#ask({ kind: 'read', file: name, position, bytes }, () => content.slice(position, position + bytes)),
        ),
      write,
      ...(this.#options.durableWrites && { writeDurable }),
      sync: () => sync(),
      truncate: (size) =>
        change({ kind: 'truncate' }, () => {
          this.#resize(name, inode, size);
        }),
      close: () =>
        checked('close', () =>
          this.#ask({ kind: 'close', file: name }, () => {
            open = false;
          }),
        ),
    };
  }
}

function nothing(): void {
  // An operation that only pretends, and the end of one that took effect when it began.
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function badDescriptor(kind: string): Error {
  return Object.assign(new Error(`EBADF: bad file descriptor, ${kind}`), { code: 'EBADF' });
}

function noSuchFile(syscall: string, name: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, ${syscall} '${name}'`), {
    code: 'ENOENT',
    syscall,
  });
}
