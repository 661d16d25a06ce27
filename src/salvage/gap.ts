/** A place of a log where something cannot be proven. */
export interface Gap {
  /** Name of the file in the log's directory. */
  readonly file: string;
  /** Where it begins, in bytes. */
  readonly offset: number;
  /** Bytes that prove nothing; 0 where records, or the whole file, are missing. */
  readonly bytes: number;
  /** The LSN expected there; 1 for `checkpoint.meta`, which holds none. */
  readonly firstLsn: number;
  /** The last LSN that is lost: `firstLsn - 1` where none is, `undefined` where nothing behind the gap tells. */
  readonly lastLsn: number | undefined;
  /** What was expected and what stood there. */
  readonly reason: string;
  /** Whether it is a torn tail, which a crash may honestly leave: nothing in it had been acknowledged. */
  readonly torn: boolean;
}
