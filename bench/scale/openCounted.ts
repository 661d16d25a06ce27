import { lastValueFrom } from 'rxjs';
import { nodeStore, recoverWal, type Wal, type WalOptions } from 'rxwal';
import { StoreCalls, countingStore } from './storeCalls';

/** Opens a log on the real disk as `openWal` does, with its calls counted. */
export async function openCounted<T>(
  dir: string,
  options: WalOptions<T>,
): Promise<{ readonly wal: Wal<T>; readonly calls: StoreCalls }> {
  const calls = new StoreCalls();
  const wal = await lastValueFrom(recoverWal<T>(countingStore(nodeStore(dir), calls), options));
  return { wal, calls };
}
