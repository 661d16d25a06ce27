import { WalCorruptError } from '../errors';
import {
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  MAX_CHECKPOINT_BYTES,
  MAX_PAYLOAD_BYTES,
  claimedPayloadBytes,
  frameKind,
  frameLsn,
} from '../format/frame';
import { GROUP_COUNT_BYTES, lsnBehind } from '../format/group';
import { HEADER_BYTES } from '../format/header';
import type { FrameKind, StoredFrame } from '../types';

export interface UnframeOptions {
  /** Name of the file, for errors. */
  readonly file?: string;
  /** Offset in the file of the first byte that arrives. Default 32, behind the header. */
  readonly offset?: number;
  /** Size of the file: no frame can reach past it. Default: unknown. */
  readonly size?: number;
  /** The last LSN before these bytes, for errors. Default 0. */
  readonly after?: number;
  /** Largest payload of a record or a group accepted, in bytes. Default: what a frame can hold. */
  readonly maxRecordBytes?: number;
  /** Whether groups may stand there, as the segment's header says. Default `true`: only an earlier rxwal has made segments where none may. */
  readonly groups?: boolean | undefined;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Bytes in, frames out, one at a time. Knows nothing of checksums, nor of the order of LSNs.
 *
 * A frame that lies within one chunk is a view of it. One that lies across chunks is joined, alone, when its last byte is there.
 */
export class FrameCutter {
  /** What frames are cut from now: a chunk, or one frame that was joined. */
  buffer: Uint8Array = NO_BYTES;
  /** Where the next frame begins in it. */
  at = 0;
  /** Offset in the file of `buffer[0]`. */
  base: number;

  readonly #file: string;
  readonly #size: number;
  readonly #maxRecordBytes: number;
  readonly #groups: boolean;
  #lastLsn: number;
  /** Bytes that come behind those of `buffer`. */
  #chunk: Uint8Array = NO_BYTES;
  /** The beginning of a frame that has not wholly arrived, and how much of it must be there before it is looked at again. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #neededBytes = 0;
  #zeros = false;

  constructor({ file = 'segment', size = Infinity, ...options }: UnframeOptions = {}) {
    this.#file = file;
    this.#size = size;
    this.#maxRecordBytes = options.maxRecordBytes ?? MAX_PAYLOAD_BYTES;
    this.#groups = options.groups ?? true;
    this.#lastLsn = options.after ?? 0;
    this.base = options.offset ?? HEADER_BYTES;
  }

  /** Hands in the next bytes, when `next` has said that it needs more. */
  add(chunk: Uint8Array): void {
    if (this.#zeros) {
      if (!isZero(chunk, 0, chunk.length)) this.#refuse(ZEROS_AND_MORE);
      return;
    }
    this.#chunk = chunk;
    this.#refill();
  }

  /**
   * The next frame; `undefined` where more bytes are needed for it.
   *
   * @throws WalCorruptError at bytes that are no frame.
   */
  next(): StoredFrame | undefined {
    for (;;) {
      const frame = this.#cut();
      if (frame || !this.#refill()) return frame;
    }
  }

  /** Goes on at `at`: somebody else has looked at the frames up to there. */
  skip(at: number, lastLsn: number): void {
    this.at = at;
    this.#lastLsn = lastLsn;
    if (at === this.buffer.length) this.#refill();
  }

  /** @throws WalCorruptError where the bytes do not end as a log may. */
  end(): void {
    if (this.#parts.some((part) => !isZero(part, 0, part.length))) this.#refuse('the last frame is cut short');
  }

  #cut(): StoredFrame | undefined {
    const { buffer, at } = this;
    const left = buffer.length - at;
    if (left === 0) return undefined;
    if (left < FRAME_HEAD_BYTES) return this.#keep(FRAME_HEAD_BYTES);
    if (isZero(buffer, at, at + FRAME_HEAD_BYTES)) return this.#endWithZeros();
    const payloadBytes = claimedPayloadBytes(buffer, at);
    const frameBytes = payloadBytes + FRAME_OVERHEAD_BYTES;
    const offset = this.base + at;
    const kind = frameKind(buffer, at);
    if (kind === 'group' && !this.#groups) return this.#refuse('a group, and the header says that there is none');
    const limit = kind === 'record' || kind === 'group' ? this.#maxRecordBytes : MAX_CHECKPOINT_BYTES;
    if (payloadBytes > limit) return this.#refuse(tooLong(kind, payloadBytes, limit));
    if (offset + frameBytes > this.#size) {
      return this.#refuse(`a frame claims ${frameBytes} bytes where the file has ${this.#size - offset} left`);
    }
    if (left < frameBytes) return this.#keep(frameBytes);
    const lsn = frameLsn(buffer, at);
    const end = at + frameBytes;
    const frame = { kind, lsn, buffer, start: at, end, offset };
    this.#lastLsn = payloadBytes < GROUP_COUNT_BYTES && kind === 'group' ? lsn : lsnBehind(frame, this.#lastLsn);
    this.at = end;
    if (end === buffer.length) this.#refill();
    return frame;
  }

  /** No frame yet: puts aside what is left, until `neededBytes` are there. */
  #keep(neededBytes: number): StoredFrame | undefined {
    const { buffer, at } = this;
    this.#parts = [buffer.subarray(at)];
    this.#partBytes = buffer.length - at;
    this.#neededBytes = neededBytes;
    this.#leave();
    return undefined;
  }

  /** Behind what has been cut, put aside, or found to be zeros. */
  #leave(): void {
    this.base += this.at;
    this.buffer = NO_BYTES;
    this.at = 0;
  }

  /** @returns whether there is something new to cut from: the chunk, or first the frame that it completes. */
  #refill(): boolean {
    const chunk = this.#chunk;
    if (chunk.length === 0) return false;
    if (this.#partBytes === 0) {
      this.#leave();
      this.buffer = chunk;
      this.#chunk = NO_BYTES;
      return true;
    }
    const part = chunk.subarray(0, this.#neededBytes - this.#partBytes);
    this.#parts.push(part);
    this.#partBytes += part.length;
    this.#chunk = chunk.subarray(part.length);
    if (this.#partBytes < this.#neededBytes) return false;
    this.buffer = Buffer.concat(this.#parts, this.#partBytes);
    this.#parts = [];
    this.#partBytes = 0;
    return true;
  }

  /** The end of the log: nothing but zeros may follow. */
  #endWithZeros(): StoredFrame | undefined {
    const { buffer, at } = this;
    const chunk = this.#chunk;
    if (!isZero(buffer, at, buffer.length) || !isZero(chunk, 0, chunk.length)) return this.#refuse(ZEROS_AND_MORE);
    this.#zeros = true;
    this.#chunk = NO_BYTES;
    this.#leave();
    return undefined;
  }

  #refuse(reason: string): never {
    const offset = this.base + this.at;
    throw new WalCorruptError({ file: this.#file, offset, lsn: this.#lastLsn + 1, reason });
  }
}

const ZEROS_AND_MORE = 'zeros, and then something else';

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

function tooLong(kind: FrameKind, bytes: number, limit: number): string {
  return kind === 'record' || kind === 'group'
    ? `a frame claims ${bytes} bytes and maxRecordBytes is ${limit}`
    : `a ${kind} claims ${bytes} bytes, and none has more than ${limit}`;
}
