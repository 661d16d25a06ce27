import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Child, type Exit } from '../disk/childProcess';
import { bundleProgram } from './bundleProgram';
import { buildShim, type Shim } from './buildShim';
import type { Event, Job } from './events';

/** A run: where, what it said, and how its process ended, where the run did not end before it. */
export interface Run {
  readonly job: Job;
  readonly events: readonly Event[];
  readonly exit: Exit | undefined;
}

type End = Extract<Event, { is: 'end' }>;

export function endOf({ job, events, exit }: Run): End {
  const end = events.at(-1);
  if (end?.is === 'end') return end;
  const ending = exit?.signal ? `was killed by ${exit.signal}` : 'ran out of things to do';
  throw new Error(`${job.rules}: the process ${ending} before the run was over; last: ${JSON.stringify(end)}`);
}

/** In memory where there is such a place: no power is cut here, and thousands of fsyncs on a disk would cost time and show nothing. */
const MEMORY = '/dev/shm';

/** Runs jobs under the shim, some processes at a time, each process one job after the other. */
export class Runner {
  readonly #tools = mkdtempSync(join(tmpdir(), 'rxwal-calls-'));
  readonly #runs = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'rxwal-runs-'));
  readonly shim: Shim = buildShim(this.#tools);
  readonly #program = bundleProgram(this.#tools);
  readonly #idle: Talker[] = [];
  #places = 0;

  /**
   * @param settings `root`: the directory below which calls are seen, in place of one of the runner's own; `inFront`: words of a command
   *   that runs the command behind it.
   */
  constructor(private readonly settings: { readonly root?: string; readonly inFront?: readonly string[] } = {}) {}

  /** A directory that no run has had, for a log in it that is still to be made. */
  newPlace(): string {
    const place = join(this.#runs, String((this.#places += 1)));
    mkdirSync(place);
    return join(place, 'log');
  }

  /** Removes what a run has left. */
  removePlace({ dir }: Job): void {
    rmSync(dirname(dir), { recursive: true, force: true });
  }

  async run(job: Job): Promise<Run> {
    const child = this.#idle.pop() ?? this.#start();
    child.send(JSON.stringify(job));
    const events: Event[] = [];
    for (;;) {
      const line = await child.nextOrEnd();
      if (line === undefined) {
        const exit = await child.exited;
        if (child.errors !== '') throw new Error(`${job.rules}: ${child.errors}`);
        return { job, events, exit };
      }
      const event = JSON.parse(line) as Event;
      events.push(event);
      if (event.is !== 'end') continue;
      // One that has left a descriptor open would have it in the next run too.
      if (event.open === 0) this.#idle.push(child);
      else await child.kill();
      return { job, events, exit: undefined };
    }
  }

  /** Runs them all, two at a time; gives what `each` makes of each, in order. */
  async runAll<R>(jobs: readonly Job[], each: (run: Run) => Promise<R>): Promise<R[]> {
    const results: R[] = [];
    const queue = jobs.entries();
    const lane = async (): Promise<void> => {
      for (const [index, job] of queue) results[index] = await each(await this.run(job));
    };
    await Promise.all([lane(), lane()]);
    return results;
  }

  /** Ends the processes, each by its own id, and removes everything. */
  async end(): Promise<void> {
    await Promise.all(this.#idle.map((child) => child.kill()));
    for (const dir of [this.#tools, this.#runs]) rmSync(dir, { recursive: true, force: true });
  }

  #start(): Talker {
    if ('missing' in this.shim) throw new Error(this.shim.missing);
    const { root = this.#runs, inFront = [] } = this.settings;
    const environment = [`LD_PRELOAD=${this.shim.path}`, `RXWAL_SHIM_ROOT=${root}`];
    return new Talker([...inFront, 'env', ...environment, ...this.#program]);
  }
}

/** A child of which it is no failure to end. */
class Talker extends Child {
  async nextOrEnd(): Promise<string | undefined> {
    try {
      return await this.next();
    } catch {
      return undefined;
    }
  }
}
