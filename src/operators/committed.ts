import { concatMap, defer, type MonoTypeOperatorFunction } from 'rxjs';
import type { Entry } from '../types';
import type { WalRecord } from '../walRecord';

const NONE: readonly Entry<WalRecord>[] = [];

/**
 * Keeps only what belongs to committed transactions. A transaction's records come out with its commit record, in LSN order.
 *
 * `a`, `b` are changes, `C` a commit, `X` an abort, `K` a checkpoint:
 *
 * ```
 * source:       -a-b-C---a-X--b-K--a-|
 * committed():  -----(abC)------K----|
 * ```
 *
 * An abort drops the records since the last commit, a checkpoint drops them and stays itself, and those that are still open at
 * the end are dropped: they were never committed. Memory: the records of one open transaction.
 */
export function committed(): MonoTypeOperatorFunction<Entry<WalRecord>> {
  return (source) =>
    defer(() => {
      let open: Entry<WalRecord>[] = [];
      const close = (): Entry<WalRecord>[] => {
        const closed = open;
        open = [];
        return closed;
      };
      return source.pipe(
        concatMap((entry) => {
          switch (entry.value.type) {
            case 'TransactionCommit':
              return [...close(), entry];
            case 'TransactionAbort':
              close();
              return NONE;
            case 'Checkpoint':
              close();
              return [entry];
            default:
              open.push(entry);
              return NONE;
          }
        }),
      );
    });
}
