import { join } from 'node:path';
import { Observable } from 'rxjs';
import { inNextRealTurn } from '../clock';
import { fill, named } from './descriptor';
import { closeSync, constants, fstatSync, openSync, poolCalls, readSync, statsOf, type Callback } from './fileCalls';
import { REGULAR_ONLY, strangerIn } from './regularFile';

/** For how long files are read at a stretch by the caller, in milliseconds, and how many a disk reads in it that has them in memory. */
const SLICE_MS = 1;
const FILES_A_SLICE = 8;

/** Enough to keep the thread pool busy, few enough for any limit on open files. */
const FILES_AT_ONCE = 32;

/**
 * Reads one file after the other in the caller's thread while they are in the system's memory: a trip through the pool takes longer than
 * such a file, and there are four. The event loop has its turn after each slice. Where a slice brings few files the disk is asked, and
 * that is for the pool.
 *
 * After a failure no other file is begun, and it is told when those under way are closed: of two failures the one that stands first.
 *
 * One Observable for all files, that gives many at a time: with one each, or one value each, what RxJS does takes longer than the reading.
 */
export function readStarts(dir: string, names: readonly string[], length: number): Observable<readonly Uint8Array[]> {
  return new Observable<readonly Uint8Array[]>((subscriber) => {
    const starts: Uint8Array[] = [];
    let begun = 0;
    let ended = 0;
    let given = 0;
    let failed: { readonly at: number; readonly error: unknown } | undefined;
    let isFast = true;

    const wanted = (): string | undefined => (failed || subscriber.closed ? undefined : names[begun]);
    const readNow = (at: number, path: string): void => {
      begun += 1;
      ended += 1;
      try {
        starts[at] = readStartNow(path, length);
      } catch (error) {
        failed = { at, error };
      }
    };
    const readByPool = (at: number, path: string): void => {
      begun += 1;
      readStart(path, length, (error, bytes) => {
        ended += 1;
        if (!error) starts[at] = bytes;
        else if (!failed || at < failed.at) failed = { at, error };
        goOn();
      });
    };
    const give = (): void => {
      const run = starts.slice(given, failed?.at);
      given += run.length;
      if (run.length > 0) subscriber.next(run);
    };
    const goOn = (): void => {
      if (isFast) {
        const before = begun;
        const until = performance.now() + SLICE_MS;
        for (let name = wanted(); name !== undefined && performance.now() < until; name = wanted()) {
          readNow(begun, join(dir, name));
        }
        give();
        isFast = begun - before >= FILES_A_SLICE;
        if (isFast && wanted() !== undefined) {
          inNextRealTurn(goOn);
          return;
        }
      }
      for (let name = wanted(); name !== undefined && begun - ended < FILES_AT_ONCE; name = wanted()) {
        readByPool(begun, join(dir, name));
      }
      if (ended < begun) return;
      give();
      if (failed) subscriber.error(named(failed.error as NodeJS.ErrnoException));
      else subscriber.complete();
    };
    goOn();
  });
}

/** In callbacks: as Observables these four calls cost more than the disk does. */
function readStart(path: string, length: number, done: Callback<Uint8Array>): void {
  poolCalls.open(path, constants.O_RDONLY | REGULAR_ONLY, undefined, (error, fd) => {
    const close = (failure: NodeJS.ErrnoException | null, bytes = new Uint8Array()): void => {
      // What is read is read: a close that fails takes nothing away.
      poolCalls.close(fd, () => {
        done(failure, bytes);
      });
    };
    if (error) {
      done(error, new Uint8Array());
      return;
    }
    poolCalls.stats(fd, (unknown, stats) => {
      const stranger = unknown ?? strangerIn(stats);
      const buffer = Buffer.alloc(length);
      if (stranger) {
        close(stranger);
      } else {
        fill(fd, buffer, 0, (failure, read) => {
          close(failure, buffer.subarray(0, read));
        });
      }
    });
  });
}

/** The same, at once. Written straight: a thousand files read by the function above, through calls that block, took half as long again. */
function readStartNow(path: string, length: number): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY | REGULAR_ONLY);
  try {
    const stranger = strangerIn(statsOf(fstatSync(fd)));
    if (stranger) throw stranger;
    const buffer = Buffer.alloc(length);
    for (let filled = 0; ;) {
      const count = readSync(fd, buffer, filled, length - filled, filled);
      filled += count;
      if (count === 0 || filled === length) return buffer.subarray(0, filled);
    }
  } finally {
    try {
      closeSync(fd);
    } catch {
      // What is read is read.
    }
  }
}
