import { finalize, map, type Observable } from 'rxjs';
import { FRAME_OVERHEAD_BYTES } from '../format/frame';
import { recordFrames } from '../format/group';
import { HEADER_BYTES } from '../format/header';
import { wholeBelow } from '../operators/checkpoint';
import { floorOf } from '../retention/floor';
import type { Checkpoint, StoredFrame } from '../types';
import { columnLines } from './columns';
import { Distribution, type Spread } from './distribution';
import { examineLog, type LogFacts } from './examineLog';
import { EXIT, type ExitCode } from './exitCodes';
import type { KeptFacts } from './keptFacts';
import { keptRows } from './keptRows';
import type { Session } from './session';
import { checkpointText } from './verify';
import { bytesText, countText, plural, rangeText } from './words';

interface Stats {
  readonly dir: string;
  readonly verdict: LogFacts['verdict'];
  readonly records: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly segments: number;
  readonly bytes: number;
  /** Sizes of the payloads, in bytes. */
  readonly payload: Spread;
  /** Records of the batches, as the marks between them tell. */
  readonly batches: Spread;
  /** What is no payload: frames' heads and checksums, marks, checkpoints, headers; without zeros. */
  readonly overheadBytes: number;
  /** Per byte of payload; absent where there is none. */
  readonly overheadRatio: number | undefined;
  readonly zeroBytes: number;
  readonly checkpoint: Checkpoint | undefined;
  /** What is kept, and for whom. */
  readonly kept: KeptFacts;
  /** What a checkpoint at the last LSN would remove, for all that the readers need. */
  readonly freeable: { readonly segments: number; readonly bytes: number };
}

/** Counts what is in a log. */
export function stats(session: Session, dir: string): Observable<ExitCode> {
  const progress = session.progress('counting');
  const counter = new Counter();
  const { maxRecordBytes } = session;
  const onFrame = (frame: StoredFrame): void => {
    counter.add(frame);
  };
  return examineLog(session.readingStore(dir), { maxRecordBytes, progress, onFrame }).pipe(
    finalize(() => {
      progress.end();
    }),
    map((facts) => {
      progress.end();
      const counted = counter.stats(facts);
      const lines = session.json ? [JSON.stringify(counted)] : linesOf(counted);
      for (const line of lines) session.out.line(line);
      if (facts.verdict !== 'whole')
        session.remark(`the log is ${facts.verdict}: only what is valid is counted; see rxwal verify`);
      return EXIT.fine;
    }),
  );
}

class Counter {
  readonly #payloads = new Distribution();
  readonly #batches = new Distribution();
  #batch = 0;

  add(frame: StoredFrame): void {
    if (frame.kind === 'mark') this.#endBatch();
    for (const { start, end } of recordFrames(frame)) {
      this.#payloads.add(end - start - FRAME_OVERHEAD_BYTES);
      this.#batch += 1;
    }
  }

  stats(facts: LogFacts): Stats {
    this.#endBatch();
    const { dir, verdict, records, firstLsn, lastLsn, segments, bytes, payloadBytes, checkpoint } = facts;
    const zeroBytes = segments.reduce((sum, segment) => sum + segment.zeroBytes, 0);
    const validBytes = segments.reduce((sum, segment) => sum + Math.max(HEADER_BYTES, segment.validBytes), 0);
    const overheadBytes = validBytes - payloadBytes;
    const { kept } = facts;
    const { floorLsn } = floorOf({ lsn: lastLsn, epoch: 0 }, kept);
    const freeable = wholeBelow(floorLsn, Infinity, segments);
    const freed = new Set(freeable.map(({ sequence }) => sequence));
    return {
      dir,
      verdict,
      records,
      firstLsn,
      lastLsn,
      segments: segments.length,
      bytes,
      payload: this.#payloads.spread(),
      batches: this.#batches.spread(),
      overheadBytes,
      overheadRatio: payloadBytes > 0 ? overheadBytes / payloadBytes : undefined,
      zeroBytes,
      checkpoint,
      kept,
      freeable: {
        segments: freeable.length,
        bytes: segments.reduce((sum, segment) => sum + (freed.has(segment.sequence) ? segment.bytes : 0), 0),
      },
    };
  }

  #endBatch(): void {
    if (this.#batch > 0) this.#batches.add(this.#batch);
    this.#batch = 0;
  }
}

function linesOf(stats: Stats): string[] {
  const { payload, batches, checkpoint, freeable, overheadRatio } = stats;
  const ratio = overheadRatio === undefined ? '' : `, ${(overheadRatio * 100).toFixed(1)} % of the payload`;
  const spread = ({ p50, p99, max }: Spread): string =>
    `p50 ${countText(p50)}, p99 ${countText(p99)}, max ${countText(max)}`;
  return columnLines([
    ['log', stats.dir],
    ['records', `${countText(stats.records)} (${rangeText(stats.firstLsn, stats.lastLsn)})`],
    ['segments', `${countText(stats.segments)}, ${bytesText(stats.bytes)}`],
    ['payload', `${bytesText(payload.sum)}; bytes a record: ${spread(payload)}`],
    ['batches', `${countText(batches.count)} by their marks; records a batch: ${spread(batches)}`],
    ['overhead', `${bytesText(stats.overheadBytes)}${ratio}`],
    ['zeros ahead', bytesText(stats.zeroBytes)],
    ['checkpoint', checkpoint ? checkpointText(checkpoint).replace('checkpoint at ', '') : 'none'],
    ...keptRows(stats.kept),
    ['a checkpoint now', `would free ${plural(freeable.segments, 'segment')} of ${bytesText(freeable.bytes)}`],
  ]);
}
