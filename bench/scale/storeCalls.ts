/** What a log asks of its disk, counted on the way through. */
import { defer, map, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from 'rxwal';

/** Calls, and the bytes they carried. */
export class StoreCalls {
  opens = 0;
  reads = 0;
  readBytes = 0;
  writes = 0;
  writtenBytes = 0;
  /** Every call that makes something durable: an fsync of a file or a directory, and a write that is durable by itself. */
  syncs = 0;
  removals = 0;

  /** How many calls there have been since an earlier copy. */
  since(before: StoreCalls): StoreCalls {
    const difference = new StoreCalls();
    for (const key of Object.keys(this) as CountName[]) difference[key] = this[key] - before[key];
    return difference;
  }

  copy(): StoreCalls {
    return Object.assign(new StoreCalls(), this);
  }
}

type CountName = {
  [K in keyof StoreCalls]: StoreCalls[K] extends number ? K : never;
}[keyof StoreCalls];

/** The same store; each call is counted when it is made. */
export function countingStore(store: SegmentStore, calls: StoreCalls): SegmentStore {
  const counted = <R>(call: () => Observable<R>, count: () => void): Observable<R> =>
    defer(() => {
      count();
      return call();
    });
  const bytesIn = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, { length }) => sum + length, 0);
  const wrote = (pieces: readonly Uint8Array[]): void => {
    calls.writes += 1;
    calls.writtenBytes += bytesIn(pieces);
  };
  const synced = (): void => {
    calls.syncs += 1;
  };

  const countingFile = (file: SegmentFile): SegmentFile => {
    const { writeDurable } = file;
    return {
      name: file.name,
      size: () => file.size(),
      read: (position, length) =>
        defer(() => {
          calls.reads += 1;
          return file.read(position, length);
        }).pipe(
          map((bytes) => {
            calls.readBytes += bytes.length;
            return bytes;
          }),
        ),
      write: (pieces, position) =>
        counted(
          () => file.write(pieces, position),
          () => wrote(pieces),
        ),
      ...(writeDurable && {
        writeDurable: (pieces, position) =>
          counted(
            () => writeDurable(pieces, position),
            () => {
              wrote(pieces);
              synced();
            },
          ),
      }),
      sync: () => counted(() => file.sync(), synced),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  };

  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) =>
      counted(
        () => store.open(name, access).pipe(map(countingFile)),
        () => {
          calls.opens += 1;
        },
      ),
    rename: (from, to) => store.rename(from, to),
    remove: (name) =>
      counted(
        () => store.remove(name),
        () => {
          calls.removals += 1;
        },
      ),
    syncDir: () => counted(() => store.syncDir(), synced),
  };
}
