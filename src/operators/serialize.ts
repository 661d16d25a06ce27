import { defer, filter, map, type OperatorFunction } from 'rxjs';
import { bareBytesOf } from '../codec/bareBytes';
import { GroupEncoder } from '../codec/groupEncoder';
import { NOT_WITHIN, encodeWithin, isInPlaceCodec, type InPlaceCodec } from '../codec/inPlaceCodec';
import { WalRecordError } from '../errors';
import { MAX_PAYLOAD_BYTES } from '../format/frame';
import { ARENA_BUFFER_BYTES, FrameArena } from '../format/frameArena';
import { Group } from '../group';
import { rejection } from '../rejection';
import type { Codec, Payload, Rejection } from '../types';

export interface SerializeOptions<T> {
  readonly codec: Codec<T>;
  /** Which records may end a batch in `sync` mode; a group may where any of its values may. Default: every one. */
  readonly isCommit?: ((value: T) => boolean) | undefined;
  /** Largest payload taken, in bytes: of a group, all of it. Default: what a frame can hold, 1 GiB less a byte. */
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
 * A {@link Group} becomes one payload, and later one frame: all or none of its records are there. One value of it that cannot be encoded refuses
 * them all, with a `WalRecordError` that says which. Here `g` is `group([a, b])` and `h` is `group([a, x])`:
 *
 * ```
 * source:       --g--h--|
 * serialize():  --G-----|
 * onRejected:   -----h
 * ```
 *
 * A payload may be the codec's own memory, good until the next value arrives; `frame` copies it. The log's own codecs encode straight into
 * the buffer that the frame is then made in.
 *
 * @example
 * events$.pipe(serialize({ codec: cborCodec() }), frame(), checksum(logId))
 */
export function serialize<T>(options: SerializeOptions<T>): OperatorFunction<T | Group<T>, Payload> {
  const { codec, isCommit, maxRecordBytes = MAX_PAYLOAD_BYTES, onRejected = rethrow } = options;

  return (source) =>
    defer(() => {
      const payloadOf = isInPlaceCodec(codec) ? inPlace(codec, maxRecordBytes) : apart(codec, maxRecordBytes);
      let groups: GroupEncoder<T> | undefined;
      const groupPayloadOf = ({ values }: Group<T>): Payload => {
        groups ??= new GroupEncoder({
          codec,
          encode: (value) => bareBytesOf(codec.encode(value)),
          isCommit,
          maxRecordBytes,
        });
        return groups.payloadOf(values);
      };

      const encode = (value: T | Group<T>): Payload | undefined => {
        // Before the codec, which may use its memory again if the callback appends.
        let step = 'isCommit threw';
        let refused: WalRecordError;
        try {
          let single: T;
          if (value instanceof Group) {
            if (value.values.length > 1) return groupPayloadOf(value);
            // One value by itself needs no group around it.
            [single] = value.values;
          } else {
            single = value;
          }
          const commit = isCommit === undefined || isCommit(single);
          step = 'The value cannot be encoded';
          return payloadOf(single, commit);
        } catch (cause) {
          refused = refusal(step, cause);
        }
        onRejected(rejection(value, refused));
        return undefined;
      };

      return source.pipe(
        map(encode),
        filter((payload) => payload !== undefined),
      );
    });
}

type PayloadOf<T> = (value: T, commit: boolean) => Payload;

/** The codec's own memory, for `frame` to copy. */
function apart<T>(codec: Codec<T>, maxRecordBytes: number): PayloadOf<T> {
  return (value, commit) => {
    const buffer = bareBytesOf(codec.encode(value));
    refuseTooLarge(buffer.length, maxRecordBytes);
    return { buffer, start: 0, end: buffer.length, commit };
  };
}

/** An arena, with room for the frame around each payload. */
function inPlace<T>(codec: InPlaceCodec<T>, maxRecordBytes: number): PayloadOf<T> {
  const arena = new FrameArena(ARENA_BUFFER_BYTES);
  const copied = apart(codec, maxRecordBytes);
  let laying = false;

  const lay = (value: T, commit: boolean): Payload => {
    const { buffer, payloadStart: start, payloadLimit: limit } = arena;
    const end = start < limit ? codec[encodeWithin](value, buffer, start) : NOT_WITHIN;
    if (end >= 0 && end <= limit) {
      refuseTooLarge(end - start, maxRecordBytes);
      arena.take(end);
      return new RoomyPayload(buffer, start, end, commit);
    }
    const bytes = bareBytesOf(codec.encode(value));
    refuseTooLarge(bytes.length, maxRecordBytes);
    const at = arena.copy(bytes);
    return new RoomyPayload(arena.buffer, at, at + bytes.length, commit);
  };

  return (value, commit) => {
    // Pushed in by what runs within the value that is being laid, such as a getter: what is free of the arena is that one's.
    if (laying) return copied(value, commit);
    laying = true;
    try {
      return lay(value, commit);
    } finally {
      laying = false;
    }
  };
}

/** A payload with room around it, for the first who asks. */
class RoomyPayload implements Payload {
  #isClaimed = false;

  constructor(
    readonly buffer: Uint8Array,
    readonly start: number,
    readonly end: number,
    readonly commit: boolean,
  ) {}

  claimRoom(): boolean {
    const isFirst = !this.#isClaimed;
    this.#isClaimed = true;
    return isFirst;
  }
}

function rethrow({ error }: Rejection<unknown>): never {
  throw error;
}

function refusal(step: string, cause: unknown): WalRecordError {
  if (cause instanceof WalRecordError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WalRecordError(`${step}: ${why}`, { cause });
}

function refuseTooLarge(bytes: number, limit: number): void {
  if (bytes > limit) throw new WalRecordError(`The record takes ${bytes} bytes and maxRecordBytes is ${limit}`);
}
