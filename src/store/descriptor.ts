import { constants as systemConstants } from 'node:os';
import { Observable } from 'rxjs';
import { read, type Callback, type FileCalls, type FileStats } from './fileCalls';

/** POSIX allows at least 16 pieces a `pwritev`, Linux 1,024 (`IOV_MAX`). */
const MAX_PIECES = 1024;

/**
 * An error of the system with its name. libuv has none for EDQUOT, a disk quota that is used up, and a few others: it gives
 * `Unknown system error -122` for a code.
 */
export function named(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const { code = '' } = error;
  const number = /^Unknown system error -(\d+)$/.exec(code)?.[1];
  const name = Object.entries(systemConstants.errno).find(([, errno]) => String(errno) === number)?.[0];
  if (name === undefined) return error;
  error.code = name;
  error.message = error.message.replaceAll(code, name);
  return error;
}

/**
 * A `node:fs` call as a cold Observable. `bindNodeCallback` would do but for its AsyncSubject: a third of a microsecond a call,
 * and it shares the first result with every later subscriber.
 */
export function call<R = void>(start: (done: Callback<R>) => void): Observable<R> {
  return new Observable<R>((subscriber) => {
    start((error, result) => {
      if (error) {
        subscriber.error(named(error));
      } else {
        subscriber.next(result);
        subscriber.complete();
      }
    });
  });
}

/**
 * An open descriptor. It is closed when the last call on it has come back: its number may be another file's at once, and a write that
 * is still on its way would go there. For the same reason no call gets the number of one that is closed.
 */
export class Descriptor {
  #busy = 0;
  #closed = false;
  #whenIdle: (() => void) | undefined;

  constructor(
    readonly fd: number,
    readonly calls: FileCalls,
  ) {}

  run<R = void>(start: (fd: number, done: Callback<R>) => void): Observable<R> {
    return call<R>((done) => {
      if (this.#closed) {
        (done as (error: Error) => void)(closedAlready());
        return;
      }
      this.#busy += 1;
      start(this.fd, (error, result) => {
        this.#busy -= 1;
        done(error, result);
        if (this.#busy === 0) this.#whenIdle?.();
      });
    });
  }

  stats(): Observable<FileStats> {
    return this.run<FileStats>((fd, done) => {
      this.calls.stats(fd, done);
    });
  }

  close(): Observable<void> {
    return call((done) => {
      if (this.#closed) {
        (done as (error: Error) => void)(closedAlready());
        return;
      }
      this.#closed = true;
      this.#whenIdle = () => {
        this.#whenIdle = undefined;
        this.calls.close(this.fd, done);
      };
      if (this.#busy === 0) this.#whenIdle();
    });
  }
}

function closedAlready(): NodeJS.ErrnoException {
  return Object.assign(new Error('EBADF: the file has been closed'), { code: 'EBADF' });
}

/** As {@link call}, but a descriptor that nobody waits for any more is closed. */
export function openFile(calls: FileCalls, path: string, flags: number, mode?: number): Observable<Descriptor> {
  return new Observable<Descriptor>((subscriber) => {
    calls.open(path, flags, mode, (error, fd) => {
      if (error) {
        subscriber.error(named(error));
      } else if (subscriber.closed) {
        calls.close(fd, () => undefined);
      } else {
        subscriber.next(new Descriptor(fd, calls));
        subscriber.complete();
      }
    });
  });
}

export function sync(descriptor: Descriptor): Observable<void> {
  return descriptor.run((fd, done) => {
    descriptor.calls.sync(fd, done);
  });
}

export function truncate(descriptor: Descriptor, size: number): Observable<void> {
  return descriptor.run((fd, done) => {
    descriptor.calls.truncate(fd, size, done);
  });
}

/**
 * Writes every piece. A short count is no success: libuv goes on after a short write by itself, and when a later part fails it
 * reports the smaller count and no error (libuv#2699, nodejs/node#31908). So the rest is tried again, and that call brings the
 * error: on a full disk, the ENOSPC.
 */
export function writeAll(descriptor: Descriptor, pieces: readonly Uint8Array[], position: number): Observable<void> {
  return descriptor.run((fd, done: (error: Error | null) => void) => {
    let rest = pieces.filter((piece) => piece.length > 0);
    const writeOn = (at: number): void => {
      if (rest.length === 0) {
        done(null);
        return;
      }
      descriptor.calls.write(fd, rest.slice(0, MAX_PIECES), at, (error, written) => {
        if (error) {
          done(error);
        } else if (written === 0) {
          done(Object.assign(new Error('EIO: the disk took no byte of a write'), { code: 'EIO', syscall: 'write' }));
        } else {
          rest = behind(rest, written);
          writeOn(at + written);
        }
      });
    };
    writeOn(position);
  });
}

/** What is left of `pieces` behind their first `count` bytes. */
function behind(pieces: Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  for (const [index, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(index + 1)];
    left -= piece.length;
  }
  return [];
}

/** Fills `buffer` from `position` on. Only a successful read of no bytes is the end of a file. */
export function readAll(descriptor: Descriptor, buffer: Uint8Array, position: number): Observable<number> {
  return descriptor.run<number>((fd, done) => {
    fill(fd, buffer, position, done);
  });
}

export function fill(fd: number, buffer: Uint8Array, position: number, done: Callback<number>): void {
  const readOn = (filled: number): void => {
    if (filled === buffer.length) {
      done(null, filled);
      return;
    }
    read(fd, buffer, filled, buffer.length - filled, position + filled, (error, count) => {
      if (error) done(error, filled);
      else if (count === 0) done(null, filled);
      else readOn(filled + count);
    });
  };
  readOn(0);
}
