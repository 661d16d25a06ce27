/** Stable codes, one for each way a log can say no. Switch on these; messages may change. */
export type WalErrorCode =
  | 'WAL_CORRUPT'
  | 'WAL_POISONED'
  | 'WAL_CLOSED'
  | 'WAL_LOCKED'
  | 'WAL_BACKPRESSURE'
  | 'WAL_RECORD'
  | 'WAL_VERSION'
  | 'WAL_TRUNCATED'
  | 'WAL_PROJECTION'
  | 'WAL_OPEN_TRANSACTIONS'
  | 'WAL_IO';

/** The base of every error that rxwal makes. `code` is stable; `cause` is what lay beneath, where something did. */
export class WalError extends Error {
  override readonly name: string = 'WalError';

  constructor(
    readonly code: WalErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Where a log stopped making sense. */
export interface CorruptionPlace {
  /** Name of the file in the log's directory. */
  readonly file: string;
  /** Byte offset in that file of the first frame that is not valid. */
  readonly offset: number;
  /** The LSN expected there; 0 where none can be named. */
  readonly lsn: number;
  /** What was expected and what stood there. */
  readonly reason: string;
}

/**
 * `WAL_CORRUPT`: bytes that no crash can explain. Nothing was changed on disk.
 *
 * What now: restore the directory from a copy; or read what can be proven with `readWal(dir, { recovery: 'salvage' })`, and make a log of
 * it with `repairWal`.
 */
export class WalCorruptError extends WalError implements CorruptionPlace {
  override readonly name = 'WalCorruptError';
  readonly file: string;
  readonly offset: number;
  readonly lsn: number;
  readonly reason: string;

  constructor(place: CorruptionPlace, options?: ErrorOptions) {
    const at = place.lsn > 0 ? ` (LSN ${place.lsn})` : '';
    super(
      'WAL_CORRUPT',
      `${place.file} is damaged at byte ${place.offset}${at}: ${place.reason}. Nothing was changed.`,
      options,
    );
    this.file = place.file;
    this.offset = place.offset;
    this.lsn = place.lsn;
    this.reason = place.reason;
  }
}

/**
 * `WAL_POISONED`: a write or an fsync failed, so the log stopped for good. `cause` is the failure.
 *
 * What now: close the log, mend the disk, open it again. Everything acknowledged is there; `outcome` says what became of the
 * record whose append failed.
 */
export class WalPoisonedError extends WalError {
  override readonly name = 'WalPoisonedError';

  constructor(
    cause: unknown,
    /**
     * `'not written'`: the record never reached the operating system and will not be there at the next open.
     * `'unknown'`: it was on its way when the failure came; the next open may or may not show it.
     */
    readonly outcome: 'not written' | 'unknown',
    /** The LSN the record had been given; 0 where it had none. */
    readonly lsn: number = 0,
  ) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const fate = outcome === 'unknown' ? 'may or may not have reached the disk' : 'was not written';
    super(
      'WAL_POISONED',
      `The log stopped at a failed write or fsync (${why}); ${lsn > 0 ? `the record with LSN ${lsn}` : 'this record'} ${fate}. ` +
        'Close the log and open it again: everything acknowledged is safe.',
      { cause },
    );
  }
}

/** `WAL_CLOSED`: the log is closing or closed; the record was not written. Open the log again to go on. */
export class WalClosedError extends WalError {
  override readonly name = 'WalClosedError';

  constructor(what: string) {
    super('WAL_CLOSED', `${what}: the log is closing or closed. Open it again to go on.`);
  }
}

/** Who holds a log, as far as its LOCK file tells. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601 time at which the holder took the lock. */
  readonly since: string;
}

/** `WAL_LOCKED`: another log is open on the directory, in this process or another. Close it, or wait for its process to end. */
export class WalLockedError extends WalError {
  override readonly name = 'WalLockedError';

  constructor(
    readonly dir: string,
    /** Who holds it, where the LOCK file could be read. */
    readonly holder: LockHolder | undefined,
  ) {
    const who = holder ? `process ${holder.pid} on ${holder.host} since ${holder.since}` : 'another process';
    super('WAL_LOCKED', `${dir} is open in ${who}. A log has one writer; close that one first.`);
  }
}

/** `WAL_BACKPRESSURE`: too much waits to become durable; the record was refused, nothing else was touched. Wait for acks, then append again. */
export class WalBackpressureError extends WalError {
  override readonly name = 'WalBackpressureError';

  constructor(
    /** Which limit was reached. */
    readonly limitName: 'maxPendingBytes' | 'maxPendingRecords',
    /** Its value: bytes or records. */
    readonly limit: number,
    /** What was waiting at that moment, in the same unit. */
    readonly pending: number,
    /** Records that were refused: more than one where it was a group. */
    readonly records: number = 1,
  ) {
    const unit = limitName === 'maxPendingBytes' ? 'bytes' : 'records';
    const refused = records === 1 ? 'this record' : `this group of ${records} records`;
    super(
      'WAL_BACKPRESSURE',
      `${pending} ${unit} wait to become durable and ${limitName} is ${limit}: ${refused} was not taken. Wait for acks and append it again; where none can come before a commit record does, flush().`,
    );
  }
}

/** `WAL_RECORD`: this one value cannot be a record (the codec refuses it, it is too large, or it does not decode). Other records are not touched. */
export class WalRecordError extends WalError {
  override readonly name = 'WalRecordError';

  constructor(message: string, options?: ErrorOptions) {
    super('WAL_RECORD', message, options);
  }
}

/** `WAL_VERSION`: a file of a newer format, or with a flag this version does not know. Upgrade rxwal; nothing was changed. */
export class WalVersionError extends WalError {
  override readonly name = 'WalVersionError';

  constructor(
    readonly file: string,
    message: string,
  ) {
    super('WAL_VERSION', `${file}: ${message}. Nothing was changed; use a version of rxwal that knows it.`);
  }
}

/** `WAL_TRUNCATED`: the records asked for were removed by a checkpoint. `firstLsn` is the first one still there. */
export class WalTruncatedError extends WalError {
  override readonly name = 'WalTruncatedError';

  constructor(
    readonly askedLsn: number,
    readonly firstLsn: number,
  ) {
    super(
      'WAL_TRUNCATED',
      `LSN ${askedLsn} was removed by a checkpoint; the first record still there is LSN ${firstLsn}.`,
    );
  }
}

/**
 * `WAL_PROJECTION`: a projection cannot go on at this record; the log does. `cause` is what its code threw.
 *
 * What now: mend its code and start it again: it goes on from its last snapshot. The log is held for it meanwhile; `wal.release` lets go.
 */
export class WalProjectionError extends WalError {
  override readonly name = 'WalProjectionError';

  constructor(
    readonly projection: string,
    /** The record that it was given; for a snapshot, the last one in it. */
    readonly lsn: number,
    reason: string,
    cause: unknown,
  ) {
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    super('WAL_PROJECTION', `The projection ${projection} stopped at LSN ${lsn}: ${reason}${why}`, { cause });
  }
}

/** Of the transactions that are open, the one that began first. */
export interface OldestTransaction {
  /** Absent where values name no transaction. */
  readonly id?: string | number | bigint;
  /** LSN of its first record. */
  readonly firstLsn: number;
}

/**
 * `WAL_OPEN_TRANSACTIONS`: `committed` holds as many records of open transactions as it may (`maxOpenRecords`), and another one came.
 *
 * What now: a transaction that its writer has left must be ended by an abort record or a reset; for larger ones raise `maxOpenRecords`.
 */
export class WalOpenTransactionsError extends WalError {
  override readonly name = 'WalOpenTransactionsError';

  constructor(
    /** `maxOpenRecords`. */
    readonly limit: number,
    /** The record that there was no room for. */
    readonly lsn: number,
    /** How many transactions were open. */
    readonly transactions: number,
    readonly oldest: OldestTransaction,
  ) {
    const id = oldest.id === undefined ? '' : `, ${typeof oldest.id === 'string' ? `'${oldest.id}'` : oldest.id},`;
    super(
      'WAL_OPEN_TRANSACTIONS',
      `${limit} records of ${transactions} open transactions are held, which is maxOpenRecords, and LSN ${lsn} is one more. ` +
        `The oldest transaction${id} began at LSN ${oldest.firstLsn}: end it by an abort record or a reset, or raise maxOpenRecords.`,
    );
  }
}

/** `WAL_IO`: a file operation outside the commit path failed (opening, reading, a checkpoint). `cause` is the system's error. */
export class WalIoError extends WalError {
  override readonly name = 'WalIoError';

  constructor(
    /** What was being done. */
    readonly operation: string,
    /** To which file of the directory. */
    readonly file: string,
    cause: unknown,
  ) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super('WAL_IO', `${operation} ${file} failed: ${why}`, { cause });
  }
}
