import { WalRecordError } from '../errors';
import { GroupBuffer } from '../format/groupBuffer';
import type { Codec, Payload } from '../types';
import { NOT_WITHIN, encodeWithin, isInPlaceCodec } from './inPlaceCodec';

export interface GroupEncoderOptions<T> {
  readonly codec: Codec<T>;
  /** As `codec.encode`, and the bytes are good until it is called again. */
  readonly encode: (value: T) => Uint8Array;
  readonly isCommit: ((value: T) => boolean) | undefined;
  /** What the payload of a group may have, in bytes. */
  readonly maxRecordBytes: number;
}

/** Encodes many values as the payload of one group. */
export class GroupEncoder<T> {
  readonly #options: GroupEncoderOptions<T>;
  /** Absent while a group is laid in it: one that is pushed in by what runs within a value, such as a getter, gets its own. */
  #buffer: GroupBuffer | undefined;

  constructor(options: GroupEncoderOptions<T>) {
    this.#options = options;
    this.#buffer = new GroupBuffer(options.maxRecordBytes);
  }

  /**
   * The group's payload, in memory that is good until the next one is asked for. A batch may end with it if it may with any of the values.
   *
   * @throws WalRecordError that names the value that cannot be encoded, counted from 0; or the size, where all of them are too large together.
   */
  payloadOf(values: readonly T[]): Payload {
    const buffer = this.#buffer ?? new GroupBuffer(this.#options.maxRecordBytes);
    this.#buffer = undefined;
    try {
      return this.#lay(values, buffer);
    } finally {
      this.#buffer = buffer;
    }
  }

  #lay(values: readonly T[], into: GroupBuffer): Payload {
    const { codec, encode, isCommit, maxRecordBytes } = this.#options;
    const within = isInPlaceCodec(codec) ? codec : undefined;
    const records = values.length;
    let commit = isCommit === undefined;
    into.begin(records);
    for (const [index, value] of values.entries()) {
      let step = 'isCommit threw';
      try {
        commit ||= isCommit?.(value) === true;
        step = 'The value cannot be encoded';
        const { buffer, recordStart } = into;
        const end =
          within && recordStart < buffer.length ? within[encodeWithin](value, buffer, recordStart) : NOT_WITHIN;
        if (end < 0) into.copy(encode(value));
        else into.take(end);
      } catch (cause) {
        throw refusal(index, records, step, cause);
      }
    }
    const { bytes, buffer, end } = into;
    if (bytes > maxRecordBytes) {
      throw new WalRecordError(
        `The group of ${records} values takes ${bytes} bytes and maxRecordBytes is ${maxRecordBytes}`,
      );
    }
    return { buffer, start: 0, end, commit, records };
  }
}

function refusal(index: number, records: number, step: string, cause: unknown): WalRecordError {
  const message = cause instanceof Error ? cause.message : String(cause);
  // The log's own codecs say by themselves what they could not do.
  const why = cause instanceof WalRecordError ? message : `${step}: ${message}`;
  return new WalRecordError(`Value ${index} of a group of ${records}: ${why}`, { cause });
}
