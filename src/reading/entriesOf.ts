import { Observable, type OperatorFunction } from 'rxjs';
import { WalRecordError } from '../errors';
import { FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES, claimedPayloadBytes, frameKind, frameLsn } from '../format/frame';
import { GROUP_COUNT_BYTES, GROUP_LENGTH_BYTES } from '../format/group';
import { readUint32 } from '../format/integers';
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
 * A group gives an entry for each of its records; `g` is one of 10 to 12:
 *
 * ```
 * source:              --g-------|
 * entriesOf(codec):    --(xyz)---|
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
      const emitGroup = (buffer: Uint8Array, payloadStart: number, firstLsn: number, lastLsn: number): void => {
        const behind = firstLsn + readUint32(buffer, payloadStart);
        let at = payloadStart + GROUP_COUNT_BYTES;
        for (let lsn = firstLsn; lsn < behind && lsn <= lastLsn && !subscriber.closed; lsn += 1) {
          const start = at + GROUP_LENGTH_BYTES;
          at = start + readUint32(buffer, at);
          if (lsn <= shown) continue;
          let value: T;
          try {
            value = decode(buffer, start, at);
          } catch (cause) {
            subscriber.error(undecodable(lsn, cause));
            return;
          }
          subscriber.next({ lsn, value });
        }
      };
      source.pipe(whileWanted(subscriber)).subscribe({
        next: ({ buffer, start, end, lastLsn }) => {
          for (let at = start; at < end && !subscriber.closed;) {
            const next = at + claimedPayloadBytes(buffer, at) + FRAME_OVERHEAD_BYTES;
            const lsn = frameLsn(buffer, at);
            const kind = frameKind(buffer, at);
            if (kind === 'record' && lsn > shown) {
              let value: T;
              try {
                value = decode(buffer, at + FRAME_HEAD_BYTES, next - FRAME_TAIL_BYTES);
              } catch (cause) {
                subscriber.error(undecodable(lsn, cause));
                return;
              }
              subscriber.next({ lsn, value });
            } else if (kind === 'group') {
              emitGroup(buffer, at + FRAME_HEAD_BYTES, lsn, lastLsn);
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

/** Decodes the payload `buffer[start, end)`. */
function payloadDecoder<T>(codec: Codec<T>): (buffer: Uint8Array, start: number, end: number) => T {
  return isInPlaceCodec(codec)
    ? (buffer, start, end) => codec[decodeWithin](buffer, start, end)
    : (buffer, start, end) => codec.decode(buffer.subarray(start, end));
}

const FRAME_TAIL_BYTES = FRAME_OVERHEAD_BYTES - FRAME_HEAD_BYTES;

/** The checksum is right, so these are the bytes that were written. */
export function undecodable(lsn: number, cause: unknown): WalRecordError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new WalRecordError(`The record with LSN ${lsn} does not decode (another codec wrote it?): ${why}`, { cause });
}
