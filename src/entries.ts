import { Observable, from, type ObservableInput, type Observer, type Subscriber, type Subscription } from 'rxjs';
import { Pull, type Pausable } from './pull';
import type { Entry } from './types';
import { untilAborted } from './untilAborted';

/**
 * The records that a reader gets, in LSN order: an Observable, and an async iterable.
 *
 * RxJS has no back pressure: whoever subscribes is given records as fast as the disk and the codec have them, and a `concatMap` behind it keeps those that wait
 * in memory. Where something is to be done with each of them that takes its time, pull: with {@link each}, `for await`, or `Readable.from(entries)`. Then the log is
 * read no faster than the entries are taken, in constant memory.
 *
 * Cold: each subscription, iteration or `each` reads for itself.
 */
// eslint-disable-next-line rxjs-x/no-subclass -- nothing that wraps an Observable can be piped and iterated as well
export class Entries<T> extends Observable<Entry<T>> implements AsyncIterable<Entry<T>> {
  readonly #source: Pausable<Entry<T>>;
  readonly #signal: AbortSignal | undefined;

  /**
   * @param source gives the entries, and stops where it is while they are not wanted.
   * @param signal ends it all with its reason, also what has been read and not been taken.
   */
  constructor(source: Pausable<Entry<T>>, signal?: AbortSignal) {
    const aborted: Pausable<Entry<T>> = (wanted$) => source(wanted$).pipe(untilAborted(signal));
    super((subscriber) => aborted(ALWAYS).subscribe(subscriber));
    this.#source = aborted;
    this.#signal = signal;
  }

  /**
   * Does something with each entry, one after the other: `concatMap` with back pressure. The next entry is taken when what `project` made of the one before has
   * completed.
   *
   * `A` takes 3 frames of time, `B` takes 2:
   *
   * ```
   * entries:        -(ab|)
   * each(project):  ----A-(B|)
   * ```
   *
   * Fails with what `project` throws, or fails with.
   *
   * @example
   * await lastValueFrom(wal.tail({ after }).each((entry) => saveToDatabase(entry)));
   */
  each<R>(project: (entry: Entry<T>) => ObservableInput<R>): Observable<R> {
    const all$ = new Observable<R>((subscriber) => eachInTurn(new Pull(this.#source), project, subscriber));
    // What is being done with an entry is left too.
    return all$.pipe(untilAborted(this.#signal));
  }

  /** Takes entries one at a time; `return()`, a `break`, ends the reading at once, also while an entry is waited for. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Entry<T>> {
    return new EntryIterator(new Pull(this.#source, this.#signal));
  }
}

/** Nothing is ever told: wanted all the time. */
const ALWAYS = new Observable<boolean>();

/** A loop, and no recursion, where nothing takes time. */
function eachInTurn<T, R>(
  pull: Pull<Entry<T>>,
  project: (entry: Entry<T>) => ObservableInput<R>,
  subscriber: Subscriber<R>,
): () => void {
  let inner: Subscription | undefined;
  let busy = false;
  let running = false;

  const taker: Observer<Entry<T>> = {
    next: (entry) => {
      let result$: Observable<R>;
      try {
        result$ = from(project(entry));
      } catch (error) {
        subscriber.error(error);
        return;
      }
      inner = result$.subscribe({
        next: (value) => {
          subscriber.next(value);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          busy = false;
          run();
        },
      });
      if (subscriber.closed) inner.unsubscribe();
    },
    error: (error: unknown) => {
      subscriber.error(error);
    },
    complete: () => {
      subscriber.complete();
    },
  };
  const run = (): void => {
    if (running) return;
    running = true;
    while (!busy && !subscriber.closed) {
      busy = true;
      pull.take(taker);
    }
    running = false;
  };
  run();
  return () => {
    inner?.unsubscribe();
    pull.stop();
  };
}

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** A generator would let `return()` wait for the entry that `next()` waits for, which may never come. */
class EntryIterator<T> implements AsyncIterableIterator<T, undefined> {
  /** Those who wait for an entry; the first of them is being served. */
  readonly #waiting: Waiting<T>[] = [];
  #over = false;

  constructor(private readonly pull: Pull<T>) {}

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length === 1) this.#serve();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#finish();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serve(): void {
    this.pull.take({
      next: (value) => {
        this.#waiting.shift()?.resolve({ done: false, value });
        if (this.#waiting.length > 0) this.#serve();
      },
      error: (error: unknown) => {
        this.#waiting.shift()?.reject(error);
        this.#finish();
      },
      complete: () => {
        this.#finish();
      },
    });
  }

  #finish(): void {
    this.#over = true;
    this.pull.stop();
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };
