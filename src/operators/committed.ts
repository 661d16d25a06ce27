import { concatMap, defer, type MonoTypeOperatorFunction } from 'rxjs';
import { WalOpenTransactionsError } from '../errors';
import { checkCallback, checkNames, integer } from '../options';
import type { Entry } from '../types';
import type { WalRecord } from '../walRecord';

/** Names a transaction. Compared as the keys of a `Map` are: `1`, `1n` and `'1'` are three. */
export type TransactionId = string | number | bigint;

/** How a log's values tell what belongs to which transaction. Each value is asked for in the order of this list; the first yes counts. */
export interface CommittedOptions<T> {
  /** Whether a value drops every transaction that is open, and stays itself: a checkpoint, a restart of the writer. Default: none does. */
  readonly isReset?: ((value: T) => boolean) | undefined;
  /** Whether a value commits a transaction. */
  readonly isCommit: (value: T) => boolean;
  /** Whether a value aborts one. Default: none does. */
  readonly isAbort?: ((value: T) => boolean) | undefined;
  /**
   * The transaction that a value belongs to, commits or aborts; `undefined` for a value that belongs to none. Default: there is one
   * transaction at a time, and every value belongs to it.
   */
  readonly transactionOf?: ((value: T) => TransactionId | undefined) | undefined;
  /**
   * Records that may be held for all open transactions together. One more fails with `WalOpenTransactionsError`. At least 1.
   *
   * @default no bound
   */
  readonly maxOpenRecords?: number | undefined;
}

const OF_WAL_RECORDS: CommittedOptions<WalRecord> = {
  isReset: (record) => record.type === 'Checkpoint',
  isCommit: (record) => record.type === 'TransactionCommit',
  isAbort: (record) => record.type === 'TransactionAbort',
};

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
 *
 * What a crash has left open is not at the end any more when the next process appends: the next commit would take it in. So append an abort
 * before the first transaction where the log does not end with the end of one; or append each transaction by `appendAll`, which leaves nothing open.
 *
 * One transaction at a time: a `WalRecord` names its transaction at the commit and at the abort only, so of two that were written at once
 * nothing tells the changes apart. A log of such gives each of them its transaction, `WalRecord & { readonly transactionId: Id }`, and
 * reads with `transactionOf`.
 */
export function committed(): MonoTypeOperatorFunction<Entry<WalRecord>>;
/**
 * The same for values of any type, and for transactions that were written at the same time.
 *
 * `a`, `b` are changes of transaction 1 and `C` is its commit; `d`, `e`, `F` those of transaction 2, and `Y` its abort; `p` belongs to none:
 *
 * ```
 * source:                                              -a-d-b-p-C---e-F-------d-Y-|
 * committed({ isCommit, isAbort, transactionOf }):     -------p-(abC)-(deF)-------|
 * ```
 *
 * Each transaction comes out at its own commit, whatever others are open, so what comes out is in the order of the commits, and in LSN order
 * within each. What belongs to none comes out at once, before older records of transactions that are still open. So the LSN of what came
 * last is no place to read on from, nor to checkpoint at, while older transactions are open. An id may be used again after its commit
 * or abort. Those still open at the end are dropped.
 *
 * Fails with TypeError where `transactionOf` gives no id for a commit or an abort, or something else than an id, and with
 * `WalOpenTransactionsError` past `maxOpenRecords`; with what a callback throws. Memory: the records of the transactions that are open.
 *
 * @throws TypeError or RangeError for a bad option, by name, at once.
 * @example
 * readWal<Posting>(dir).pipe(committed({ isCommit: ({ kind }) => kind === 'commit', transactionOf: ({ transfer }) => transfer }))
 */
export function committed<T>(options: CommittedOptions<T>): MonoTypeOperatorFunction<Entry<T>>;
export function committed<T>(
  options: CommittedOptions<T> = OF_WAL_RECORDS as unknown as CommittedOptions<T>,
): MonoTypeOperatorFunction<Entry<T>> {
  const checked = checkOptions(options);
  return (source) =>
    defer(() => {
      const open = new OpenTransactions(checked);
      return source.pipe(concatMap((entry) => open.take(entry)));
    });
}

function checkOptions<T>(options: CommittedOptions<T>): CommittedOptions<T> {
  checkNames('options', options, ['isReset', 'isCommit', 'isAbort', 'transactionOf', 'maxOpenRecords']);
  const { isReset, isCommit, isAbort, transactionOf, maxOpenRecords } = options;
  if ((isCommit as unknown) === undefined) throw new TypeError('isCommit must be a function, not undefined');
  for (const [name, callback] of Object.entries({ isReset, isCommit, isAbort, transactionOf }))
    checkCallback(name, callback);
  if (maxOpenRecords !== undefined) integer('maxOpenRecords', maxOpenRecords, 1);
  return { isReset, isCommit, isAbort, transactionOf, maxOpenRecords };
}

/** The key of the one transaction, where values name none. */
const THE_ONE = '';

/** The records of the transactions that are open, for one subscriber. */
class OpenTransactions<T> {
  /** In the order in which they began. */
  readonly #records = new Map<TransactionId, Entry<T>[]>();
  #held = 0;

  constructor(private readonly options: CommittedOptions<T>) {}

  /** What comes out at an entry. State changes before. */
  take(entry: Entry<T>): readonly Entry<T>[] {
    const { isReset, isCommit, isAbort } = this.options;
    const { value } = entry;
    if (isReset?.(value)) {
      this.#records.clear();
      this.#held = 0;
      return [entry];
    }
    if (isCommit(value)) return [...this.#end(entry, 'commit'), entry];
    if (isAbort?.(value)) {
      this.#end(entry, 'abort');
      return [];
    }
    const id = this.#idOf(entry);
    if (id === undefined) return [entry];
    this.#hold(id, entry);
    return [];
  }

  #hold(id: TransactionId, entry: Entry<T>): void {
    const { maxOpenRecords } = this.options;
    if (maxOpenRecords !== undefined && this.#held >= maxOpenRecords) {
      const [[transaction, [first]] = [id, [entry]]] = this.#records;
      throw new WalOpenTransactionsError(maxOpenRecords, entry.lsn, this.#records.size, {
        ...(this.options.transactionOf && { id: transaction }),
        firstLsn: (first ?? entry).lsn,
      });
    }
    this.#held += 1;
    const records = this.#records.get(id);
    if (records) records.push(entry);
    else this.#records.set(id, [entry]);
  }

  /** Lets go of the transaction that an entry ends. @returns its records. */
  #end(entry: Entry<T>, what: 'commit' | 'abort'): readonly Entry<T>[] {
    const id = this.#idOf(entry);
    if (id === undefined) throw new TypeError(`transactionOf gave no id for the ${what} at LSN ${entry.lsn}`);
    const records = this.#records.get(id) ?? [];
    this.#records.delete(id);
    this.#held -= records.length;
    return records;
  }

  #idOf({ lsn, value }: Entry<T>): TransactionId | undefined {
    const { transactionOf } = this.options;
    if (!transactionOf) return THE_ONE;
    const id: unknown = transactionOf(value);
    if (id === undefined || typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint') return id;
    // An object would be another one for each record: no transaction would ever end.
    const given = id === null ? 'null' : typeof id;
    throw new TypeError(`transactionOf must give a string, a number, a bigint or undefined, not ${given} (LSN ${lsn})`);
  }
}
