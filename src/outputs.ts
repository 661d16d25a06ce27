import { ReplaySubject, Subject, throwError, type Observable } from 'rxjs';
import type { Ack, Commit, Rejection, WalState } from './types';

/** What a log says: the subjects behind its public streams. */
export class Outputs<T> {
  /* eslint-disable rxjs-x/no-exposed-subjects -- the log's own ends; what it shows the world stands below */
  readonly acks = new Subject<Ack>();
  readonly commits = new Subject<Commit>();
  /** The same, for those who only measure: to be heard there is not to be heard. */
  readonly measured = new Subject<Commit>();
  readonly rejected = new Subject<Rejection<T>>();
  /** These two tell their last value to a late subscriber, also when they have ended: a BehaviorSubject would not. */
  readonly durable = new ReplaySubject<number>(1);
  readonly state = new ReplaySubject<WalState>(1);
  /* eslint-enable rxjs-x/no-exposed-subjects */

  readonly acks$: Observable<Ack> = this.acks.asObservable();
  readonly commits$: Observable<Commit> = this.commits.asObservable();
  readonly rejected$: Observable<Rejection<T>> = this.rejected.asObservable();
  readonly durable$: Observable<number> = this.durable.asObservable();
  readonly state$: Observable<WalState> = this.state.asObservable();

  #poisoned = false;

  constructor(durableLsn: number) {
    this.durable.next(durableLsn);
    this.state.next('open');
  }

  /** Whether anybody would hear that the log stops. */
  get isHeard(): boolean {
    return this.acks.observed || this.commits.observed || this.durable.observed || this.state.observed;
  }

  /** The log stops. */
  poison(error: Error): void {
    this.#poisoned = true;
    this.state.next('poisoned');
    this.measured.complete();
    for (const output of [this.acks, this.commits, this.durable]) output.error(error);
  }

  /** The log is closed; `sourceError` is what its events failed with. After {@link poison} only the rest ends. */
  end(sourceError: { readonly error: unknown } | undefined): void {
    if (!this.#poisoned) this.state.next('closed');
    this.state.complete();
    this.rejected.complete();
    const heard = this.acks.observed;
    if (sourceError) this.acks.error(sourceError.error);
    else this.acks.complete();
    this.commits.complete();
    this.measured.complete();
    this.durable.complete();
    if (sourceError && !heard) reportUnhandled(sourceError.error);
  }
}

/** As RxJS reports an error that no subscriber handles: on the next turn, through `config.onUnhandledError` or as uncaught. */
export function reportUnhandled(error: unknown): void {
  throwError(() => error).subscribe();
}
