import { asyncScheduler, concat, defer, ignoreElements, of, type Observable } from 'rxjs';
import { WalLockedError } from '../errors';
import type { SegmentAccess, SegmentFile, SegmentStore, Unlock } from '../store/segmentStore';
import { SyncedBytes } from './syncedBytes';

/** What a store can be asked to do. `syncDir`, `list` and `lock` have no file. */
export type StoreOperationKind =
  | 'lock'
  | 'unlock'
  | 'list'
  | 'open'
  | 'create'
  | 'modifiedAt'
  | 'rename'
  | 'remove'
  | 'syncDir'
  | 'size'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'close';

/** One operation, as it is asked for. */
export interface StoreOperation {
  readonly kind: StoreOperationKind;
  /** The file; for `rename` the one that is renamed; empty where there is none. */
  readonly file: string;
  /** For `read` and `write`. */
  readonly position?: number;
  /** Bytes, for `read` and `write`. */
  readonly bytes?: number;
}

/** How long an operation takes and how it ends: its end is the end of the operation, its error is the operation's. Values are ignored. */
export type StorePlan = Observable<unknown>;

export interface MemoryStoreOptions {
  /** A name for messages. Default `'memory'`. */
  readonly dir?: string;
  /** Files to begin with; they count as durable. */
  readonly files?: ReadonlyMap<string, Uint8Array> | undefined;
  /**
   * The plan of each operation. An operation takes effect when its plan completes; one without a plan at once, synchronously.
   *
   * @example
   * memoryStore({ plan: ({ kind }) => (kind === 'sync' ? cold('---|') : undefined) })
   */
  readonly plan?: ((operation: StoreOperation) => StorePlan | undefined) | undefined;
}

/** A store in memory that knows what a power cut would leave. */
export interface MemoryStore extends SegmentStore {
  /** What the files hold now, by name: what a process that is killed leaves. */
  snapshot(): Map<string, Uint8Array>;
  /** What is certain to survive a power cut now: bytes that were fsync'd, in files whose names were. */
  durableSnapshot(): Map<string, Uint8Array>;
  /** Every operation that has been asked for, in order. */
  readonly operations: readonly StoreOperation[];
}

/**
 * A store in memory, for specs. Latencies and faults are Observables: marbles, in virtual time.
 *
 * ```
 * plan of a write:  --|         the write takes 2 frames of time
 * plan of a sync:   ---#        the fsync fails after 3
 * ```
 *
 * It has no `writeDurable`, so a commit shows its write and its fsync one after the other.
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new InMemoryStore(options);
}

interface Inode {
  readonly content: SyncedBytes;
  /** When it was last written: virtual inside `TestScheduler.run`. */
  modifiedAt: number;
}

class InMemoryStore implements MemoryStore {
  readonly dir: string;
  readonly operations: StoreOperation[] = [];
  readonly #plan: NonNullable<MemoryStoreOptions['plan']>;
  readonly #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #locked = false;

  constructor({ dir = 'memory', files, plan = () => undefined }: MemoryStoreOptions) {
    this.dir = dir;
    this.#plan = plan;
    for (const [name, content] of files ?? []) {
      this.#names.set(name, { content: new SyncedBytes(content), modifiedAt: asyncScheduler.now() });
    }
    this.#durableNames = new Map(this.#names);
  }

  snapshot(): Map<string, Uint8Array> {
    return new Map([...this.#names].map(([name, { content }]) => [name, content.slice()]));
  }

  durableSnapshot(): Map<string, Uint8Array> {
    return new Map([...this.#durableNames].map(([name, { content }]) => [name, content.durable()]));
  }

  lock(): Observable<Unlock> {
    return this.#do({ kind: 'lock', file: '' }, (): Unlock => {
      if (this.#locked) throw new WalLockedError(this.dir, undefined);
      this.#locked = true;
      return () =>
        this.#do({ kind: 'unlock', file: '' }, () => {
          this.#locked = false;
        });
    });
  }

  list(): Observable<readonly string[]> {
    return this.#do({ kind: 'list', file: '' }, () => [...this.#names.keys()]);
  }

  open(name: string, access: SegmentAccess): Observable<SegmentFile> {
    return this.#do({ kind: access === 'create' ? 'create' : 'open', file: name }, () => {
      let inode = this.#names.get(name);
      if (access === 'create') {
        inode ??= { content: new SyncedBytes(), modifiedAt: 0 };
        inode.content.resize(0);
        inode.modifiedAt = asyncScheduler.now();
        this.#names.set(name, inode);
      }
      if (!inode) throw noSuchFile('open', name);
      return this.#file(name, inode, access !== 'read');
    });
  }

  readonly modifiedAt = (name: string): Observable<number> =>
    this.#do({ kind: 'modifiedAt', file: name }, () => {
      const inode = this.#names.get(name);
      if (!inode) throw noSuchFile('stat', name);
      return inode.modifiedAt;
    });

  rename(from: string, to: string): Observable<void> {
    return this.#do({ kind: 'rename', file: from }, () => {
      const inode = this.#names.get(from);
      if (!inode) throw noSuchFile('rename', from);
      this.#names.delete(from);
      this.#names.set(to, inode);
    });
  }

  remove(name: string): Observable<void> {
    return this.#do({ kind: 'remove', file: name }, () => {
      if (!this.#names.delete(name)) throw noSuchFile('unlink', name);
    });
  }

  syncDir(): Observable<void> {
    return this.#do({ kind: 'syncDir', file: '' }, () => {
      this.#durableNames = new Map(this.#names);
    });
  }

  /** Waits for the operation's plan, then lets it take effect. */
  #do<R>(operation: StoreOperation, effect: () => R): Observable<R> {
    return defer(() => {
      this.operations.push(operation);
      const plan = this.#plan(operation);
      const done = defer(() => of(effect()));
      return plan ? concat(plan.pipe(ignoreElements()), done) : done;
    });
  }

  #file(name: string, inode: Inode, writable: boolean): SegmentFile {
    let open = true;
    const act = <R>(operation: Omit<StoreOperation, 'file'>, effect: () => R): Observable<R> =>
      this.#do({ ...operation, file: name }, () => {
        const change = operation.kind === 'write' || operation.kind === 'truncate';
        if (!open || (change && !writable)) {
          throw Object.assign(new Error(`EBADF: bad file descriptor, ${operation.kind}`), { code: 'EBADF' });
        }
        if (change) inode.modifiedAt = asyncScheduler.now();
        return effect();
      });
    return {
      name,
      size: () => act({ kind: 'size' }, () => inode.content.length),
      read: (position, length) =>
        act({ kind: 'read', position, bytes: length }, () => inode.content.slice(position, position + length)),
      write: (pieces, position) => {
        const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
        return act({ kind: 'write', position, bytes }, () => {
          let at = position;
          for (const piece of pieces) {
            inode.content.write(at, piece);
            at += piece.length;
          }
        });
      },
      sync: () =>
        act({ kind: 'sync' }, () => {
          inode.content.sync();
        }),
      truncate: (size) =>
        act({ kind: 'truncate' }, () => {
          inode.content.resize(size);
        }),
      close: () =>
        act({ kind: 'close' }, () => {
          open = false;
        }),
    };
  }
}

function noSuchFile(syscall: string, name: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, ${syscall} '${name}'`), {
    code: 'ENOENT',
    syscall,
  });
}
