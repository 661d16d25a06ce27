import {
  BehaviorSubject,
  NEVER,
  concat,
  defer,
  finalize,
  ignoreElements,
  map,
  of,
  share,
  tap,
  type Observable,
} from 'rxjs';
import type { Point, Report } from './report';

/** What a client is told first: what the page needs to draw the minutes before. */
export interface Hello {
  readonly intervalMs: number;
  /** How many points are kept. */
  readonly points: number;
  /** Oldest first. */
  readonly history: readonly Point[];
  /** The newest report; absent before the first. */
  readonly report: Report | undefined;
}

export interface FeedOptions {
  readonly intervalMs: number;
  /** How many points are kept for those who come late. */
  readonly points: number;
}

/**
 * One source of reports for any number of clients: each gets `hello` with the points of the last minutes, and then every report.
 *
 * ```
 * reports$:            --a--b--c--d
 * client(), from 6 on:       h-c--d     h: hello, with a and b
 * ```
 *
 * What is sent is made into text once, whoever many listen. The reports are subscribed while there is a client, or all the time where somebody has
 * subscribed {@link keep}.
 */
export class Feed {
  /** Whether there is a client. */
  readonly watched$: Observable<boolean>;
  readonly #clients$ = new BehaviorSubject(0);
  readonly #texts$: Observable<string>;
  #history: readonly Point[] = [];
  #report: Report | undefined;

  constructor(
    reports: (watched$: Observable<boolean>) => Observable<Report>,
    private readonly options: FeedOptions,
  ) {
    this.watched$ = this.#clients$.pipe(map((clients) => clients > 0));
    this.#texts$ = reports(this.watched$).pipe(
      tap((report) => {
        this.#report = report;
        this.#history = [...this.#history, report.point].slice(-options.points);
      }),
      map((report) => eventText('report', report)),
      // When the log has ended its last report stands, and its reports do not begin again.
      share({ resetOnComplete: false }),
    );
  }

  /** Keeps the reports coming while nobody looks, so that there is a history. */
  keep(): Observable<never> {
    return this.#texts$.pipe(ignoreElements());
  }

  /** Events for one client, as text. Does not end by itself: the last report stands when the log has ended. */
  client(): Observable<string> {
    return defer(() => {
      const hello: Hello = { ...this.options, history: this.#history, report: this.#report };
      this.#clients$.next(this.#clients$.value + 1);
      return concat(of(eventText('hello', hello)), this.#texts$, NEVER).pipe(
        finalize(() => {
          this.#clients$.next(this.#clients$.value - 1);
        }),
      );
    });
  }
}

/** An event as server-sent events have it. JSON has no line breaks. */
export function eventText(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
