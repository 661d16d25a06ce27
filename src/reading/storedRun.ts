import { concatMap, from, type OperatorFunction } from 'rxjs';
import { FRAME_OVERHEAD_BYTES, claimedPayloadBytes, frameKind, frameLsn } from '../format/frame';
import { recordsIn } from '../format/group';
import type { StoredFrame } from '../types';

/** Frames that stand one behind the other: the bytes `buffer[start, end)`, each checked. At least one. */
export interface StoredRun {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Offset of the first frame in its file, in bytes. */
  readonly offset: number;
  /** The last LSN before it. */
  readonly after: number;
  /** The last LSN in it; `after` where it holds no record. Records behind it, of a group that it ends in, are not wanted. */
  readonly lastLsn: number;
}

/** What of a run lies up to an LSN, that record being the last; a group that holds it stays whole. A run all of which does is the same one. */
export function runUntil(run: StoredRun, until: number): StoredRun {
  if (run.lastLsn <= until) return run;
  let end = run.start;
  for (const frame of framesOf(run)) {
    if (frame.lsn > until && recordsIn(frame) > 0) break;
    end = frame.end;
  }
  return { ...run, end, lastLsn: Math.max(run.after, until) };
}

/** Each frame by itself. */
export function eachFrame(): OperatorFunction<StoredRun, StoredFrame> {
  return (runs$) => runs$.pipe(concatMap((run) => from(framesOf(run))));
}

function framesOf({ buffer, start, end, offset }: StoredRun): StoredFrame[] {
  const frames: StoredFrame[] = [];
  for (let at = start; at < end;) {
    const next = at + claimedPayloadBytes(buffer, at) + FRAME_OVERHEAD_BYTES;
    frames.push({
      kind: frameKind(buffer, at),
      lsn: frameLsn(buffer, at),
      buffer,
      start: at,
      end: next,
      offset: offset + at - start,
    });
    at = next;
  }
  return frames;
}
