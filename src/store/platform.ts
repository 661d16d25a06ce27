import { constants } from './fileCalls';

/** What differs between the systems that a store may run on. What each then promises is in the README, under Platforms. */
export interface Platform {
  /**
   * The flag that makes each write durable before it returns: one trip through the thread pool where `write` and `fdatasync` take two.
   * Absent on macOS, where it stops at the drive's cache and libuv's fsync (`F_FULLFSYNC`) does not, and on Windows.
   */
  readonly durableWrites: number | undefined;
  /** Whether a directory can be fsync'd. Not on Windows, which cannot open one as a file; NTFS journals its names. */
  readonly syncsDirectories: boolean;
  /** Whether a directory may be renamed over an empty one. Not on Windows. */
  readonly replacesDirectories: boolean;
  /** Whether names are often found whatever their case: then a segment whose name came back in capitals is that segment. */
  readonly ignoresCase: boolean;
  /** Whether a file that somebody else has open (a virus scanner, an indexer, a backup) cannot be renamed, removed, or opened. */
  readonly refusesFilesInUse: boolean;
}

/** @param name as `process.platform` has it. What is not known is taken for a POSIX system. */
export function platformOf(name: NodeJS.Platform): Platform {
  const isWindows = name === 'win32';
  const isMac = name === 'darwin';
  return {
    durableWrites: isWindows || isMac ? undefined : constants.O_DSYNC,
    syncsDirectories: !isWindows,
    replacesDirectories: !isWindows,
    ignoresCase: isWindows || isMac,
    refusesFilesInUse: isWindows,
  };
}

/** The one that this process runs on. */
export const PLATFORM = platformOf(process.platform);
