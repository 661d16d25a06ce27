import type { Checkpoint, KeptBy } from '../types';
import type { WalMetrics } from '../metrics/walMetrics';

/** How a log is doing, as a word and in words. */
export interface LogState {
  /**
   * Of a log of this process: its `state$`. Of another process's: `closed` (it ends with a mark for its last record), `unclosed`, `empty`,
   * `absent` (no such directory), `damaged`, `unreadable`.
   */
  readonly word:
    'open' | 'closing' | 'closed' | 'poisoned' | 'unclosed' | 'empty' | 'absent' | 'damaged' | 'unreadable';
  readonly text: string;
}

/** One place on the time axis. `null`: known only inside the writing process, or nothing happened that could be measured. */
export interface Point {
  /** On the server's clock, which has no date. */
  readonly atMs: number;
  /** Records acknowledged (directory: shown to be durable) a second. */
  readonly records: number | null;
  /** Bytes written (directory: of these records) a second. */
  readonly bytes: number | null;
  readonly commits: number | null;
  /** Mean milliseconds of a commit, write and fsync. */
  readonly commitMs: number | null;
  /** 99th percentile of the same, as near as the bounds of the histogram tell. */
  readonly commitP99Ms: number | null;
  /** Mean records of a commit. */
  readonly batchRecords: number | null;
  /** Records that wait to become durable. */
  readonly queueRecords: number | null;
}

/** A segment of the map. */
export interface SegmentShown {
  readonly sequence: number;
  readonly firstLsn: number;
  /** Absent for the last one, which grows. */
  readonly lastLsn?: number;
  /** Size of the file, zeros ahead included; absent where it cannot be known. */
  readonly bytes?: number;
}

/** What the files tell. */
export interface FilesShown {
  /** The newest ones, oldest first. */
  readonly segments: readonly SegmentShown[];
  /** Segments that are older than those. */
  readonly olderSegments: number;
  readonly checkpoint: Checkpoint | undefined;
  /** LSN of the oldest record. */
  readonly firstLsn: number;
}

/** A named reader that holds the log. */
export interface ReaderShown {
  readonly name: string;
  readonly lsn: number;
  /** Durable records that it has not taken. */
  readonly lag: number;
  /** Milliseconds since 1970, by the wall clock. */
  readonly movedAt: number;
  /** Directory: absent, for when a reader counts as stuck is an option of the writer. */
  readonly stuck?: boolean;
}

/** Who holds the log, and what that keeps. */
export interface ReadersShown {
  /** Those that are furthest behind, furthest first. */
  readonly readers: readonly ReaderShown[];
  /** Readers that are not among them. */
  readonly more: number;
  /** Segments whose records are all up to here may go. */
  readonly floorLsn: number;
  readonly keptBy: KeptBy;
}

/** A record, as text. */
export interface EntryShown {
  readonly lsn: number;
  /** JSON, of bounded length. */
  readonly text: string;
  /** What of it is not shown, and why. */
  readonly note?: string;
}

/** Something that has happened, in words. */
export interface Notice {
  readonly atMs: number;
  readonly text: string;
  /** How often in a row. */
  readonly times: number;
}

/** What the page shows, once an interval. Bounded in size, whatever the log holds. */
export interface Report {
  readonly source: 'process' | 'directory';
  readonly dir: string;
  readonly atMs: number;
  readonly state: LogState;
  readonly point: Point;
  /** Directory: absent, for it is known only inside the writing process. */
  readonly metrics: WalMetrics | undefined;
  /** The last record appended (directory: the last one that is shown to be durable). */
  readonly lastLsn: number | undefined;
  readonly durableLsn: number | undefined;
  /** Absent until they have been looked at, or where they cannot be. */
  readonly files: FilesShown | undefined;
  /** Absent as `files` is. */
  readonly held: ReadersShown | undefined;
  /** Newest first. */
  readonly entries: readonly EntryShown[];
  readonly notices: readonly Notice[];
}
