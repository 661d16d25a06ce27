import { defer, map, type Observable } from 'rxjs';
import { memoryStore, type MemoryStore } from 'rxwal/testing';
import type { SegmentFile, SegmentStore } from 'rxwal';
import type { Files } from '../support/reference';
import { isOwn } from './names';

/** Bytes that may be asked for at a time: a chunk, and never more than there are, a header's or a checkpoint's few aside. */
const CHUNK_BYTES = 1024 * 1024;
const FEW_BYTES = 4096;

/** What a store was asked for that nobody has a right to. */
export interface Watch {
  readonly complaints: readonly string[];
  readonly operations: number;
  /** Whether anything was written, renamed, removed or made. */
  readonly changed: boolean;
}

/** Memory answers at once. */
function sizeOf(file: SegmentFile): number {
  let size = 0;
  file.size().subscribe((bytes) => (size = bytes));
  return size;
}

/**
 * A store in memory that watches what it is asked for: names of the log only, reads within bounds, and no more operations than the size of
 * the directory can explain. Past that number every operation fails, so that an endless loop ends and is told of.
 *
 * @param looks how often it may be looked at as a whole.
 */
export function watchedStore(
  files: Files,
  looks = 1,
): {
  readonly store: SegmentStore;
  readonly memory: MemoryStore;
  readonly watch: Watch;
} {
  const memory = memoryStore({ files });
  const complaints: string[] = [];
  let operations = 0;
  let changed = false;
  let bytes = 0;
  for (const content of files.values()) bytes += content.length;
  const most = looks * (120 + 16 * files.size + 8 * Math.ceil(bytes / CHUNK_BYTES));

  const ask = <R>(what: string, change: boolean, operation: () => Observable<R>): Observable<R> =>
    defer(() => {
      operations += 1;
      changed ||= change;
      if (operations > most) {
        if (operations === most + 1)
          complaints.push(`more than ${most} operations for ${files.size} files of ${bytes} bytes`);
        throw new Error(`${what}: too many operations`);
      }
      return operation();
    });
  const named = (name: string): void => {
    if (!isOwn(name)) complaints.push(`asks for ${JSON.stringify(name)}, which is no file of a log`);
  };

  const watchFile = (file: SegmentFile): SegmentFile => ({
    name: file.name,
    size: () => ask('size', false, () => file.size()),
    read: (position, length) =>
      ask('read', false, () => {
        const there = sizeOf(file);
        if (length > Math.max(FEW_BYTES, Math.min(CHUNK_BYTES, there)))
          complaints.push(`reads ${length} bytes of ${file.name}, which has ${there}`);
        return file.read(position, length);
      }),
    write: (pieces, position) => ask('write', true, () => file.write(pieces, position)),
    sync: () => ask('sync', false, () => file.sync()),
    truncate: (size) => ask('truncate', true, () => file.truncate(size)),
    close: () => ask('close', false, () => file.close()),
  });
  const store: SegmentStore = {
    dir: memory.dir,
    lock: () => ask('lock', false, () => memory.lock()),
    list: () => ask('list', false, () => memory.list()),
    open: (name, access) => {
      named(name);
      return ask('open', access === 'create', () => memory.open(name, access).pipe(map(watchFile)));
    },
    rename: (from, to) => {
      named(from);
      named(to);
      return ask('rename', true, () => memory.rename(from, to));
    },
    remove: (name) => {
      named(name);
      return ask('remove', true, () => memory.remove(name));
    },
    syncDir: () => ask('syncDir', false, () => memory.syncDir()),
  };
  return {
    store,
    memory,
    watch: {
      complaints,
      get operations() {
        return operations;
      },
      get changed() {
        return changed;
      },
    },
  };
}
