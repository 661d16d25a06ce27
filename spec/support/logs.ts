import { inspect } from 'node:util';
import { lastValueFrom, toArray, type Observable, type VirtualTimeScheduler } from 'rxjs';
import {
  WalCorruptError,
  WalError,
  WalVersionError,
  rawCodec,
  recoverWal,
  type Ack,
  type Wal,
  type WalOptions,
} from 'rxwal';
import { memoryStore, memoryWal, type MemoryStore } from 'rxwal/testing';
import { frameBytes, headerBytes, hex, join, type Kind } from './bytes';
import type { Files, ReferenceRecord, Refusal } from './reference';

/** The log id of every log here: one that is not random makes a failing case the same case the next time. */
export const LOG_ID = Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07, 0x18);
export const OTHER_LOG_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

export const RAW = { codec: rawCodec(), preallocateBytes: 0 } satisfies WalOptions<Uint8Array>;

export function segmentFile(sequence: number): string {
  return `wal_${String(sequence).padStart(8, '0')}.log`;
}

/** A frame by its parts; a record's payload may be text. */
export type FrameSpec = readonly [kind: Kind, lsn: number, payload?: string | Uint8Array];

/** A segment written by hand: a header and frames, and anything behind them. */
export function segmentBytes(
  firstLsn: number,
  frames: readonly FrameSpec[],
  behind: readonly number[] = [],
): Uint8Array {
  return join(
    headerBytes({ firstLsn, logId: LOG_ID }),
    ...frames.map(([kind, lsn, payload = '']) => frameBytes(kind, lsn, payload, LOG_ID)),
    behind,
  );
}

/** A directory by its segments, the first being number 0. */
export function filesOf(...segments: readonly Uint8Array[]): Map<string, Uint8Array> {
  return new Map(segments.map((bytes, sequence) => [segmentFile(sequence), bytes]));
}

/** The payloads that {@link buildLog} appends: LSN 1 is the first. Empty, short, and longer than all the rest. */
const PAYLOADS: readonly Uint8Array[] = ['one', 'two!', '', '4'.repeat(40), 'five', 'six', '7', 'eight...'].map(
  (text) => Uint8Array.from(Buffer.from(text)),
);

export const TRUTH: readonly ReferenceRecord[] = PAYLOADS.map((payload, index) => ({
  lsn: index + 1,
  payload: hex(payload),
}));

/**
 * Eight records in four segments, with marks, a batch of two, and a checkpoint, as the log itself writes them:
 *
 * ```
 * wal_00000000  m0 1  m1 2              removed by the checkpoint, unless `keepFirst`
 * wal_00000001  m2 3  m3 checkpoint(2)
 * wal_00000002  4
 * wal_00000003  m4 5  m5 6 7  m7 8  m8  the last mark by `close()` only
 * ```
 */
export async function buildLog(ending: 'closed' | 'crashed', keepFirst = false): Promise<Map<string, Uint8Array>> {
  const { wal, store } = memoryWal<Uint8Array>({
    ...RAW,
    isCommit: (payload) => payload !== PAYLOADS[5],
    files: filesOf(segmentBytes(1, [])),
  });
  /** Each in a batch of its own, but for the one that is no commit: that rides with the next. */
  const append = async (...lsns: number[]): Promise<void> => {
    for (const lsn of lsns) {
      const ack = wal.append(PAYLOADS[lsn - 1]!);
      if (lsn !== 6) await ack;
    }
  };
  await append(1, 2);
  await wal.rotate();
  await append(3);
  await wal.checkpoint({ lsn: keepFirst ? 1 : 2, epoch: 5, transactionId: 77 });
  await wal.rotate();
  await append(4);
  await wal.rotate();
  await append(5, 6, 7, 8);
  const crashed = store.snapshot();
  await wal.close();
  return ending === 'closed' ? store.snapshot() : crashed;
}

/** What an Observable on a store that takes no time gives, at once. */
export interface Outcome<T> {
  readonly values: readonly T[];
  readonly error: unknown;
  readonly done: boolean;
}

export function collect<T>(source: Observable<T>): Outcome<T> {
  const values: T[] = [];
  let error: unknown;
  let done = false;
  source.subscribe({
    next: (value) => {
      values.push(value);
    },
    error: (thrown: unknown) => {
      error = thrown;
    },
    complete: () => {
      done = true;
    },
  });
  return { values, error, done };
}

/** Appends to a log on a store that takes no time, whose clock this is: the turn in which the batch leaves ends when it goes on. */
export function appended<T>(wal: Wal<T>, clock: VirtualTimeScheduler, value: T): Outcome<Ack> {
  const ack$ = wal.append(value);
  clock.flush();
  return collect(ack$);
}

/** Opens a log on a store that takes no time. */
export function open(
  store: MemoryStore,
  options: WalOptions<Uint8Array> = {},
): { wal: Wal<Uint8Array> } | { error: unknown } {
  const { values, error } = collect(recoverWal<Uint8Array>(store, { ...RAW, ...options }));
  const [wal] = values;
  return wal ? { wal } : { error };
}

/** Opens files that must open. */
export function openFiles(
  files: Files,
  options: WalOptions<Uint8Array> = {},
): { wal: Wal<Uint8Array>; store: MemoryStore } {
  const store = memoryStore({ files });
  const opened = open(store, options);
  if ('error' in opened) throw opened.error;
  return { ...opened, store };
}

/** What opening files fails with. */
export function refusalOfFiles(files: Files, options: WalOptions<Uint8Array> = {}): unknown {
  const opened = open(memoryStore({ files }), options);
  return 'error' in opened ? opened.error : undefined;
}

/** Records as the reference reader gives them. */
export function recordsOf(entries: readonly { readonly lsn: number; readonly value: Uint8Array }[]): ReferenceRecord[] {
  return entries.map(({ lsn, value }) => ({ lsn, payload: hex(value) }));
}

export function records(from: number, to: number): readonly ReferenceRecord[] {
  return TRUTH.slice(from - 1, to);
}

/** An error in the words of the reference reader; anything but a typed error of the log stays what it is. */
export function asRefusal(error: unknown): Refusal | undefined | { readonly untyped: string } {
  if (error === undefined) return undefined;
  if (error instanceof WalCorruptError) {
    return { code: 'WAL_CORRUPT', file: error.file, offset: error.offset, lsn: error.lsn };
  }
  if (error instanceof WalVersionError) return { code: 'WAL_VERSION', file: error.file };
  if (error instanceof WalError && error.code === 'WAL_RECORD') return { code: 'WAL_RECORD' };
  return { untyped: inspect(error) };
}

/** Whether two directories hold the same files, byte for byte. */
export function sameFiles(one: Files, other: Files): boolean {
  return (
    one.size === other.size &&
    [...one].every(([name, bytes]) => Buffer.compare(bytes, other.get(name) ?? UNEQUAL) === 0)
  );
}

const UNEQUAL = Buffer.from('no file of these specs holds this');

/** The same directory with one file changed, or taken away. */
export function withFileBytes(files: Files, name: string, bytes: Uint8Array | undefined): Map<string, Uint8Array> {
  const changed = new Map(files);
  if (bytes) changed.set(name, bytes);
  else changed.delete(name);
  return changed;
}

/** Every copy of a file with one bit flipped. */
export function* flippedBits(bytes: Uint8Array): Generator<{ readonly label: string; readonly bytes: Uint8Array }> {
  for (let at = 0; at < bytes.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const flipped = bytes.slice();
      flipped[at]! ^= 1 << bit;
      yield { label: `byte ${at}, bit ${bit}`, bytes: flipped };
    }
  }
}

/** Every shorter copy of a file. */
export function* truncations(bytes: Uint8Array): Generator<{ readonly label: string; readonly bytes: Uint8Array }> {
  for (let length = 0; length < bytes.length; length += 1) {
    yield { label: `cut to ${length} bytes`, bytes: bytes.slice(0, length) };
  }
}

export function allOf<T>(source: Observable<T>): Promise<T[]> {
  return lastValueFrom(source.pipe(toArray()));
}
