import { recoverWal } from '../openWal';
import type { WalOptions } from '../options';
import type { Wal } from '../wal';
import type { WalRecord } from '../walRecord';
import { memoryStore, type MemoryStore, type MemoryStoreOptions } from './memoryStore';

export interface MemoryWalOptions<T> extends WalOptions<T> {
  /** The plan of the store's operations, from the moment the log is open. Opening it takes no time. */
  readonly plan?: MemoryStoreOptions['plan'];
  /** Files to begin with: a snapshot of another memory store. */
  readonly files?: MemoryStoreOptions['files'];
}

/**
 * An open log in memory, at once: what a marble test of code on top of a log begins with. Zeros are laid ahead only if asked for, so
 * every write and fsync of the store is one of a batch.
 *
 * To test the time that opening takes, use `recoverWal(memoryStore({ plan }))`.
 *
 * @throws what opening fails with.
 */
export function memoryWal<T = WalRecord>(
  options: MemoryWalOptions<T> = {},
): { readonly wal: Wal<T>; readonly store: MemoryStore } {
  const { plan, files, ...walOptions } = options;
  let opened: Wal<T> | undefined;
  let failure: unknown = new Error('Opening a log in memory takes no time');
  const store = memoryStore({ files, plan: (operation) => (opened ? plan?.(operation) : undefined) });
  recoverWal<T>(store, { preallocateBytes: 0, ...walOptions }).subscribe({
    next: (wal) => {
      opened = wal;
    },
    error: (error: unknown) => {
      failure = error;
    },
  });
  if (!opened) throw failure;
  return { wal: opened, store };
}
