import { filter, map, type OperatorFunction } from 'rxjs';
import { WalRecordError } from '../errors';
import { MAX_PAYLOAD_BYTES } from '../format/frame';
import type { Codec, Payload, Rejection } from '../types';

export interface SerializeOptions<T> {
  readonly codec: Codec<T>;
  /** Which records may end a batch in `sync` mode. Default: every one. */
  readonly isCommit?: ((value: T) => boolean) | undefined;
  /** Largest payload taken, in bytes. Default: what a frame can hold, 1 GiB less a byte. */
  readonly maxRecordBytes?: number | undefined;
  /** Gets each value that was not taken. Default: the first one is an error of the stream. */
  readonly onRejected?: ((rejection: Rejection<T>) => void) | undefined;
}

/**
 * Encodes values. The first stage of the line.
 *
 * A value that cannot be encoded, or whose payload is too large, fails alone: it goes to `onRejected` with a `WalRecordError`,
 * takes no LSN, and the stream goes on. Here `x` is such a value:
 *
 * ```
 * source:       --a--x--b--|
 * serialize():  --A-----B--|
 * onRejected:   -----x
 * ```
 *
 * A payload may be the codec's own memory, good until the next value arrives; `frame` copies it.
 *
 * @example
 * events$.pipe(serialize({ codec: cborCodec() }), frame(), checksum(logId))
 */
export function serialize<T>(options: SerializeOptions<T>): OperatorFunction<T, Payload> {
  const { codec, isCommit, maxRecordBytes = MAX_PAYLOAD_BYTES, onRejected = rethrow } = options;

  const encode = (value: T): Payload | undefined => {
    let payload: Payload;
    // Before the codec, which may use its memory again if the callback appends.
    let step = 'isCommit threw';
    try {
      const commit = isCommit === undefined || isCommit(value);
      step = 'The value cannot be encoded';
      payload = { bytes: bytesOf(codec.encode(value)), commit };
    } catch (cause) {
      onRejected({ value, error: refusal(step, cause) });
      return undefined;
    }
    if (payload.bytes.length > maxRecordBytes) {
      onRejected({ value, error: tooLarge(payload.bytes.length, maxRecordBytes) });
      return undefined;
    }
    return payload;
  };

  return (source) =>
    source.pipe(
      map(encode),
      filter((payload) => payload !== undefined),
    );
}

/** Types end where JavaScript begins: a codec may give anything. */
function bytesOf(encoded: unknown): Uint8Array {
  if (encoded instanceof Uint8Array) return encoded;
  throw new TypeError(`codec.encode must give a Uint8Array, not ${encoded === null ? 'null' : typeof encoded}`);
}

function rethrow({ error }: Rejection<unknown>): never {
  throw error;
}

function refusal(step: string, cause: unknown): WalRecordError {
  if (cause instanceof WalRecordError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WalRecordError(`${step}: ${why}`, { cause });
}

function tooLarge(bytes: number, limit: number): WalRecordError {
  return new WalRecordError(`The record takes ${bytes} bytes and maxRecordBytes is ${limit}`);
}
