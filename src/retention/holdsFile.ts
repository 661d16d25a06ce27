import { EMPTY, catchError, concat, defer, ignoreElements, tap, type Observable } from 'rxjs';
import { WalTruncatedError } from '../errors';
import { MAX_READERS } from '../format/readers';
import { Turns } from '../turns';
import type { Holds, Reader } from '../types';
import type { OneAtATime } from './oneAtATime';

/** What is asked of `readers.meta`. */
type Move =
  | { readonly kind: 'hold'; readonly name: string; readonly lsn: number; readonly mayGoBack: boolean }
  | { readonly kind: 'release'; readonly name: string };

export interface HoldsFileOptions {
  /** What the file says. */
  readonly holds: Holds;
  /** Writes `readers.meta`, atomically; durable when it completes. */
  readonly save: (holds: Holds) => Observable<unknown>;
  /** Keeps apart what must not overlap: segments are removed in the same queue. */
  readonly exclusively: OneAtATime;
  /** LSN up to which records may be gone. */
  readonly goneLsn: () => number;
  /** What is held proves that it was durable. */
  readonly durableLsn: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs in the same turn behind each change that is durable. */
  readonly onSaved: () => Observable<unknown>;
}

/**
 * `readers.meta`, and who waits for it. One write at a time; what is asked meanwhile shares the next one, and is judged in the order in which it
 * was asked, by what is durable then. A write that fails leaves what was durable before.
 */
export class HoldsFile {
  readonly #options: HoldsFileOptions;
  readonly #turns = new Turns<Move, boolean>();
  #holds: Holds;
  #asked: Move[] = [];
  /** A write has failed, so the file may say something else than `holds`: it is written anew before a segment goes. */
  #unsure = false;

  constructor(options: HoldsFileOptions) {
    this.#options = options;
    this.#holds = { ...options.holds, readers: inOrder(options.holds.readers) };
  }

  /** What is durable; readers in the order of their names. */
  get holds(): Holds {
    return this.#holds;
  }

  /** Completes when the file says what `holds` says. Only within a turn of `exclusively`. */
  readonly settled: Observable<never> = defer(() => (this.#unsure ? this.#save(this.#holds) : EMPTY));

  /**
   * Hot.
   *
   * @param mayGoBack whether the reader may stand behind `lsn` already: it begins anew, where the log has all of that yet.
   */
  hold(name: string, lsn: number, mayGoBack = false): Observable<boolean> {
    return this.#ask({ kind: 'hold', name, lsn, mayGoBack });
  }

  /** Hot. */
  release(name: string): Observable<boolean> {
    return this.#ask({ kind: 'release', name });
  }

  /** Durably says that segments up to `lsn` may go, whatever a reader needs. */
  cut(lsn: number): Observable<never> {
    return this.#options.exclusively(defer(() => this.#save({ ...this.#holds, cutLsn: lsn })));
  }

  #ask(move: Move): Observable<boolean> {
    const turn = this.#turns.ask(move);
    if (this.#asked.push(move) === 1) this.#options.exclusively(this.#write()).subscribe();
    return turn;
  }

  /** Never fails: whoever has asked hears of it. */
  #write(): Observable<unknown> {
    return defer(() => {
      const moves = this.#asked;
      this.#asked = [];
      let next = this.#holds;
      const answers = new Map<Move, boolean>();
      for (const move of moves) {
        try {
          const moved = this.#moved(next, move);
          answers.set(move, moved !== next || move.kind === 'hold');
          next = moved;
        } catch (error) {
          this.#turns.reject(move, error);
        }
      }
      const answer = (): void => {
        for (const [move, is] of answers) this.#turns.resolve(move, is);
      };
      if (next === this.#holds && !this.#unsure) {
        answer();
        return EMPTY;
      }
      const saved = this.#save(next).pipe(
        tap({
          complete: answer,
          error: (error: unknown) => {
            for (const move of answers.keys()) this.#turns.reject(move, error);
          },
        }),
      );
      return concat(saved, defer(this.#options.onSaved)).pipe(catchError(() => EMPTY));
    });
  }

  #save(holds: Holds): Observable<never> {
    return defer(() => {
      this.#unsure = true;
      return this.#options.save(holds).pipe(
        ignoreElements(),
        tap({
          complete: () => {
            this.#unsure = false;
            this.#holds = holds;
          },
        }),
      );
    });
  }

  #moved(holds: Holds, move: Move): Holds {
    const { name } = move;
    const was = holds.readers.find((reader) => reader.name === name);
    const others = was ? holds.readers.filter((reader) => reader !== was) : holds.readers;
    if (move.kind === 'release') return was ? { ...holds, readers: others } : holds;
    const { lsn } = move;
    if (was?.lsn === lsn) return holds;
    const durableLsn = this.#options.durableLsn();
    if (lsn > durableLsn) throw new RangeError(`lsn must be at most ${durableLsn}, the durable LSN, not ${lsn}`);
    if (was && lsn < was.lsn && !move.mayGoBack) {
      throw new RangeError(`lsn must be at least ${was.lsn}, where reader ${JSON.stringify(name)} is, not ${lsn}`);
    }
    // What a cap has cut may go at any time.
    const goneLsn = Math.max(this.#options.goneLsn(), holds.cutLsn);
    if (lsn < goneLsn) throw new WalTruncatedError(lsn + 1, goneLsn + 1);
    if (!was && others.length >= MAX_READERS) {
      throw new RangeError(`a log has at most ${MAX_READERS} readers: release those that are no longer there`);
    }
    const movedAt = Math.max(0, Math.floor(this.#options.now()));
    return { ...holds, readers: inOrder([...others, { name, lsn, movedAt }]) };
  }
}

function inOrder(readers: readonly Reader[]): readonly Reader[] {
  return readers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
