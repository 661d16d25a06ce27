import { map } from 'rxjs';
import { batch, type BatchOptions } from '../../../src/operators/batch';
import { virtualTime } from '../../../src/testing/virtualTime';
import type { Barrier, Batch, Durability, Frame } from '../../../src/types';
import { CHECKPOINT, type CountingScheduler } from '../helpers';

// What goes in: every letter is a frame, and its LSN is its place in the alphabet.

export const lsnOf = (letter: string): number => letter.toLowerCase().charCodeAt(0) - 96;
export const letterOf = ({ lsn, commit }: Frame): string => {
  const letter = String.fromCharCode(lsn + 96);
  return commit ? letter : letter.toUpperCase();
};
/** Which frame a buffer was made for. */
export const frameIn = new WeakMap<Uint8Array, Frame>();
/** A frame in a buffer of its own, so that what stands in a batch can be told from its runs. Its bytes are only claimed. */
export const frameWith = (lsn: number, commit = true, bytes = 1): Frame => {
  const frame: Frame = { kind: 'record', lsn, buffer: new Uint8Array(0), start: 0, end: bytes, commit };
  frameIn.set(frame.buffer, frame);
  return frame;
};
/** As many bytes as its place in the alphabet. */
export const frameOf = (letter: string, commit = true): Frame => frameWith(lsnOf(letter), commit, lsnOf(letter));

export const LETTERS = Array.from({ length: 26 }, (_, index) => String.fromCharCode(97 + index));
/** `a` to `z` are commit records, `A` to `Z` records that are none. */
export const frames: Record<string, Frame> = Object.fromEntries([
  ...LETTERS.map((letter) => [letter, frameOf(letter)] as const),
  ...LETTERS.map((letter) => [letter.toUpperCase(), frameOf(letter, false)] as const),
]);

export const barriers: Record<string, Barrier> = {
  s: { kind: 'sync' },
  f: { kind: 'flush' },
  r: { kind: 'rotate' },
  k: { kind: 'checkpoint', checkpoint: CHECKPOINT },
};

/** What fills a part. */
export const PART_RECORDS = 4096;
export const PART_BYTES = 4 * 1024 * 1024;
/** What one commit has at the most, where several parts wait. */
export const MAX_COMMIT_BYTES = 4 * PART_BYTES;

// What comes out.

/** The frames of a batch; what it says about them is true. */
export function framesOf({ runs, records, firstLsn, lastLsn, bytes }: Batch): readonly Frame[] {
  const gathered = runs.map(({ buffer }) => frameIn.get(buffer)!);
  expect({ records, firstLsn, lastLsn, bytes }).toEqual({
    records: gathered.length,
    firstLsn: gathered.at(0)?.lsn ?? 0,
    lastLsn: gathered.at(-1)?.lsn ?? 0,
    bytes: gathered.reduce((sum, { start, end }) => sum + end - start, 0),
  });
  return gathered;
}

/** A batch in a word: its frames, why it ended, its barriers. */
export function told(each: Batch): string {
  const letters = framesOf(each).map(letterOf).join('');
  const waiting = each.barriers.map(({ kind }) => ` + ${kind}`).join('');
  return `${letters === '' ? 'nothing' : letters} by ${each.reason}${waiting}`;
}

export interface Picture {
  readonly source: string;
  /** When a commit returns. */
  readonly settled?: string;
  /** `s` sync, `f` flush, `r` rotate, `k` checkpoint. */
  readonly barriers?: string;
  /** `0` stops the clock, `1` starts it. */
  readonly background?: string;
  readonly scheduler?: CountingScheduler;
  readonly unsub?: string;
  readonly expected: string;
  /** What the letters of the result are: `abc by commit`. */
  readonly batches?: Readonly<Record<string, string>>;
  /** How long each of them is subscribed. */
  readonly subs?: {
    readonly source: string;
    readonly settled?: string;
    readonly barriers?: string;
    readonly background?: string;
  };
}

export function expectBatches(durability: Durability | undefined, picture: Picture): void {
  const { source, settled, background, scheduler, unsub, expected, batches, subs } = picture;
  virtualTime(({ hot, expectObservable, expectSubscriptions }) => {
    const source$ = hot(source, frames);
    const settled$ = settled === undefined ? undefined : hot(settled);
    const barriers$ = picture.barriers === undefined ? undefined : hot(picture.barriers, barriers);
    const background$ = background === undefined ? undefined : hot(background, { 0: false, 1: true });
    const options: BatchOptions = {
      ...(durability && { durability }),
      ...(settled$ && { settled$ }),
      ...(barriers$ && { barriers$ }),
      ...(background$ && { background$ }),
      ...(scheduler && { scheduler }),
    };
    expectObservable(source$.pipe(batch(options), map(told)), unsub).toBe(expected, batches);
    if (!subs) return;
    expectSubscriptions(source$.subscriptions).toBe(subs.source);
    if (settled$ && subs.settled !== undefined) expectSubscriptions(settled$.subscriptions).toBe(subs.settled);
    if (barriers$ && subs.barriers !== undefined) expectSubscriptions(barriers$.subscriptions).toBe(subs.barriers);
    if (background$ && subs.background !== undefined) {
      expectSubscriptions(background$.subscriptions).toBe(subs.background);
    }
  });
}

export const SYNC: Durability = { mode: 'sync' };
export const NOSYNC: Durability = { mode: 'nosync' };
export const within = (maxDelayMs: number, maxRecords = 1000): Durability => ({
  mode: 'batch',
  maxDelayMs,
  maxRecords,
});
export const every = (targetIntervalMs: number): Durability => ({ mode: 'adaptive', targetIntervalMs });
/** One of each mode. */
export const MODES: readonly Durability[] = [SYNC, NOSYNC, within(5), every(5)];
export const CLOCKED: readonly Durability[] = [within(5), every(5)];
