import type { Observable, SchedulerLike } from 'rxjs';
import { cborCodec } from './codec/cborCodec';
import { FRAME_OVERHEAD_BYTES, MAX_PAYLOAD_BYTES } from './format/frame';
import { HEADER_BYTES } from './format/header';
import { DEFAULT_MAX_SEGMENT_BYTES } from './operators/rotate';
import type { Codec, Durability, ReadOptions, RetentionOptions, TailOptions } from './types';

/** How a log behaves. Every option can be changed from one opening to the next, but for the codec. */
export interface WalOptions<T> {
  /**
   * When a batch ends, and so what an ack means.
   *
   * @default { mode: 'sync' }
   */
  readonly durability?: Durability | undefined;

  /**
   * Mode `sync`: which records end a batch. One that does not rides with the next one that does, and is acknowledged with it.
   * A log of transactions wants an fsync for each commit record only: `isCommit: isTransactionCommit`.
   *
   * @default every record
   */
  readonly isCommit?: ((value: T) => boolean) | undefined;

  /**
   * How values become bytes.
   *
   * @default cborCodec()
   */
  readonly codec?: Codec<T> | undefined;

  /**
   * A segment ends with the batch that takes it to this size, in bytes. At least 64.
   *
   * @default 67_108_864 (64 MiB)
   */
  readonly maxSegmentBytes?: number | undefined;

  /**
   * Largest encoded record, in bytes; of a group (`appendAll`), all of it, with 4 bytes for each record and 4 more. A larger one fails that one append with
   * `WalRecordError`. From 1 to 1_073_741_823.
   *
   * @default 16_777_216 (16 MiB)
   */
  readonly maxRecordBytes?: number | undefined;

  /**
   * Bytes that may wait to become durable (`nosync`: to be written). Past it `append` fails with `WalBackpressureError`. A single
   * record, or a single group, is taken whatever its size when nothing waits. At least 1.
   *
   * @default 67_108_864 (64 MiB)
   */
  readonly maxPendingBytes?: number | undefined;

  /**
   * As `maxPendingBytes`, in records. At least 1.
   *
   * @default 1_048_576
   */
  readonly maxPendingRecords?: number | undefined;

  /**
   * Zeros kept ahead of the write position, in bytes: an fsync that overwrites zeros does not wait for the file system's journal.
   * 0 turns it off. Mode `nosync`, which waits for none, lays no zeros.
   *
   * @default 262_144 (256 KiB)
   */
  readonly preallocateBytes?: number | undefined;

  /**
   * Caps on what the log keeps, by size and by age, and when a named reader counts as stuck. A cap makes checkpoints by itself, at the ends of
   * segments, and never above what a reader has taken unless `evenIfRead` says so.
   *
   * @default no cap
   */
  readonly retention?: RetentionOptions | undefined;

  /**
   * Its first value, or its end, closes the log as `close()` does: what has been accepted drains. `NEVER` for none.
   *
   * @default never
   */
  readonly shutdown$?: Observable<unknown> | undefined;

  /**
   * Whose clock the log uses. Inside `TestScheduler.run` the default is virtual by itself.
   *
   * @default asyncScheduler, with a monotonic `now`
   */
  readonly scheduler?: SchedulerLike | undefined;
}

/** Options with every default in its place. */
export type CheckedOptions<T> = {
  readonly [K in Exclude<keyof WalOptions<T>, Unset>]: NonNullable<WalOptions<T>[K]>;
} & Pick<WalOptions<T>, Unset>;

/** The options whose default is that there is none. */
type Unset = 'isCommit' | 'retention' | 'shutdown$' | 'scheduler';

const KNOWN: Readonly<Record<keyof WalOptions<unknown>, true>> = {
  durability: true,
  isCommit: true,
  codec: true,
  maxSegmentBytes: true,
  maxRecordBytes: true,
  maxPendingBytes: true,
  maxPendingRecords: true,
  preallocateBytes: true,
  retention: true,
  shutdown$: true,
  scheduler: true,
};

/** The names of all options of a log. */
export const WAL_OPTIONS: readonly string[] = Object.keys(KNOWN);

/** Larger steps stall the append beside them for as long as they take to write: `bench/NOTES.md`. */
const DEFAULT_PREALLOCATE_BYTES = 256 * 1024;
const MIB = 1024 * 1024;
const DEFAULT_MAX_RECORD_BYTES = 16 * MIB;
const MIN_SEGMENT_BYTES = HEADER_BYTES + 2 * FRAME_OVERHEAD_BYTES;

/**
 * Fills in the defaults.
 *
 * @throws TypeError for an option of the wrong type or an unknown one, RangeError for a number out of range; each names the option and the value.
 */
export function checkOptions<T>(options: WalOptions<T> = {}): CheckedOptions<T> {
  checkNames('options', options, WAL_OPTIONS);
  const { isCommit, shutdown$, scheduler } = options;
  checkCallback('isCommit', isCommit);
  if (shutdown$ !== undefined && !hasMethods(shutdown$, 'subscribe'))
    throw wrongType('shutdown$', 'an Observable', shutdown$);
  checkScheduler(scheduler);
  const durability = checkDurability(options.durability ?? { mode: 'sync' });
  const preallocateBytes = integer('preallocateBytes', options.preallocateBytes ?? DEFAULT_PREALLOCATE_BYTES, 0);
  return {
    durability,
    codec: checkCodec(options.codec ?? cborCodec<T>()),
    maxSegmentBytes: integer(
      'maxSegmentBytes',
      options.maxSegmentBytes ?? DEFAULT_MAX_SEGMENT_BYTES,
      MIN_SEGMENT_BYTES,
    ),
    maxRecordBytes: checkMaxRecordBytes(options.maxRecordBytes),
    maxPendingBytes: integer('maxPendingBytes', options.maxPendingBytes ?? 64 * MIB, 1),
    maxPendingRecords: integer('maxPendingRecords', options.maxPendingRecords ?? MIB, 1),
    preallocateBytes: durability.mode === 'nosync' ? 0 : preallocateBytes,
    isCommit,
    retention: checkRetention(options.retention),
    shutdown$,
    scheduler,
  };
}

function checkRetention(retention: RetentionOptions | undefined): RetentionOptions | undefined {
  if (retention === undefined) return undefined;
  checkNames('retention', retention, ['maxBytes', 'maxAgeMs', 'evenIfRead', 'stuckAfterMs']);
  const { maxBytes, maxAgeMs, evenIfRead, stuckAfterMs } = retention;
  if (maxBytes !== undefined) integer('retention.maxBytes', maxBytes, 1);
  if (maxAgeMs !== undefined) integer('retention.maxAgeMs', maxAgeMs, 1);
  if (stuckAfterMs !== undefined) integer('retention.stuckAfterMs', stuckAfterMs, 0);
  if (evenIfRead !== undefined && typeof evenIfRead !== 'boolean')
    throw wrongType('retention.evenIfRead', 'a boolean', evenIfRead);
  return { ...retention };
}

/** @throws TypeError or RangeError where it is no number of bytes that a frame can hold. */
export function checkMaxRecordBytes(bytes = DEFAULT_MAX_RECORD_BYTES): number {
  return integer('maxRecordBytes', bytes, 1, MAX_PAYLOAD_BYTES);
}

/** @throws TypeError or RangeError, naming the option, where `after` or `until` is no LSN. */
export function checkReadOptions(options: ReadOptions, known: readonly string[] = ['after', 'until', 'signal']): void {
  checkNames('options', options, known);
  const { after, until } = options;
  if (after !== undefined) integer('after', after, 0);
  if (until !== undefined && until !== Infinity) integer('until', until, 0);
  checkSignal(options.signal);
}

/** @throws TypeError or RangeError, naming the option. */
export function checkTailOptions(options: TailOptions): void {
  checkNames('options', options, ['after', 'onCaughtUp', 'signal']);
  const { after, onCaughtUp } = options;
  if (after !== undefined) integer('after', after, 0);
  checkCallback('onCaughtUp', onCaughtUp);
  checkSignal(options.signal);
}

/** @throws TypeError where `options` is no object, or has a name that is not among `known`. */
export function checkNames(what: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || (options as object | null) === null) throw wrongType(what, 'an object', options);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`${name} is no option; there are ${known.join(', ')}`);
  }
}

/** @throws TypeError where there is something else than a function. */
export function checkCallback(name: string, callback: unknown): void {
  if (callback !== undefined && typeof callback !== 'function') throw wrongType(name, 'a function', callback);
}

/** @throws TypeError where there is something else than an AbortSignal. */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || (hasMethods(signal, 'addEventListener', 'removeEventListener') && 'aborted' in signal))
    return signal;
  throw wrongType('signal', 'an AbortSignal', signal);
}

/** @throws TypeError where there is something else than a scheduler. */
export function checkScheduler(scheduler: unknown): void {
  if (scheduler !== undefined && !hasMethods(scheduler, 'now', 'schedule')) {
    throw wrongType('scheduler', 'a scheduler', scheduler);
  }
}

/** @throws TypeError or RangeError, naming `name`, where `value` is not an integer from `min` to `max`. */
export function integer(name: string, value: number, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number', value);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new RangeError(`${name} must be an integer ${range}, not ${value}`);
  }
  return value;
}

function checkDurability(durability: Durability): Durability {
  if (typeof durability !== 'object') throw wrongType('durability', 'an object with a mode', durability);
  switch (durability.mode) {
    case 'sync':
    case 'nosync':
      return { mode: durability.mode };
    case 'batch':
      return {
        mode: 'batch',
        maxDelayMs: milliseconds('durability.maxDelayMs', durability.maxDelayMs),
        maxRecords: integer('durability.maxRecords', durability.maxRecords, 1),
      };
    case 'adaptive':
      return {
        mode: 'adaptive',
        targetIntervalMs: milliseconds('durability.targetIntervalMs', durability.targetIntervalMs),
      };
    default:
      throw wrongType(
        'durability.mode',
        "'sync', 'batch', 'adaptive' or 'nosync'",
        (durability as { mode?: unknown }).mode,
      );
  }
}

/** What a timer can wait: longer delays fire at once in Node. */
const MAX_DELAY_MS = 0x7fff_ffff;

function milliseconds(name: string, value: number): number {
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value);
  if (!(value >= 0 && value <= MAX_DELAY_MS)) {
    throw new RangeError(`${name} must be from 0 to ${MAX_DELAY_MS} milliseconds, not ${value}`);
  }
  return value;
}

export function checkCodec<T>(codec: Codec<T>): Codec<T> {
  if (!hasMethods(codec, 'encode', 'decode')) throw wrongType('codec', 'an object with encode and decode', codec);
  // An Encoder of cbor-x or msgpackr looks like a codec. With a dictionary, its records mean nothing alone.
  const shared = codec as { structures?: unknown; sequential?: unknown };
  if (shared.structures !== undefined || shared.sequential) {
    throw new TypeError(
      'codec keeps a dictionary (structures, sequential), and every record of a log must decode alone: use cborCodec(options)',
    );
  }
  return codec;
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown> | null)?.[name] === 'function');
}

function wrongType(name: string, expected: string, value: unknown): TypeError {
  const shown =
    typeof value === 'string'
      ? `'${value}'`
      : typeof value === 'bigint'
        ? `${value}n`
        : value === null || typeof value !== 'object'
          ? String(value)
          : typeof value;
  return new TypeError(`${name} must be ${expected}, not ${shown}`);
}
