import { appendFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';
import { secondProcess } from './support/secondProcess';
// #region jobQueue
import {
  BehaviorSubject,
  EMPTY,
  Subject,
  catchError,
  concat,
  concatMap,
  count,
  defaultIfEmpty,
  defer,
  endWith,
  filter,
  ignoreElements,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  of,
  retry,
  skip,
  take,
  takeUntil,
  tap,
  throwError,
  timer,
  type Observable,
  type ObservableInput,
} from 'rxjs';
import { WalBackpressureError, openWal, readWal, type Entry, type Wal } from 'rxwal';

/** What the log holds of a job. A job is named by the LSN of its first record. */
type JobRecord<T> =
  | { readonly type: 'Enqueued'; readonly task: T }
  | { readonly type: 'Claimed' | 'Completed'; readonly job: number }
  | { readonly type: 'Failed' | 'GivenUp'; readonly job: number; readonly reason: string };

interface Job<T> {
  readonly id: number;
  readonly task: T;
  /** How often it has been claimed. */
  attempts: number;
  /** Claimed, and neither failed nor finished: after a crash, one that may have caused it. */
  running: boolean;
}

interface JobOptions<T> {
  /** Does the work. May be called again for the same job: after a failure, and after a crash. */
  readonly run: (task: T, attempt: number) => ObservableInput<unknown>;
  readonly concurrency: number;
  readonly maxAttempts: number;
  /** Milliseconds from a failure to the next attempt. */
  readonly backoffMs: (attempts: number) => number;
}

/** Jobs that outlive the process: each is run until it is completed, or given up after `maxAttempts`. */
class JobQueue<T> {
  readonly #unfinished = new Map<number, Job<T>>();
  readonly #enqueued = new Subject<Job<T>>();
  readonly #failed = new Subject<Job<T>>();
  readonly #stopping = new BehaviorSubject(false);
  /** Of each `enqueue` that has no ack yet, the last LSN before it. */
  readonly #onTheirWay = new Set<{ readonly after: number }>();

  private constructor(
    private readonly wal: Wal<JobRecord<T>>,
    private readonly options: JobOptions<T>,
  ) {}

  /** The jobs of a log, as its records say. */
  static recover<T>(wal: Wal<JobRecord<T>>, options: JobOptions<T>): Observable<JobQueue<T>> {
    const queue = new JobQueue(wal, options);
    return wal.read().pipe(
      tap((entry) => queue.#apply(entry)),
      ignoreElements(),
      endWith(queue),
    );
  }

  /** Gives the name of the job once it cannot be lost any more. Rejects as `append` does. */
  async enqueue(task: T): Promise<number> {
    const way = { after: this.wal.lastLsn };
    this.#onTheirWay.add(way);
    try {
      const { lsn } = await this.wal.append({ type: 'Enqueued', task });
      const job = this.#apply({ lsn, value: { type: 'Enqueued', task } });
      if (job) this.#enqueued.next(job);
      return lsn;
    } finally {
      this.#onTheirWay.delete(way);
    }
  }

  /**
   * Runs jobs for as long as it is subscribed; one subscriber at a time. Emits each outcome when it is durable; fails where the log stops.
   *
   * What was running when the last process ended runs first, and alone: a job that takes the process down takes no others with it, and is
   * given up when its claims are used up.
   */
  work(): Observable<JobRecord<T>> {
    const suspects$ = defer(() => [...this.#unfinished.values()].filter(({ running }) => running));
    const due$ = defer(() => merge([...this.#unfinished.values()], this.#enqueued, this.#failed)).pipe(
      mergeMap((job) =>
        job.attempts === 0 ? [job] : timer(this.options.backoffMs(job.attempts)).pipe(map(() => job)),
      ),
      takeUntil(this.#stopping.pipe(filter((stopping) => stopping))),
    );
    return concat(
      suspects$.pipe(concatMap((job) => this.#attempt(job))),
      due$.pipe(mergeMap((job) => this.#attempt(job), this.options.concurrency)),
    );
  }

  /** Jobs that are neither completed nor given up. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Begins no more attempts: `work()` completes when those that run have ended. */
  stop(): void {
    this.#stopping.next(true);
  }

  /** Lets go of the log up to the oldest job that is not finished. */
  async trim(): Promise<void> {
    const [oldest] = this.#unfinished.keys();
    const [way] = this.#onTheirWay;
    const lsn = Math.min((oldest ?? Infinity) - 1, way?.after ?? Infinity, this.wal.durableLsn);
    if (lsn > (this.wal.lastCheckpoint?.lsn ?? 0)) await this.wal.checkpoint({ lsn });
  }

  #attempt(job: Job<T>): Observable<JobRecord<T>> {
    if (this.#stopping.value) return EMPTY; // it stays in the log
    const { maxAttempts, run } = this.options;
    const failure = (reason: string): JobRecord<T> => ({
      type: job.attempts < maxAttempts ? 'Failed' : 'GivenUp',
      job: job.id,
      reason,
    });
    if (job.attempts >= maxAttempts) return this.#record(failure('the process ended during its last attempt'));
    // The claim is durable before the work begins, so an attempt that ends the process counts.
    return this.#record({ type: 'Claimed', job: job.id }).pipe(
      concatMap(() =>
        defer(() => run(job.task, job.attempts)).pipe(
          ignoreElements(),
          endWith<JobRecord<T>>({ type: 'Completed', job: job.id }),
          catchError((error: unknown) => of(failure(String(error)))),
        ),
      ),
      concatMap((outcome) => this.#record(outcome)),
    );
  }

  /** Appends a record, when the disk has room for it, and does what it says once it is durable. */
  #record(record: JobRecord<T>): Observable<JobRecord<T>> {
    return defer(() => this.wal.append(record)).pipe(
      retry({
        delay: (refusal: unknown) =>
          refusal instanceof WalBackpressureError ? nextAckOrEnd(this.wal) : throwError(() => refusal),
      }),
      tap(({ lsn }) => {
        const job = this.#apply({ lsn, value: record });
        if (job && record.type === 'Failed') this.#failed.next(job);
      }),
      map(() => record),
    );
  }

  /** What a record changes, at a replay as in the life of the queue. The records of a job that a checkpoint has removed change nothing. */
  #apply({ lsn, value }: Entry<JobRecord<T>>): Job<T> | undefined {
    if (value.type === 'Enqueued') {
      const enqueued = { id: lsn, task: value.task, attempts: 0, running: false };
      this.#unfinished.set(lsn, enqueued);
      return enqueued;
    }
    const job = this.#unfinished.get(value.job);
    if (!job) return undefined;
    job.running = value.type === 'Claimed';
    if (value.type === 'Claimed') job.attempts += 1;
    if (value.type === 'Completed' || value.type === 'GivenUp') this.#unfinished.delete(value.job);
    return job;
  }
}

/** Emits at the next ack, or at the end of the log, whichever way that ends: the append itself says best what has become of it. */
const nextAckOrEnd = (wal: Pick<Wal<unknown>, 'durable$'>): Observable<unknown> =>
  wal.durable$.pipe(
    skip(1),
    catchError(() => of('stopped')),
    defaultIfEmpty('closed'),
    take(1),
  );
// #endregion jobQueue

// #region jobQueue-marbles
function waitsLongerAfterEachFailure(): void {
  virtualTime(({ expectObservable }) => {
    // An fsync takes 1 ms. The job fails twice, and then takes 2 ms.
    const { wal } = memoryWal<JobRecord<string>>({ plan: marblePlan({ sync: '-|' }) });
    const queue$ = JobQueue.recover(wal, {
      run: (_task, attempt) => (attempt < 3 ? throwError(() => new Error('busy')) : timer(2)),
      concurrency: 1,
      maxAttempts: 5,
      backoffMs: (attempts) => 10 * attempts,
    });
    const enqueued$ = wal.append({ type: 'Enqueued', task: 'a task' });
    const outcomes$ = enqueued$.pipe(
      concatMap(() => queue$),
      concatMap((queue) => queue.work()),
      map(({ type }) => type),
    );
    // Durable at 1, claimed at 2, failed at 3; claimed at 14, failed at 15; claimed at 36, completed at 39.
    expectObservable(outcomes$).toBe('---F 11ms F 23ms C', { F: 'Failed', C: 'Completed' });
  });
}
// #endregion jobQueue-marbles

interface Mail {
  readonly to: string;
}

/** The 30th is never reached, and the 40th takes the process down. */
const MAILS = Array.from({ length: 60 }, (_, n): Mail => ({ to: n === 30 ? 'nobody' : n === 40 ? 'poison' : `m${n}` }));

/** What the worker process does: a mail that is sent is a line in a file. */
async function send(sent: string, { to }: Mail, attempt: number): Promise<void> {
  await setTimeout(2 + (to.length % 3));
  if (to === 'poison') process.kill(process.pid, 'SIGKILL');
  if (to === 'nobody' || (to.endsWith('7') && attempt === 1)) throw new Error('the mail server is busy');
  appendFileSync(sent, `${to}\n`);
}

/** The worker process: enqueues the mails that are not in the log yet, works until nothing is left, and prints what is durable. */
async function worker(dir: string): Promise<void> {
  // #region jobQueue-use
  const wal = await openWal<JobRecord<Mail>>(join(dir, 'jobs'), { maxSegmentBytes: 4096 });
  const queue = await lastValueFrom(
    JobQueue.recover(wal, {
      run: (mail, attempt) => send(join(dir, 'sent'), mail, attempt),
      concurrency: 4,
      maxAttempts: 4,
      backoffMs: (attempts) => 10 * 2 ** attempts,
    }),
  );
  const worked = lastValueFrom(queue.work().pipe(tap((outcome) => console.log(JSON.stringify(outcome)))));
  // #endregion jobQueue-use

  const there = await lastValueFrom(
    wal.read().pipe(
      filter(({ value }) => value.type === 'Enqueued'),
      count(),
    ),
  );
  for (const mail of MAILS.slice(there)) await queue.enqueue(mail);
  while (queue.unfinished > 0) await setTimeout(1);
  queue.stop();
  await worked;
  await wal.close();
}

/** The worker is killed once in the middle of its work, and started again whenever it has been killed. */
async function killWorkers(dir: string): Promise<void> {
  const completed = new Set<number>();
  /** Behind the end of each process, what it had reported as completed by then, and the lines of `sent`. */
  const ends: { readonly completed: ReadonlySet<number>; readonly sent: number }[] = [];
  const sent = () => readFileSync(join(dir, 'sent'), 'utf8').split('\n').slice(0, -1);
  for (let ended: unknown; ended !== 0; ends.push({ completed: new Set(completed), sent: sent().length })) {
    const process = secondProcess(__filename, ['worker', dir], (line) => {
      const { type, job } = JSON.parse(line) as JobRecord<never> & { job: number };
      if (type === 'Completed') completed.add(job);
      if (completed.size === 12 && ends.length === 0) process.kill('SIGKILL');
    });
    ended = await process.ended;
  }

  const ofJob = new Map<number, { readonly to: string; outcome?: string }>();
  await readWal<JobRecord<Mail>>(join(dir, 'jobs')).forEach(({ lsn, value }) => {
    if (value.type === 'Enqueued') ofJob.set(lsn, value.task);
    else Object.assign(ofJob.get(value.job) ?? {}, { outcome: value.type });
  });
  const jobs = [...ofJob].map(([id, { to, outcome }]) => ({ id, to, outcome }));
  const lines = sent();
  const again = jobs.filter(({ id, to }) =>
    ends.some((end) => end.completed.has(id) && lines.indexOf(to, end.sent) >= 0),
  );
  const lost = jobs.filter(({ to, outcome }) => outcome !== (lines.includes(to) ? 'Completed' : 'GivenUp'));
  console.log(`${jobs.length} jobs, ${ends.length - 1} processes killed, ${lost.length} jobs lost`);
  console.log(
    `given up: ${jobs
      .filter(({ outcome }) => outcome === 'GivenUp')
      .map(({ to }) => to)
      .join(', ')}`,
  );
  console.log(`sent again after the completion was durable: ${again.length}`);
  console.log(`sent twice, because a kill came between the work and its record: ${lines.length - new Set(lines).size}`);
}

export async function main(dir: string): Promise<void> {
  waitsLongerAfterEachFailure(); // in a spec: it('waits longer after each failure', waitsLongerAfterEachFailure)
  console.log(`passed: ${waitsLongerAfterEachFailure.name}`);
  await killWorkers(dir);

  const wal = await openWal<JobRecord<Mail>>(join(dir, 'jobs'));
  const queue = await lastValueFrom(
    JobQueue.recover(wal, { run: () => EMPTY, concurrency: 1, maxAttempts: 1, backoffMs: () => 0 }),
  );
  await queue.trim();
  const before = wal.recovery.segments;
  console.log(`${before > 1 ? 'several segments' : 'one segment'}, ${(await wal.logFiles()).length} after all is done`);
  await wal.close();
}

if (require.main === module) {
  const [what, dir = ''] = process.argv.slice(2);
  void (what === 'worker' ? worker(dir) : main(what ?? mkdtempSync(join(tmpdir(), 'rxwal-'))));
}
