import { EMPTY, catchError, defer, ignoreElements, map, tap, throwError, type Observable } from 'rxjs';
import { isVanished } from '../besideWriter';
import { HEADER_BYTES } from '../format/header';
import { asIoError } from '../ioError';
import { eachFile, withFile } from '../reading/segmentFrames';
import { segmentName, type SegmentStore } from '../store/segmentStore';
import type { Commit, SegmentInfo, SegmentStart } from '../types';
import type { SegmentUse } from './overCap';

export interface SegmentLedgerOptions {
  readonly store: SegmentStore;
  /** The log's segments, oldest first, as they come and go. */
  readonly segments: readonly SegmentInfo[];
  /** The one that is written on. */
  readonly from: SegmentStart;
  /** The log's clock, in milliseconds; `undefined` where nobody asks for ages. */
  readonly now: (() => number) | undefined;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
}

/** How large the segments are, and when they were last written: of those that this opening writes as it goes, of older ones when it is asked for. */
export class SegmentLedger {
  readonly #options: SegmentLedgerOptions;
  readonly #bytes = new Map<number, number>();
  readonly #writtenAt = new Map<number, number>();

  constructor(options: SegmentLedgerOptions) {
    this.#options = options;
    this.#bytes.set(options.from.sequence, options.from.bytes);
  }

  onSegment({ sequence }: SegmentInfo): void {
    const oldest = this.#options.segments[0]?.sequence ?? sequence;
    for (const known of [this.#bytes, this.#writtenAt]) {
      for (const one of known.keys()) if (one < oldest) known.delete(one);
    }
    this.#bytes.set(sequence, HEADER_BYTES);
  }

  onCommit({ segment, bytes, records }: Commit): void {
    this.#bytes.set(segment, (this.#bytes.get(segment) ?? HEADER_BYTES) + bytes);
    if (records > 0 && this.#options.now) this.#writtenAt.set(segment, this.#options.now());
  }

  /** Size of all segments; `undefined` where one of them is not known. */
  get bytes(): number | undefined {
    let sum = 0;
    for (const { sequence } of this.#options.segments) {
      const bytes = this.#bytes.get(sequence);
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  }

  get uses(): readonly SegmentUse[] {
    return this.#options.segments.map(({ sequence, firstLsn }) => ({
      firstLsn,
      bytes: this.#bytes.get(sequence),
      writtenAt: this.#writtenAt.get(sequence),
    }));
  }

  /** Asks the store for the sizes that are not known. Fails with `WalIoError`. */
  readonly sizes: Observable<never> = this.#ask(
    () => this.#bytes,
    (name) => withFile(this.#options.store, name, (file) => file.size()),
  );

  /** Asks the store for the ages that are not known; one that cannot say has made all of them now. Fails with `WalIoError`. */
  readonly ages: Observable<never> = defer(() => {
    const { store, now, wallNow } = this.#options;
    if (!now) return EMPTY;
    // An age counts on by the log's clock: nothing hangs on the wall clock but what it said at the opening.
    const written = (at: number): number => now() - Math.max(0, wallNow() - at);
    const { modifiedAt } = store;
    return this.#ask(
      () => this.#writtenAt,
      (name) => (modifiedAt ? modifiedAt(name).pipe(map(written)) : defer(() => [now()])),
    );
  });

  #ask(known: () => Map<number, number>, ask: (name: string) => Observable<number>): Observable<never> {
    return defer(() => {
      const unknown = this.#options.segments.filter(({ sequence }) => !known().has(sequence));
      return eachFile(unknown, ({ sequence }) => {
        const name = segmentName(sequence);
        return ask(name).pipe(
          tap((found) => {
            // What has been written meanwhile is known better.
            if (!known().has(sequence)) known().set(sequence, found);
          }),
          asIoError('Looking at', name),
          // A checkpoint has removed it meanwhile.
          catchError((error: unknown) => (isVanished(error) ? EMPTY : throwError(() => error))),
        );
      });
    }).pipe(ignoreElements());
  }
}
