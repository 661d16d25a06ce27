import { map } from 'rxjs';
import { WalIoError, readWal, recoverWal, type SegmentStore } from 'rxwal';
import { memoryStore, memoryWal, type MemoryStore } from 'rxwal/testing';

/** What a crash leaves of a log of three records. */
async function crashed(): Promise<Map<string, Uint8Array>> {
  const { wal, store } = memoryWal<string>();
  for (const value of ['a', 'b', 'c']) await wal.append(value);
  return store.snapshot();
}

/** A store whose second reading of a place differs: the kernel has dropped a page that the disk never had. */
function forgetful(memory: MemoryStore, changed: (bytes: Uint8Array) => Uint8Array): SegmentStore {
  let readings = 0;
  return {
    dir: memory.dir,
    lock: () => memory.lock(),
    list: () => memory.list(),
    rename: (from, to) => memory.rename(from, to),
    remove: (name) => memory.remove(name),
    syncDir: () => memory.syncDir(),
    open: (name, access) =>
      memory.open(name, access).pipe(
        map((file) => ({
          ...file,
          read: (position: number, length: number) =>
            file.read(position, length).pipe(
              map((bytes) => {
                // The first two are of the header and of the scan.
                readings += 1;
                return readings > 2 && !name.endsWith('.tmp') ? changed(bytes) : bytes;
              }),
            ),
        })),
      ),
  };
}

describe('a rewrite after a crash', () => {
  it.each([
    ['another byte', (bytes: Uint8Array) => bytes.with(50, (bytes[50] ?? 0) ^ 1)],
    ['fewer bytes', (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 5)],
  ])('that reads %s than the scan did is refused, and the log is as it was', async (_what, changed) => {
    const files = await crashed();
    const memory = memoryStore({ files });
    let error: unknown;
    recoverWal<string>(forgetful(memory, changed)).subscribe({ error: (failure: unknown) => (error = failure) });
    expect(error).toBeInstanceOf(WalIoError);
    expect(error).toMatchObject({ operation: 'Rewriting', file: 'wal_00000000.log' });
    const values: string[] = [];
    readWal<string>(memory).subscribe(({ value }) => values.push(value));
    expect(values).toEqual(['a', 'b', 'c']);
    expect(memory.snapshot().get('wal_00000000.log')).toEqual(files.get('wal_00000000.log'));
  });
});
