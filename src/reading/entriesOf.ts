import { Observable, type OperatorFunction } from 'rxjs';
import { WalRecordError } from '../errors';
import {
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  claimedPayloadBytes,
  frameKind,
  frameLsn,
  framePayload,
} from '../format/frame';
import type { StoredRun } from './storedRun';
import { decodeWithin, isInPlaceCodec } from '../codec/inPlaceCodec';
import type { Codec, Entry } from '../types';
import { whileWanted } from '../whileWanted';

/**
 * As `deserialize`, of many frames at a time: the records of each run, decoded one by one, as long as somebody wants them.
 *
 * ```
 * source:              --a-----b--|      a = 7, a mark, 8; b = 9
 * entriesOf(codec):    --(78)--9--|
 * ```
 *
 * Written out: `concatMap` with an array would decode a whole run before the first entry of it is shown.
 *
 * @param after records up to this LSN are left out, and so is every one that has been shown: runs may overlap.
 */
export function entriesOf<T>(
  codec: Codec<T>,
  after = 0,
): OperatorFunction<Pick<StoredRun, 'buffer' | 'start' | 'end' | 'lastLsn'>, Entry<T>> {
  const decode = payloadDecoder(codec);
  return (source) =>
    new Observable<Entry<T>>((subscriber) => {
      let shown = after;
      source.pipe(whileWanted(subscriber)).subscribe({
        next: ({ buffer, start, end, lastLsn }) => {
          for (let at = start; at < end && !subscriber.closed;) {
            const next = at + claimedPayloadBytes(buffer, at) + FRAME_OVERHEAD_BYTES;
            const lsn = frameLsn(buffer, at);
            if (lsn > shown && frameKind(buffer, at) === 'record') {
              let value: T;
              try {
                value = decode(buffer, at, next);
              } catch (cause) {
                subscriber.error(undecodable(lsn, cause));
                return;
              }
              subscriber.next({ lsn, value });
            }
            at = next;
          }
          shown = Math.max(shown, lastLsn);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          subscriber.complete();
        },
      });
    });
}

/** Decodes the payload of the frame `buffer[start, end)`. */
function payloadDecoder<T>(codec: Codec<T>): (buffer: Uint8Array, start: number, end: number) => T {
  return isInPlaceCodec(codec)
    ? (buffer, start, end) => codec[decodeWithin](buffer, start + FRAME_HEAD_BYTES, end - FRAME_TAIL_BYTES)
    : (buffer, start, end) => codec.decode(framePayload(buffer, start, end));
}

const FRAME_TAIL_BYTES = FRAME_OVERHEAD_BYTES - FRAME_HEAD_BYTES;

/** The checksum is right, so these are the bytes that were written. */
export function undecodable(lsn: number, cause: unknown): WalRecordError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WalRecordError(`The record with LSN ${lsn} does not decode (another codec wrote it?): ${why}`, { cause });
}
