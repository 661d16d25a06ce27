import type { Observable } from 'rxjs';
import { CHECKPOINT_FILE } from '../format/checkpoint';
import { READERS_FILE } from '../format/readers';
import { snapshotOf } from '../format/snapshot';

/**
 * The disk as the log sees it: one directory, few operations. Everything that can fail or take time on a disk goes through
 * here, so that a test can make it fail and virtual time can make it slow. `nodeStore` is the real one, `memoryStore` the
 * one for specs; both pass the same contract suite.
 *
 * Every Observable is cold (nothing happens before it is subscribed), emits at most once (but for `readStarts`), and fails with the
 * system's own error. None of them retries, but that `nodeStore` on Windows waits for somebody else to close a file that is to be renamed,
 * removed or opened.
 */
export interface SegmentStore {
  /** Where the log is, for messages. */
  readonly dir: string;

  /**
   * Makes the directory where there is none (with a directory fsync of its parent) and takes its one writer's lock.
   * Emits what gives it back. Fails with `WalLockedError` while another log, in any process, holds it.
   */
  lock(): Observable<Unlock>;

  /** Names of the files in the directory, in no order. */
  list(): Observable<readonly string[]>;

  /**
   * Opens a file. `'read'` and `'write'` need it to be there; `'create'` makes it, or empties it where it is.
   * A new file's name is durable only after `syncDir()`.
   */
  open(name: string, access: SegmentAccess): Observable<SegmentFile>;

  /**
   * The first bytes of each of many files, `length` of them or as many as it has, in the order of the names and as many at a time as it
   * likes, where a store can give them at less than it takes to open a file, read, and close it: opening a log reads one header a segment.
   * Where a file cannot be read it gives what stands before that file, and then fails with its error, when nothing is open any more.
   */
  readonly readStarts?: ((names: readonly string[], length: number) => Observable<readonly Uint8Array[]>) | undefined;

  /**
   * When a file was last written: milliseconds since 1970 by the wall clock. Where a store cannot say, the age of a segment counts from the
   * opening of the log.
   */
  readonly modifiedAt?: ((name: string) => Observable<number>) | undefined;

  /** Renames a file over another, atomically. Durable only after `syncDir()`. */
  rename(from: string, to: string): Observable<void>;

  /** Removes a file. Durable only after `syncDir()`. */
  remove(name: string): Observable<void>;

  /** Makes the names in the directory durable. */
  syncDir(): Observable<void>;
}

export type SegmentAccess = 'read' | 'write' | 'create';

/** Gives the lock back. */
export type Unlock = () => Observable<void>;

/** An open file of a {@link SegmentStore}. Has no position of its own. */
export interface SegmentFile {
  readonly name: string;

  /** Its size in bytes. */
  size(): Observable<number>;

  /** Reads `length` bytes from `position`; fewer only where the file ends. The memory is the caller's. */
  read(position: number, length: number): Observable<Uint8Array>;

  /** Hands all pieces to the operating system, one behind the other from `position` on. Never partial: all of them, or an error. */
  write(pieces: readonly Uint8Array[], position: number): Observable<void>;

  /** `write` and `sync` of these bytes in one call, where the platform has one that is as safe (`O_DSYNC`). Absent elsewhere. */
  readonly writeDurable?: (pieces: readonly Uint8Array[], position: number) => Observable<void>;

  /** Makes everything written so far, and the size, durable. */
  sync(): Observable<void>;

  /** Cuts the file to `size` bytes. Durable only after `sync()`. */
  truncate(size: number): Observable<void>;

  close(): Observable<void>;
}

/** A file as readers need it. */
export type ReadOnlyFile = Pick<SegmentFile, 'name' | 'size' | 'read'>;

/** The file that carries the lock. */
export const LOCK_FILE = 'LOCK';
/** What the name of a file under construction ends with; one that is found was left by a crash. */
export const TEMPORARY_SUFFIX = '.tmp';

const SEGMENT_NAME = /^wal_(\d{8,15})\.log$/;

/** The last segment that a log may have: there is a name for each that it could ever get to behind it. */
export const MAX_SEQUENCE = 10 ** 14;

/** `wal_00000042.log` for 42. */
export function segmentName(sequence: number): string {
  return `wal_${String(sequence).padStart(8, '0')}.log`;
}

/** 42 for `wal_00000042.log`; `undefined` for a name that is none of ours. */
export function segmentSequence(name: string): number | undefined {
  const digits = SEGMENT_NAME.exec(name)?.[1];
  if (digits === undefined) return undefined;
  const sequence = Number(digits);
  return segmentName(sequence) === name ? sequence : undefined;
}

/** The numbers of the segments among names, in ascending order. */
export function segmentSequences(names: readonly string[]): number[] {
  const sequences = names.map(segmentSequence).filter((sequence) => sequence !== undefined);
  return sequences.sort((a, b) => a - b);
}

/** Whether a crash of this log left the file behind half made. */
export function isLeftover(name: string): boolean {
  if (!name.endsWith(TEMPORARY_SUFFIX)) return false;
  const whole = name.slice(0, -TEMPORARY_SUFFIX.length);
  return isWhole(whole);
}

/**
 * The log's own name for a file whose name differs from it in case alone; any other as it is. For a system that finds files whatever their
 * case: there a log that came back in capitals (from an archive, another file system) is the log, and not in the way of a new one.
 */
export function knownName(name: string): string {
  const lower = name.toLowerCase();
  return isWhole(lower) || isLeftover(lower) ? lower : name;
}

/** Whether a name is one that this log gives to its files. */
function isWhole(name: string): boolean {
  const isMeta = name === CHECKPOINT_FILE || name === READERS_FILE;
  return isMeta || segmentSequence(name) !== undefined || snapshotOf(name) !== undefined;
}
