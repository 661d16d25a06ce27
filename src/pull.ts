import { BehaviorSubject, type Observable, type Observer, type Subscription } from 'rxjs';

/** A stream that stops where it is while `wanted$` says `false`, as far as that is in its hand; what comes nevertheless is kept. */
export type Pausable<T> = (wanted$: Observable<boolean>) => Observable<T>;

/**
 * Takes values from a stream one at a time: the source is asked for more when what it gave has been taken, and at no other time. So a reader that
 * takes its time costs the memory of what the source gives at once (of a log: the records in 128 KiB, or in one group).
 *
 * ```
 * take():   t----t--t
 * source:   -(ab)---c--
 * given:    -a---b--c         asked for c when b had been taken, and was the last
 * ```
 *
 * Subscribes on the first {@link take}.
 */
export class Pull<T> {
  readonly #source: Pausable<T>;
  readonly #wanted$ = new BehaviorSubject(false);
  #subscription: Subscription | undefined;
  #kept: T[] = [];
  #at = 0;
  #taker: Observer<T> | undefined;
  #end: ((taker: Observer<T>) => void) | undefined;
  #isStopped = false;

  /** @param signal what is kept is given no more when it is aborted. */
  constructor(
    source: Pausable<T>,
    private readonly signal?: AbortSignal,
  ) {
    this.#source = source;
  }

  /** Gives the next value, or the end, to `taker`: at once where it is there. One at a time. */
  take(taker: Observer<T>): void {
    if (this.signal?.aborted && !this.#isStopped) {
      const { reason } = this.signal as { readonly reason: unknown };
      this.stop();

      taker.error(reason);
    } else if (this.#at < this.#kept.length) {
      const value = this.#kept[this.#at] as T;
      this.#at += 1;
      if (this.#at === this.#kept.length) this.#forget();
      taker.next(value);
    } else if (this.#end) {
      this.#end(taker);
    } else {
      this.#taker = taker;
      this.#subscribe();
      this.#wanted$.next(true);
    }
  }

  /** Wants nothing more. A taker that waits hears nothing more. */
  stop(): void {
    this.#isStopped = true;
    this.#taker = undefined;
    this.#end = (taker) => taker.complete();
    this.#forget();
    this.#subscription?.unsubscribe();
  }

  #forget(): void {
    this.#kept = [];
    this.#at = 0;
  }

  #subscribe(): void {
    this.#subscription ??= this.#source(this.#wanted$).subscribe({
      next: (value) => {
        const taker = this.#taker;
        if (!taker) {
          this.#kept.push(value);
          return;
        }
        this.#taker = undefined;
        this.#wanted$.next(false);
        taker.next(value);
      },
      error: (error: unknown) => {
        this.#finish((taker) => taker.error(error));
      },
      complete: () => {
        this.#finish((taker) => taker.complete());
      },
    });
  }

  #finish(end: (taker: Observer<T>) => void): void {
    this.#end ??= end;
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker) end(taker);
  }
}
