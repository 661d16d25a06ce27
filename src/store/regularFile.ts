import { constants, type FileStats } from './fileCalls';

/**
 * A file of the log is never a symbolic link: what one leads to is somebody else's. And opening a pipe would wait for its other end.
 * Windows has neither flag.
 */
const { O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as { O_NOFOLLOW?: number; O_NONBLOCK?: number };
export const REGULAR_ONLY = O_NOFOLLOW | O_NONBLOCK;

/** What is no regular file was not made by a log. */
export function strangerIn(stats: FileStats): NodeJS.ErrnoException | undefined {
  if (stats.isFile) return undefined;
  const [code, what] = stats.isDirectory
    ? (['EISDIR', 'a directory'] as const)
    : (['EINVAL', 'a device, pipe or socket'] as const);
  return Object.assign(new Error(`${code}: it is ${what}, and the log's files are regular files`), { code });
}
