import { defer, merge, type Observable } from 'rxjs';
import { reportUnhandled } from '../outputs';
import { LiveProjection, type ProjectedLog } from './liveProjection';
import { checkProjectOptions } from './projectOptions';
import type { Projection, ProjectOptions } from './projection';

/** The projections of a log that run. */
export class Projections<T> {
  readonly #log: ProjectedLog<T>;
  readonly #running = new Map<string, Pick<LiveProjection<unknown, unknown>, 'finish' | 'fail'>>();

  constructor(log: ProjectedLog<T>) {
    this.#log = log;
  }

  /** @throws TypeError or RangeError for an option, and for a name that runs already. */
  start<S>(options: ProjectOptions<T, S>): Projection<S> {
    const checked = checkProjectOptions(options);
    const { name } = checked;
    if (this.#running.has(name)) throw new RangeError(`name must be of no other projection that runs, not '${name}'`);
    const projection = new LiveProjection<T, S>(this.#log, checked);
    this.#running.set(name, projection);
    projection.ended$.subscribe({ complete: () => this.#running.delete(name), error: reportUnhandled });
    return projection;
  }

  /** Ends all of them: each with a last snapshot, or with a failure of the log and none. Never fails. */
  finish(failure?: Error): Observable<never> {
    return defer(() => {
      const running = [...this.#running.values()];
      return merge(...running.map((projection) => (failure ? projection.fail(failure) : projection.finish())));
    });
  }
}
