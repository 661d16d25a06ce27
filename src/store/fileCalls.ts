import * as fs from 'node:fs';

/** What no append waits for, whoever waits for the rest: by the pool, or at once where it is in the system's memory. */
export {
  closeSync,
  constants,
  fstatSync,
  mkdir,
  openSync,
  read,
  readSync,
  readdir,
  rm,
  rmdir,
  stat,
  type Dirent,
  type Stats,
} from 'node:fs';

export type Callback<R = void> = (error: NodeJS.ErrnoException | null, result: R) => void;

/** What the log asks of an open file's stats. */
export interface FileStats {
  readonly size: number;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

/** The calls of the file system that an append may have to wait for. They differ in who waits for the disk. */
export interface FileCalls {
  open(path: string, flags: number, mode: number | undefined, done: Callback<number>): void;
  stats(fd: number, done: Callback<FileStats>): void;
  /** Gives the number of bytes that were written. */
  write(fd: number, pieces: readonly Uint8Array[], position: number, done: Callback<number>): void;
  sync(fd: number, done: Callback): void;
  truncate(fd: number, size: number, done: Callback): void;
  close(fd: number, done: Callback): void;
  rename(from: string, to: string, done: Callback): void;
  remove(path: string, done: Callback): void;
}

export const statsOf = (stats: fs.Stats): FileStats => ({
  size: stats.size,
  isFile: stats.isFile(),
  isDirectory: stats.isDirectory(),
});

/** A thread of Node's pool waits, and with it what stands behind it in the pool's queue. */
export const poolCalls: FileCalls = {
  open: (path, flags, mode, done) => {
    fs.open(path, flags, mode, done);
  },
  stats: (fd, done) => {
    fs.fstat(fd, (error, stats) => {
      if (error) (done as (error: Error) => void)(error);
      else done(null, statsOf(stats));
    });
  },
  write: (fd, pieces, position, done) => {
    fs.writev(fd, pieces, position, done);
  },
  sync: (fd, done) => {
    fs.fsync(fd, done);
  },
  truncate: (fd, size, done) => {
    fs.ftruncate(fd, size, done as fs.NoParamCallback);
  },
  close: (fd, done) => {
    fs.close(fd, done);
  },
  rename: (from, to, done) => {
    fs.rename(from, to, done);
  },
  remove: (path, done) => {
    fs.unlink(path, done);
  },
};

/** The caller waits, and the event loop with it: no thread is woken, and nothing else happens meanwhile. */
export const blockingCalls: FileCalls = {
  open: (path, flags, mode, done) => {
    now(() => fs.openSync(path, flags, mode), done);
  },
  stats: (fd, done) => {
    now(() => statsOf(fs.fstatSync(fd)), done);
  },
  write: (fd, pieces, position, done) => {
    now(() => fs.writevSync(fd, pieces, position), done);
  },
  sync: (fd, done) => {
    now(() => {
      fs.fsyncSync(fd);
    }, done);
  },
  truncate: (fd, size, done) => {
    now(() => {
      fs.ftruncateSync(fd, size);
    }, done);
  },
  close: (fd, done) => {
    now(() => {
      fs.closeSync(fd);
    }, done);
  },
  rename: (from, to, done) => {
    now(() => {
      fs.renameSync(from, to);
    }, done);
  },
  remove: (path, done) => {
    now(() => {
      fs.unlinkSync(path);
    }, done);
  },
};

function now<R>(call: () => R, done: Callback<R>): void {
  let result: R;
  try {
    result = call();
  } catch (error) {
    (done as (error: unknown) => void)(error);
    return;
  }
  done(null, result);
}
