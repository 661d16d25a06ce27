import { Observable, type OperatorFunction } from 'rxjs';
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
import { HEADER_BYTES } from '../format/header';
import { inTurn } from '../inTurn';
import type { FrameKind, StoredFrame } from '../types';
import { whileWanted } from '../whileWanted';

export interface UnframeOptions {
  /** Name of the file, for errors. */
  readonly file?: string;
  /** Offset in the file of the first byte that arrives. Default 32, behind the header. */
  readonly offset?: number;
  /** Size of the file: no frame can reach past it. Default: unknown. */
  readonly size?: number;
  /** The last LSN before these bytes, for errors. Default 0. */
  readonly after?: number;
  /** Largest payload of a record accepted, in bytes. Default: what a frame can hold. */
  readonly maxRecordBytes?: number;
}

/**
 * Cuts the bytes of a segment into frames: the mirror of `frame`. Chunks may be cut anywhere.
 *
 * ```
 * source:     --x---y--|      x = 7, 8 and half of 9; y = the rest of 9, then zeros
 * unframe():  --(78)9--|
 * ```
 *
 * Zeros up to the end of the file are the end of the log: space laid ahead of the writer. A length is checked against the bytes
 * that remain and against `maxRecordBytes` before anything is allocated for it. The first bytes that are no frame are a
 * `WalCorruptError`; whether they are a torn tail or damage is for recovery to say. Checksums and LSNs are `verify`'s work.
 *
 * Written out, because a frame ends where its own bytes say, which no stock buffer can know.
 */
export function unframe(options: UnframeOptions = {}): OperatorFunction<Uint8Array, StoredFrame> {
  const { file = 'segment', size = Infinity, maxRecordBytes = MAX_PAYLOAD_BYTES } = options;
  return (source) =>
    new Observable<StoredFrame>((subscriber) => {
      let rest = new Rest(options.offset ?? HEADER_BYTES);
      let lastLsn = options.after ?? 0;
      let zeros = false;

      // A chunk may be pushed in while a frame is on its way out.
      const inOrder = inTurn();

      const refuse = (reason: string): void => {
        subscriber.error(new WalCorruptError({ file, offset: rest.offset, lsn: lastLsn + 1, reason }));
      };

      /** Emits every whole frame, and keeps what is left of the buffer. */
      const cut = (buffer: Uint8Array): void => {
        let at = 0;
        while (!subscriber.closed) {
          const left = buffer.length - at;
          if (left < FRAME_HEAD_BYTES) {
            rest.keep(buffer, at, FRAME_HEAD_BYTES);
            return;
          }
          if (isZero(buffer, at, at + FRAME_HEAD_BYTES)) {
            zeros = true;
            rest.keep(buffer, at, 0);
            return;
          }
          const payloadBytes = claimedPayloadBytes(buffer, at);
          const frameBytes = payloadBytes + FRAME_OVERHEAD_BYTES;
          const offset = rest.offset + at;
          const kind = frameKind(buffer, at);
          const limit = kind === 'record' ? maxRecordBytes : MAX_CHECKPOINT_BYTES;
          if (offset + frameBytes > size || payloadBytes > limit || kind === undefined) {
            rest.keep(buffer, at, 0);
            if (kind === undefined) refuse('a frame of a kind that version 1 does not have');
            else if (payloadBytes > limit) refuse(tooLong(kind, payloadBytes, limit));
            else refuse(`a frame claims ${frameBytes} bytes where the file has ${size - offset} left`);
            return;
          }
          if (left < frameBytes) {
            rest.keep(buffer, at, frameBytes);
            return;
          }
          const lsn = frameLsn(buffer, at);
          if (kind === 'record') lastLsn = lsn;
          subscriber.next({ kind, lsn, buffer, start: at, end: at + frameBytes, offset });
          at += frameBytes;
        }
      };

      const take = (chunk: Uint8Array): void => {
        if (!zeros && rest.add(chunk)) cut(rest.join());
        else if (zeros && !isZero(chunk, 0, chunk.length)) refuse('zeros, and then something else');
        if (zeros && rest.bytes > 0) {
          const clean = isZero(rest.join(), 0, rest.bytes);
          if (!clean) refuse('zeros, and then something else');
          rest = new Rest(rest.offset);
        }
      };

      source.pipe(whileWanted(subscriber)).subscribe({
        next: (chunk) => {
          inOrder(() => {
            take(chunk);
          });
        },
        error: (error: unknown) => {
          inOrder(() => {
            subscriber.error(error);
          });
        },
        complete: () => {
          if (subscriber.closed) return;
          inOrder(() => {
            if (isZero(rest.join(), 0, rest.bytes)) subscriber.complete();
            else refuse('the last frame is cut short');
          });
        },
      });
    });
}

/** Bytes that have arrived and are no whole frame yet. Joined once, when enough are there. */
class Rest {
  #parts: Uint8Array[] = [];
  #needed = FRAME_HEAD_BYTES;
  bytes = 0;

  /** @param offset in the file, of the first of these bytes. */
  constructor(public offset: number) {}

  /** @returns whether what the next frame needs is there. */
  add(chunk: Uint8Array): boolean {
    this.#parts.push(chunk);
    this.bytes += chunk.length;
    return this.bytes >= this.#needed;
  }

  join(): Uint8Array {
    const [only] = this.#parts;
    if (this.#parts.length === 1 && only) return only;
    return Buffer.concat(this.#parts, this.bytes);
  }

  /** Keeps what stands behind `at` until `needed` bytes are there. */
  keep(buffer: Uint8Array, at: number, needed: number): void {
    this.#parts = at < buffer.length ? [buffer.subarray(at)] : [];
    this.bytes = buffer.length - at;
    this.offset += at;
    this.#needed = needed;
  }
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

function tooLong(kind: FrameKind, bytes: number, limit: number): string {
  return kind === 'record'
    ? `a frame claims ${bytes} bytes and maxRecordBytes is ${limit}`
    : `a ${kind} claims ${bytes} bytes, and none has more than ${limit}`;
}
