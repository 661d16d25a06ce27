import { randomBytes } from 'node:crypto';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { EMPTY, concat, concatMap, defer, from, ignoreElements, lastValueFrom, merge, type Observable } from 'rxjs';
import { afterFailure } from '../afterFailure';
import { WalIoError } from '../errors';
import { framePayload } from '../format/frame';
import { lsnBehind, recordFrames } from '../format/group';
import { LOG_ID_BYTES } from '../format/header';
import { handOnInTurn, inTurn } from '../inTurn';
import { asIoError } from '../ioError';
import { recoverWal } from '../openWal';
import { checkCallback, checkMaxRecordBytes, checkReadOptions, checkSignal } from '../options';
import { rawCodec } from '../codec/rawCodec';
import { saveCheckpoint } from '../saveCheckpoint';
import { moveDirectory, nodeStore, removeDirectory, type NodeStoreOptions } from '../store/nodeStore';
import type { SegmentStore } from '../store/segmentStore';
import { SegmentWriter } from '../store/segmentWriter';
import type { Checkpoint, StoredFrame } from '../types';
import { untilAborted } from '../untilAborted';
import type { Wal } from '../wal';
import type { Gap } from './gap';
import { salvage } from './salvage';
import type { Salvaged } from './segmentScan';

export interface RepairWalOptions extends NodeStoreOptions {
  /** Largest payload accepted, in bytes. Default 16 MiB. A larger record is a gap that says so. */
  readonly maxRecordBytes?: number | undefined;
  /** Only records behind this LSN are written: those that a snapshot of the application does not hold. Default: all. */
  readonly after?: number | undefined;
  /** Is told of each gap, in the order of the log. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Is told now and then how far the repair has come. */
  readonly onProgress?: ((progress: RepairProgress) => void) | undefined;
  /**
   * Gives the repair up: it rejects with `signal.reason`, when what it has made of `<target>.partial` is removed. What it has written into a
   * store stays there. Once the target has its name the signal does nothing. Default: never.
   */
  readonly signal?: AbortSignal | undefined;
}

/** How much of the damaged log has been read. */
export interface RepairProgress {
  /** Bytes of segments read. */
  readonly bytes: number;
  /** Bytes of segments there are. */
  readonly totalBytes: number;
  /** Records written. */
  readonly records: number;
}

/** Records whose LSNs a gap before them has changed. */
export interface Renumbered {
  /** LSN of the first of them in the repaired log. */
  readonly lsn: number;
  /** The LSN that it had in the damaged one; those behind it have moved by as many. */
  readonly was: number;
}

/** What a repair has made. */
export interface Repair {
  /** Records in the repaired log. */
  readonly records: number;
  /** The first of them; `lastLsn + 1` where there is none. */
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Empty where every record has the LSN that it had. */
  readonly renumbered: readonly Renumbered[];
  /** The newest checkpoint, in the LSNs of the repaired log. */
  readonly checkpoint: Checkpoint | undefined;
  /**
   * Names of the readers that the damaged log was kept for. The repaired one has none: it is another log, and they are to hold it anew where they still need
   * it, before its first checkpoint.
   */
  readonly readersLeft: readonly string[];
  /** What could not be proven, in the order of the log. Empty where the log was whole. */
  readonly gaps: readonly Gap[];
}

/**
 * Makes a new log of what can be proven of a damaged one. The damaged one is only read; nothing is deleted, anywhere.
 *
 * Payloads are copied as they are, so no codec is needed, and the new log has an id of its own. LSNs are kept up to the first gap that
 * has lost records. A log has no holes, so behind one the LSNs move down; `renumbered` says from where on and by how many. Positions kept
 * elsewhere (snapshots, readers) do not fit such a log: with a snapshot that is past the gap, repair with `after`, and they do.
 *
 * Named readers are not carried over; `readersLeft` says who they were.
 *
 * It is written beside `target`, into `<target>.partial`, and renamed when all of it is durable: a repair that was interrupted is not
 * taken for a log.
 *
 * Rejects with `WalIoError` for a directory that cannot be read or made, or a target that is not empty; `WalPoisonedError` (or `WalIoError`) for a target
 * that cannot be written (what is there of `<target>.partial` is then to be removed by hand); TypeError or RangeError for a bad
 * option; `signal.reason`. Memory: one segment.
 *
 * @param source the damaged log: its directory, or any store. Nobody should be writing it.
 * @param target a directory that is not there yet, or empty; or any empty store.
 * @example
 * const { records, gaps } = await repairWal('/var/lib/app/wal', '/var/lib/app/wal.repaired');
 */
export async function repairWal(
  source: string | SegmentStore,
  target: string | SegmentStore,
  options: RepairWalOptions = {},
): Promise<Repair> {
  checkReadOptions(options, ['after', 'maxRecordBytes', 'onGap', 'onProgress', 'fileMode', 'directoryMode', 'signal']);
  checkCallback('onGap', options.onGap);
  checkCallback('onProgress', options.onProgress);
  const signal = checkSignal(options.signal);
  signal?.throwIfAborted();
  const damaged = typeof source === 'string' ? nodeStore(source) : source;
  if (typeof target !== 'string') {
    await refuseUsed(target);
    return new Repairing(damaged, target, options).run();
  }
  refuseInside(damaged.dir, target);
  const partial = nodeStore(`${resolve(target)}.partial`, options);
  await refuseUsed(nodeStore(target));
  await refuseUsed(partial, 'left from a repair that did not end? Remove it and try again');
  let repair: Repair;
  try {
    repair = await new Repairing(damaged, partial, options).run();
  } catch (error) {
    // All of it is this repair's. Where it cannot be removed, the next one says that it is in the way.
    if (signal?.aborted && error === signal.reason)
      await lastValueFrom(removeDirectory(partial.dir)).catch(() => undefined);
    throw error;
  }
  await lastValueFrom(moveDirectory(partial.dir, resolve(target)).pipe(asIoError('Renaming', partial.dir)));
  return repair;
}

/** A new directory within the damaged log's would change that. */
function refuseInside(dir: string, target: string): void {
  const path = relative(dir, resolve(target));
  if (path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path)) return;
  throw new TypeError(`target must lie outside of ${dir}, which is left as it is`);
}

async function refuseUsed(store: SegmentStore, why?: string): Promise<void> {
  const names = await lastValueFrom(store.list()).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new WalIoError('Listing', store.dir, error);
  });
  if (names.length === 0) return;
  const cause = Object.assign(new Error(`EEXIST: it is not empty${why === undefined ? '' : `; ${why}`}`), {
    code: 'EEXIST',
  });
  throw new WalIoError('Repairing into', store.dir, cause);
}

/** One repair, from the first segment to the last. */
class Repairing {
  readonly #logId = Uint8Array.from(randomBytes(LOG_ID_BYTES));
  readonly #maxRecordBytes: number;
  readonly #gaps: Gap[] = [];
  /** Runs of records whose LSNs have moved by the same number. */
  readonly #runs: Renumbered[] = [];
  #wal: Wal<Uint8Array> | undefined;
  /** The opening of the new log, where it has begun. */
  #opening: Promise<void> | undefined;
  /** LSN of the last record in the damaged log, and in the new one. */
  #wasLsn = 0;
  #lastLsn = 0;
  #firstLsn = 1;
  #checkpoint: Checkpoint | undefined;
  /** Why the new log has not taken a record. */
  #refusal: Error | undefined;

  constructor(
    private readonly source: SegmentStore,
    private readonly target: SegmentStore,
    private readonly options: RepairWalOptions,
  ) {
    this.#maxRecordBytes = checkMaxRecordBytes(options.maxRecordBytes);
  }

  async run(): Promise<Repair> {
    const damaged = await lastValueFrom(
      salvage(this.source, this.#maxRecordBytes).pipe(untilAborted(this.options.signal)),
    );
    this.#checkpoint = damaged.checkpoint;
    const totalBytes = damaged.segments.reduce((sum, { size }) => sum + size, 0);
    let bytes = 0;
    try {
      damaged.gaps.forEach(this.#tell);
      for (const [index, { size }] of damaged.segments.entries()) {
        await this.#copy(damaged.segment(index), (offset) => {
          this.options.onProgress?.({ bytes: bytes + offset, totalBytes, records: this.#records });
        });
        bytes += size;
        this.options.onProgress?.({ bytes, totalBytes, records: this.#records });
      }
      damaged.end().forEach(this.#tell);
      if (!this.#wal) await this.#begin(Math.max(this.options.after ?? 0, damaged.checkpoint?.lsn ?? 0) + 1);
    } finally {
      // Who gives up does not wait for what has begun; what is left to others is.
      await this.#opening?.catch(() => undefined);
      await this.#wal?.close();
    }
    const checkpoint = this.#movedCheckpoint(damaged.checkpoint);
    if (checkpoint)
      await lastValueFrom(saveCheckpoint(this.target, checkpoint, this.#logId), { defaultValue: undefined });
    this.options.signal?.throwIfAborted();
    return {
      records: this.#records,
      firstLsn: this.#firstLsn,
      lastLsn: this.#lastLsn,
      renumbered: this.#runs.filter(({ lsn, was }) => lsn !== was),
      checkpoint,
      readersLeft: damaged.readers,
      gaps: this.#gaps,
    };
  }

  get #records(): number {
    return this.#lastLsn - this.#firstLsn + 1;
  }

  /** One segment of the damaged log becomes one of the new. */
  async #copy(salvaged$: Observable<Salvaged>, onOffset: (offset: number) => void): Promise<void> {
    const { after = 0 } = this.options;
    let begun = false;
    let buffer: Uint8Array | undefined;
    const place = (salvaged: Salvaged): Observable<never> => {
      if ('gap' in salvaged) {
        this.#tell(salvaged.gap);
        return EMPTY;
      }
      const { frame } = salvaged;
      const lastLsn = lsnBehind(frame, 0);
      if (lastLsn <= after) return EMPTY;
      const firstLsn = Math.max(salvaged.firstLsn, after + 1);
      if (buffer !== frame.buffer) onOffset(frame.offset);
      buffer = frame.buffer;
      if (begun) return this.#write(frame, firstLsn, lastLsn);
      begun = true;
      return concat(
        defer(() => from(this.#beginSegment(firstLsn))).pipe(ignoreElements()),
        defer(() => this.#write(frame, firstLsn, lastLsn)),
      );
    };
    // What gathers while the segment is begun would be placed by recursion.
    const turn = inTurn();
    const copied = salvaged$.pipe(
      concatMap((salvaged) => place(salvaged).pipe(handOnInTurn(turn))),
      untilAborted(this.options.signal),
    );
    await lastValueFrom(copied, { defaultValue: undefined });
    // What has been handed on is written before more is read.
    await this.#wal?.flush();
    if (this.#refusal) throw this.#refusal;
  }

  async #beginSegment(lsn: number): Promise<void> {
    if (!this.#wal) await (this.#opening = this.#begin(lsn));
    // A segment wholly below the checkpoint would be removed when the log is opened.
    else if (this.#wasLsn > (this.#checkpoint?.lsn ?? 0)) await this.#wal.rotate();
  }

  /** The new log, before its first record. */
  async #begin(firstLsn: number): Promise<void> {
    const unlock = await lastValueFrom(this.target.lock().pipe(asIoError('Locking', this.target.dir)));
    const options = { preallocateBytes: 0, maxSegmentBytes: Number.MAX_SAFE_INTEGER };
    const first = SegmentWriter.create(
      this.target,
      firstLsn > 1 ? 1 : 0,
      { firstLsn, logId: this.#logId },
      options,
    ).pipe(
      concatMap((segment) => segment.seal()),
      asIoError('Making', this.target.dir),
    );
    // The first segment is missing, and nobody will miss it.
    const checkpoint = { epoch: 0, ...this.#checkpoint, lsn: firstLsn - 1 };
    const saved = firstLsn > 1 ? saveCheckpoint(this.target, checkpoint, this.#logId) : EMPTY;
    await lastValueFrom(concat(concat(first, saved).pipe(afterFailure(unlock)), defer(unlock)), {
      defaultValue: undefined,
    });
    this.#wal = await lastValueFrom(
      recoverWal(this.target, {
        codec: rawCodec(),
        durability: { mode: 'nosync' },
        maxRecordBytes: this.#maxRecordBytes,
        maxSegmentBytes: Number.MAX_SAFE_INTEGER,
        maxPendingBytes: Number.MAX_SAFE_INTEGER,
        maxPendingRecords: Number.MAX_SAFE_INTEGER,
      }),
    );
    merge(this.#wal.rejected$, this.#wal.durable$.pipe(ignoreElements())).subscribe({
      next: ({ error }) => (this.#refusal ??= error),
      error: (error: unknown) => (this.#refusal ??= error as Error),
    });
    this.#firstLsn = firstLsn;
    this.#lastLsn = firstLsn - 1;
    this.#wasLsn = firstLsn - 1;
  }

  /** A group stays one: all of its records from `firstLsn` on. */
  #write(frame: StoredFrame, firstLsn: number, lastLsn: number): Observable<never> {
    if (firstLsn !== this.#wasLsn + 1 || this.#runs.length === 0)
      this.#runs.push({ lsn: this.#lastLsn + 1, was: firstLsn });
    this.#lastLsn += lastLsn - firstLsn + 1;
    this.#wasLsn = lastLsn;
    if (frame.kind === 'group') {
      const wanted = [...recordFrames(frame)].filter(({ lsn }) => lsn >= firstLsn);
      void this.#wal?.appendAll(wanted.map(({ buffer, start, end }) => framePayload(buffer, start, end)));
    } else {
      this.#wal?.next(framePayload(frame.buffer, frame.start, frame.end));
    }
    return EMPTY;
  }

  readonly #tell = (gap: Gap): void => {
    this.#gaps.push(gap);
    this.options.onGap?.(gap);
  };

  /**
   * The checkpoint in the LSNs of the new log: up to the last record there that it had covered. One that only the frames tell of keeps its epoch,
   * and takes no record away: opening the log would remove what is below it.
   */
  #movedCheckpoint(found: Checkpoint | undefined): Checkpoint | undefined {
    const lsn = this.#firstLsn - 1;
    const checkpoint = this.#checkpoint;
    if (!checkpoint) return found || lsn > 0 ? { epoch: 0, ...found, lsn } : undefined;
    const index = this.#runs.findLastIndex(({ was }) => was <= checkpoint.lsn);
    const run = this.#runs[index];
    const end = (this.#runs[index + 1]?.lsn ?? this.#lastLsn + 1) - 1;
    const moved = run ? Math.min(end, run.lsn + (checkpoint.lsn - run.was)) : lsn;
    return { ...checkpoint, lsn: moved };
  }
}
