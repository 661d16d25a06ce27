import { Writable } from 'node:stream';
import { WalBackpressureError, type WalError } from './errors';

export interface WalWritableOptions {
  /**
   * Values that may wait in the stream before `write()` says `false`.
   *
   * @default 1024
   */
  readonly highWaterMark?: number;
}

/** What the stream needs of a log. */
interface Target<T> {
  /** Appends a value. @returns why it was not taken, where it was not. */
  take(value: T): WalError | undefined;
  flush(): Promise<void>;
}

type Done = (error?: Error | null) => void;

const HIGH_WATER_MARK = 1024;

/**
 * A `Writable` in object mode over a log. What has gathered in the stream while one write was on its way is appended together, and
 * rides on one commit; the callback comes when that is acknowledged. A log that is full for now is waited for; any other
 * refusal destroys the stream with its error. Ending the stream does not close the log.
 */
export function walWritable<T>(wal: Target<T>, options: WalWritableOptions = {}): Writable {
  return new Writable({
    objectMode: true,
    highWaterMark: options.highWaterMark ?? HIGH_WATER_MARK,
    write: (value: T, _encoding, done) => {
      appendAll(wal, [value], done);
    },
    writev: (chunks, done) => {
      appendAll(
        wal,
        chunks.map(({ chunk }) => chunk as T),
        done,
      );
    },
  });
}

/**
 * Appends all values in order, then flushes: the stream gives nothing more before its callback, so a record that waits for another
 * to end its batch would wait for ever.
 */
function appendAll<T>(wal: Target<T>, values: readonly T[], done: Done): void {
  let at = 0;
  const finish = (): void => {
    done();
  };
  const goOn = (): void => {
    for (; at < values.length; at += 1) {
      const refusal = wal.take(values[at] as T);
      if (refusal instanceof WalBackpressureError) {
        wal.flush().then(goOn, done);
        return;
      }
      if (refusal) {
        done(refusal);
        return;
      }
    }
    wal.flush().then(finish, done);
  };
  goOn();
}
