import { Worker } from 'node:worker_threads';
import type { Callback, FileCalls, FileStats } from './fileCalls';

/** What a call of the thread came to. Errors lose their fields on the way between threads, so these are sent. */
type Answer = readonly [failure: Failure | undefined, result: unknown];
type Failure = Pick<NodeJS.ErrnoException, 'code' | 'errno' | 'syscall' | 'path'> & { readonly message: string };

/** What runs in the thread. Text: a bundler has no file of it to lose. */
const PROGRAM = `
'use strict';
const { parentPort } = require('node:worker_threads');
const fs = require('node:fs');
const calls = {
  open: (path, flags, mode) => fs.openSync(path, flags, mode),
  stats: (fd) => {
    const stats = fs.fstatSync(fd);
    return { size: stats.size, isFile: stats.isFile(), isDirectory: stats.isDirectory() };
  },
  write: (fd, bytes, position) => fs.writeSync(fd, bytes, 0, bytes.length, position),
  sync: (fd) => fs.fsyncSync(fd),
  truncate: (fd, size) => fs.ftruncateSync(fd, size),
  close: (fd) => fs.closeSync(fd),
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.unlinkSync(path),
};
parentPort.on('message', ([name, args]) => {
  if (name === 'end') {
    parentPort.close();
    return;
  }
  let answer;
  try {
    answer = [undefined, calls[name](...args)];
  } catch (error) {
    const { code, errno, syscall, path, message } = error;
    answer = [{ code, errno, syscall, path, message }, undefined];
  }
  parentPort.postMessage(answer);
});
`;

/**
 * A thread of the store's own waits for the disk: however much else the process asks of Node's pool (hashes, compression, names, other
 * files), the log does not stand in that queue. Measured in `bench/NOTES.md`: as fast as an idle pool, 150 times as fast as one with four
 * hashes of 50 ms under way.
 *
 * The thread begins with the first call, and ends when the last file is closed. It keeps the process alive while a call is under way, as a
 * call of the pool does, and costs nothing while it waits: some 6 MiB, no wake-up.
 */
export function threadCalls(): FileCalls {
  let thread: Worker | undefined;
  let openFiles = 0;
  /** The thread answers in the order in which it is asked. */
  let asked: Callback<unknown>[] = [];

  const lost = (worker: Worker, cause?: unknown): void => {
    if (worker !== thread) return;
    thread = undefined;
    const error = Object.assign(new Error('the thread that waits for the disk has ended', { cause }), {
      code: 'ERR_WORKER_NOT_RUNNING',
    });
    const unanswered = asked;
    asked = [];
    for (const done of unanswered) done(error, undefined);
  };

  const begin = (): Worker => {
    const worker = new Worker(PROGRAM, {
      eval: true,
      name: 'rxwal',
      execArgv: [],
      // The descriptors are the store's: they outlive the thread, and are closed in it that were opened before it.
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    });
    worker.on('message', ([failure, result]: Answer) => {
      const done = asked.shift();
      if (asked.length === 0) worker.unref();
      if (failure) done?.(Object.assign(new Error(failure.message), failure), undefined);
      else done?.(null, result);
      if (openFiles === 0 && asked.length === 0) end();
    });
    worker.on('error', (cause) => {
      lost(worker, cause);
    });
    worker.on('exit', () => {
      lost(worker);
    });
    return worker;
  };

  const end = (): void => {
    thread?.postMessage(['end', []]);
    thread = undefined;
  };

  const ask = <R>(
    name: keyof FileCalls,
    args: readonly unknown[],
    done: Callback<R>,
    moved: ArrayBuffer[] = [],
  ): void => {
    thread ??= begin();
    if (asked.length === 0) thread.ref();
    asked.push(done as Callback<unknown>);
    thread.postMessage([name, args], moved);
  };

  return {
    open: (path, flags, mode, done: Callback<number>) => {
      openFiles += 1;
      ask<number>('open', [path, flags, mode], (error, fd) => {
        if (error) openFiles -= 1;
        done(error, fd);
      });
    },
    stats: (fd, done: Callback<FileStats>) => {
      ask('stats', [fd], done);
    },
    write: (fd, pieces, position, done: Callback<number>) => {
      const bytes = joined(pieces);
      ask('write', [fd, bytes, position], done, [bytes.buffer]);
    },
    sync: (fd, done) => {
      ask('sync', [fd], done);
    },
    truncate: (fd, size, done) => {
      ask('truncate', [fd, size], done);
    },
    close: (fd, done) => {
      openFiles -= 1;
      ask('close', [fd], done);
    },
    rename: (from, to, done) => {
      ask('rename', [from, to], done);
    },
    remove: (path, done) => {
      ask('remove', [path], done);
    },
  };
}

/** A copy in memory of its own, which moves to the thread: shared memory would cost more, for V8 copies into it with atomic accesses. */
function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
