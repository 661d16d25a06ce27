/**
 * The words of the log as types. See ARCHITECTURE.md for how they hang together.
 */
import type { Observable } from 'rxjs';
import type { WalError } from './errors';

/** When a batch ends, and so what an ack means. See {@link DurabilityMode}. */
export type Durability =
  | {
      /** Default. A batch ends with a commit record (`isCommit`; by default every record is one) once the previous fsync returned. */
      readonly mode: 'sync';
    }
  | {
      /** A batch ends when `maxRecords` are waiting, or `maxDelayMs` after the first of them. */
      readonly mode: 'batch';
      /** Milliseconds, at least 0. */
      readonly maxDelayMs: number;
      /** Records, at least 1. */
      readonly maxRecords: number;
    }
  | {
      /** Batches end on a steady cadence: the wait is `targetIntervalMs` less the time the last flush took, never below 0. */
      readonly mode: 'adaptive';
      /** Milliseconds, at least 0. */
      readonly targetIntervalMs: number;
    }
  | {
      /** Records go to the operating system at once; nothing is fsync'd but at `sync()`, a rotation, a checkpoint and the close. */
      readonly mode: 'nosync';
    };

export type DurabilityMode = Durability['mode'];

/** A record as it is read back. */
export interface Entry<T> {
  /** Log sequence number: dense, the first is 1. */
  readonly lsn: number;
  readonly value: T;
}

/** Which records a reader wants. */
export interface ReadOptions {
  /** Records up to this LSN are left out. Default: from the first record there. */
  readonly after?: number | undefined;
  /** The last LSN wanted. Default: to the end. */
  readonly until?: number | undefined;
  /** Ends the reading: it fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What one who follows a log wants. */
export interface TailOptions {
  /** Records up to this LSN are left out: the last one that has been dealt with. Default: from the first record there. */
  readonly after?: number | undefined;
  /**
   * Is told the LSN each time when everything durable has been shown and what follows comes live; for the first time at once where there is
   * nothing to replay. Again, when a reader that had fallen behind has caught up.
   */
  readonly onCaughtUp?: ((lsn: number) => void) | undefined;
  /** Ends the tail: it fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One append, kept. */
export interface Ack {
  readonly lsn: number;
  /** `true`: the record survives a power cut. `false` (mode `nosync` only): it has been handed to the operating system. */
  readonly durable: boolean;
}

/** How values become bytes. Every payload must decode alone, without what was encoded before it. */
export interface Codec<T> {
  /** May return memory of its own that the next call overwrites: the log copies at once. Throws for a value it cannot encode. */
  encode(value: T): Uint8Array;
  /** Gets a view that is valid for the call only unless the codec copies; must not keep it. */
  decode(payload: Uint8Array): T;
}

/** A value on its way into the log, encoded: the bytes `buffer[start, end)`. What `serialize` makes of it. */
export interface Payload {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Whether a batch may end with this record (`isCommit`). */
  readonly commit: boolean;
  /** How many records a group has, whose payload this is. Absent for a record by itself. */
  readonly records?: number | undefined;
  /**
   * Asks for the 12 bytes before the payload and the 4 behind it, room for its frame: the first who asks has it, anybody else copies the payload.
   * Absent where the memory is the codec's own, which is good until the next value arrives.
   */
  claimRoom?(): boolean;
}

/** What a frame holds: the two upper bits of its first word. */
export type FrameKind = 'record' | 'mark' | 'checkpoint' | 'group';

/** One frame as laid out on disk: the bytes `buffer[start, end)`. Frames made one after another lie side by side in one buffer. */
export interface Frame {
  readonly kind: FrameKind;
  /** Of a group: that of its first record. */
  readonly lsn: number;
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Whether a batch may end with this record. */
  readonly commit: boolean;
  /** How many records a group has. Absent for a record by itself. */
  readonly records?: number | undefined;
}

/** A frame read back from a file. */
export interface StoredFrame {
  readonly kind: FrameKind;
  /** Of a group: that of its first record. */
  readonly lsn: number;
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Offset of the frame in its file, in bytes. */
  readonly offset: number;
}

/** What a checkpoint says: the application no longer needs the log up to `lsn`. */
export interface Checkpoint {
  readonly lsn: number;
  /** The application's own counter of checkpoints; never goes back. */
  readonly epoch: number;
  /** The application's newest transaction at that moment, where it gave one. */
  readonly transactionId?: number;
}

/**
 * A call that takes its turn in the queue, behind everything appended before it.
 * `sync` and `flush` let later records ride along; `rotate` and `checkpoint` end the batch they close.
 */
export type Barrier =
  { readonly kind: 'sync' | 'flush' | 'rotate' } | { readonly kind: 'checkpoint'; readonly checkpoint: Checkpoint };

/** Why a batch ended. */
export type BatchReason = 'commit' | 'count' | 'delay' | 'cadence' | 'barrier' | 'close';

/** Frames that stand side by side in one buffer: the bytes `buffer[start, end)`. */
export interface FrameRun {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * The frames made durable by one fsync. Holds none where only a barrier was waiting.
 *
 * What is kept of them is where their bytes stand, and not an object for each: a million records that wait cost their bytes and no more.
 */
export interface Batch {
  readonly runs: readonly FrameRun[];
  /** Records in the runs: a group counts as many as it has. */
  readonly records: number;
  /** LSN of the first of them; 0 where there is none. */
  readonly firstLsn: number;
  /** LSN of the last of them; 0 where there is none. */
  readonly lastLsn: number;
  /** Sum of the runs' bytes. */
  readonly bytes: number;
  readonly reason: BatchReason;
  readonly barriers: readonly Barrier[];
}

/** The batches of one segment. */
export interface SegmentWindow {
  /** The number in the segment's name. */
  readonly sequence: number;
  /** LSN that the segment's first record has, or will have. */
  readonly firstLsn: number;
  /** Hot: subscribe when the window arrives, or lose what comes first. */
  readonly batches$: Observable<Batch>;
}

/** The file behind one window: where a segment's bytes go. Every Observable is cold and emits at most once. */
export interface SegmentSink {
  readonly sequence: number;
  /**
   * Hands the pieces, `bytes` in all, to the operating system, behind everything written before.
   *
   * @param isLast nothing will follow: no need to prepare for more.
   */
  write(pieces: readonly Uint8Array[], bytes: number, isLast?: boolean): Observable<void>;
  /** As `write`, and durable when it emits. Absent where that is not one call. */
  readonly writeDurable?: ((pieces: readonly Uint8Array[], bytes: number) => Observable<void>) | undefined;
  /** Makes everything written so far durable. */
  sync(): Observable<void>;
  /** Makes data and size durable and closes the file. */
  seal(): Observable<void>;
  /** Closes the file as it is, after a failure; does nothing once it is closed. */
  abandon(): Observable<void>;
}

/** One segment of a log. */
export interface SegmentInfo {
  readonly sequence: number;
  readonly firstLsn: number;
  /** `false` where its header does not allow groups: an earlier rxwal has made it. Default `true`. */
  readonly groups?: boolean | undefined;
}

/** A segment that is written already, to some place. */
export interface SegmentStart extends SegmentInfo {
  /** The last LSN in it; `firstLsn - 1` where it holds no record. */
  readonly lastLsn: number;
  /** Bytes it has. */
  readonly bytes: number;
}

/** One batch, done: what one fsync (in `nosync` mode: one write) made of it. */
export interface Commit {
  /** First LSN that this commit made durable (`nosync`: wrote). `lastLsn + 1` where it moved nothing. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Records written. */
  readonly records: number;
  /** Bytes written, marks and checkpoint frames included. */
  readonly bytes: number;
  readonly reason: BatchReason;
  /** `true` where every record up to `lastLsn` now survives a power cut. */
  readonly durable: boolean;
  /** Milliseconds from handing the bytes to the operating system until it had them. One `O_DSYNC` write includes the sync. */
  readonly writeMs: number;
  /** Milliseconds the fsync after it took; 0 where the write was durable by itself, or none was due. */
  readonly syncMs: number;
  /** The calls that this commit has answered. */
  readonly barriers: readonly Barrier[];
  /** Sequence of the segment it went to. */
  readonly segment: number;
}

/** A value that was not taken into the log, and why. */
export interface Rejection<T> {
  /** Of a group: the first of its values. */
  readonly value: T;
  /** All values of a group (`appendAll`), of which none was taken; the error says what was wrong with it. Absent for a value by itself. */
  readonly group?: readonly T[] | undefined;
  readonly error: WalError;
}

export type WalState = 'open' | 'closing' | 'closed' | 'poisoned';

/** What opening the log found. */
export interface Recovery {
  /** Whether its last segment ends with a mark for its last record, as a closed log's does. A new log is clean. */
  readonly clean: boolean;
  /** First LSN still in the log; `lastLsn + 1` where it holds none. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Records the log holds. */
  readonly records: number;
  /** Bytes of a torn tail that were cut off: what a crash may honestly leave. */
  readonly bytesCut: number;
  /** Segments the log consists of. */
  readonly segments: number;
  /** The newest checkpoint, where there is one. */
  readonly checkpoint: Checkpoint | undefined;
  /** Milliseconds it took. */
  readonly milliseconds: number;
}

/** Who needs the log: every record behind `lsn` stays for it, whatever a checkpoint says. */
export interface Reader {
  readonly name: string;
  /** It has everything up to here. */
  readonly lsn: number;
  /** When it last moved, or was made: milliseconds since 1970 by the wall clock. */
  readonly movedAt: number;
}

/** What `readers.meta` says. */
export interface Holds {
  readonly readers: readonly Reader[];
  /** Up to this LSN segments may go whatever a reader needs: a cap with `evenIfRead` has said so. 0 = never. */
  readonly cutLsn: number;
}

/** Caps on what a log keeps, and when a reader counts as stuck. Sizes in bytes, times in milliseconds. */
export interface RetentionOptions {
  /**
   * Largest size of all segments together, in bytes; zeros laid ahead do not count. What is above goes, oldest segment first; the one that is
   * being written stays. At least 1.
   *
   * @default no cap
   */
  readonly maxBytes?: number | undefined;
  /**
   * A segment goes when its last record is older than this, in milliseconds. At least 1. Of what an earlier opening wrote, the age is that of the file, which
   * a close writes last.
   *
   * @default no cap
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * Whether a cap removes also what a named reader still needs. That reader then reads `WalTruncatedError`, and `retention$` tells how many
   * records it has lost.
   *
   * @default false
   */
  readonly evenIfRead?: boolean | undefined;
  /**
   * A reader counts as stuck when records behind it have been durable for this long, in milliseconds, and it has not moved since. Counts anew from
   * the opening. At least 0.
   *
   * @default 60_000
   */
  readonly stuckAfterMs?: number | undefined;
}

/**
 * Why a log keeps what is behind `floorLsn`: nobody has asked for a removal yet; the last checkpoint ends there; a reader needs what
 * comes next; a cap of this opening made that checkpoint, and there is room for the rest.
 */
export type KeptBy =
  { readonly kind: 'nothing asked' | 'checkpoint' | 'cap' } | { readonly kind: 'reader'; readonly name: string };

/** A named reader, and how far behind it is. */
export interface ReaderState extends Reader {
  /** Up to here a projection of this process has applied the log; `lsn` is where its second newest snapshot is. Absent for others. */
  readonly takenLsn?: number;
  /** Durable records that it has not taken. */
  readonly lag: number;
  /** Of those, the records that a cap with `evenIfRead` has removed. */
  readonly lost: number;
  /** See `stuckAfterMs`. */
  readonly stuck: boolean;
}

/** What a log keeps, and why. */
export interface Retention {
  /** LSN of the oldest record there; `lastLsn + 1` where there is none. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly durableLsn: number;
  /** The newest checkpoint that is saved. */
  readonly checkpoint: Checkpoint | undefined;
  readonly segments: number;
  /** Size of all segments, without zeros laid ahead. Absent until the sizes of older segments are known. */
  readonly bytes?: number;
  /** Segments whose records are all up to here may go; at least the one that is being written stays. */
  readonly floorLsn: number;
  /** Why what comes behind `floorLsn` is kept. */
  readonly keptBy: KeptBy;
  /** In the order of their names. */
  readonly readers: readonly ReaderState[];
  /** Why a removal, or a cap, was not carried out the last time; absent where all is well. The log goes on, and the next one does the rest. */
  readonly problem?: WalError;
}

/** What a log has done since it was opened, and what waits in it: counts, for those who watch it. */
export interface WalStats {
  /** Records appended whose ack is not due yet: what `maxPendingRecords` bounds. */
  readonly pendingRecords: number;
  /** Bytes of the frames whose commit has not returned: what `maxPendingBytes` bounds. */
  readonly pendingBytes: number;
  /** Segments the log consists of. */
  readonly segments: number;
  /** Segments begun since the log was opened. */
  readonly rotations: number;
  /** Checkpoints saved since then. */
  readonly checkpoints: number;
  /** Values refused since then: what `rejected$` has told, or would have told somebody. */
  readonly rejected: number;
}
