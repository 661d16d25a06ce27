/** Other work of the application that goes through the thread pool: what a log that writes through the pool has to share it with. */
import { pbkdf2, randomBytes } from 'node:crypto';
import { lookup } from 'node:dns';
import { readFile } from 'node:fs';
import { deflate } from 'node:zlib';
import { MIB } from './harness';

/** Starts one piece of work, and calls back when it is done. */
type Work = (done: () => void) => void;

const text = Buffer.from(randomBytes(MIB / 2).toString('hex'));

/** About 50 ms of one core. */
const hashing: Work = (done) => {
  pbkdf2('secret', 'salt', 50_000, 64, 'sha512', done);
};
const deflating: Work = (done) => {
  deflate(text, done);
};
const lookingUp: Work = (done) => {
  lookup('localhost', done);
};
const reading =
  (path: string): Work =>
  (done) => {
    readFile(path, done);
  };

/** Keeps so many pieces of work going until it is stopped; `stop` resolves when the last has come back. */
export function keepBusy(work: Work, concurrent: number): { stop: () => Promise<void> } {
  let stopped = false;
  const chains = Array.from(
    { length: concurrent },
    () =>
      new Promise<void>((resolve) => {
        const next = (): void => {
          if (stopped) resolve();
          else work(next);
        };
        next();
      }),
  );
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(chains);
    },
  };
}

/** The loads by name. `bigFile` is read again and again. */
export function poolLoads(
  bigFile: string,
): Readonly<Record<string, { readonly work: Work; readonly concurrent: number }>> {
  return {
    'pbkdf2 x 4': { work: hashing, concurrent: 4 },
    'pbkdf2 x 8': { work: hashing, concurrent: 8 },
    'pbkdf2 x 16': { work: hashing, concurrent: 16 },
    'deflate of 1 MiB x 8': { work: deflating, concurrent: 8 },
    'dns.lookup x 8': { work: lookingUp, concurrent: 8 },
    'fs.readFile of 64 MiB x 8': { work: reading(bigFile), concurrent: 8 },
  };
}
