import { Writable } from 'node:stream';
import { WalBackpressureError, type WalError } from './errors';
import { checkSignal } from './options';

export interface WalWritableOptions {
  /**
   * Values that may wait in the stream before `write()` says `false`.
   *
   * @default 1024
   */
  readonly highWaterMark?: number;
  /**
   * Destroys the stream with an `AbortError` whose `cause` is `signal.reason`, as in every stream of Node: what it has appended stays in the
   * log, what waits in it is not appended. The log stays open.
   *
   * @default never
   */
  readonly signal?: AbortSignal | undefined;
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
 *
 * `null` cannot be written, though a log takes it: no stream of Node has it for a value, and `write(null)` throws `ERR_STREAM_NULL_VALUES`.
 */
export function walWritable<T>(wal: Target<T>, options: WalWritableOptions = {}): Writable {
  const signal = checkSignal(options.signal);
  const isWanted = (): boolean => !stream.destroyed;
  const stream = new Writable({
    objectMode: true,
    highWaterMark: options.highWaterMark ?? HIGH_WATER_MARK,
    ...(signal && { signal }),
    write: (value: T, _encoding, done) => {
      appendAll(wal, [value], isWanted, done);
    },
    writev: (chunks, done) => {
      appendAll(
        wal,
        chunks.map(({ chunk }) => chunk as T),
        isWanted,
        done,
      );
    },
  });
  return stream;
}

/**
 * Appends all values in order, then flushes: the stream gives nothing more before its callback, so a record that waits for another
 * to end its batch would wait for ever. Where the stream is destroyed while the log is full, the rest is left out.
 */
function appendAll<T>(wal: Target<T>, values: readonly T[], isWanted: () => boolean, done: Done): void {
  let at = 0;
  const finish = (): void => {
    done();
  };
  const goOn = (): void => {
    for (; at < values.length && isWanted(); at += 1) {
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
