import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { from, isObservable, lastValueFrom } from 'rxjs';
import { checkNames, integer } from '../options';
import { describeEvent, type DiskEvent } from './diskEvent';
import { below, seededRandom, type Random } from './seededRandom';
import { simulatedDisk, type SimulatedDisk, type SimulatedDiskOptions } from './simulatedDisk';

/**
 * Code on a disk, and what must hold of it after a power cut. `P` is what it promises: anything the test likes. Either step may give a
 * promise or an Observable, whose end is waited for.
 */
export interface PowerCutTest<P = unknown> {
  /**
   * Uses the disk as the application does, and calls `promise` at the moment it promises something to anybody: where it answers a request,
   * in the handler of an ack. Whatever else `check` must know, such as what was attempted, is a promise too: made before the attempt.
   *
   * Must do the same for the same `random`.
   */
  use(disk: SimulatedDisk, promise: (made: P) => void, random: Random): unknown;

  /**
   * Gets the disk that a power cut has left, and the promises that had been made by then, oldest first. Throws where one is broken, or
   * where the application cannot go on. What it promises itself counts when the power goes again while it runs.
   */
  check(disk: SimulatedDisk, promises: readonly P[], promise: (made: P) => void, random: Random): unknown;
}

export interface PowerCutOptions {
  /** Same seed, same states. Default 1. */
  readonly seed?: number | undefined;
  /** Distinct states wanted; at the least, one `use` of the disk is gone through to its end. Default 1,000. */
  readonly states?: number | undefined;
  /** Power cuts during the check of each state. Default 2. */
  readonly nested?: number | undefined;
  /**
   * Whether operations on the disk end later than they begin, so that code that does not wait for them is caught: each takes one turn of
   * the event loop. `false`: they take no time, for a test that must be synchronous, or makes its own time with `disk.plan`. Default
   * `true`.
   */
  readonly slow?: boolean | undefined;
  /** The disks of `use` and of `check`; `files` are for `use` alone. */
  readonly disk?:
    Pick<SimulatedDiskOptions, 'files' | 'durableWrites' | 'sectorBytes' | 'stale' | 'pretend'> | undefined;
  /** Makes this one state again, and nothing else: what a {@link PowerCutViolation} names. */
  readonly replay?: string | undefined;
  /** Stops it: rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told after each point of the journal. */
  readonly onProgress?: ((soFar: PowerCutReport) => void) | undefined;
}

/** What was gone through. */
export interface PowerCutReport {
  /** How often `use` ran. */
  readonly uses: number;
  /** Points at which the power was cut: each event of each use, and the moment before the first. */
  readonly points: number;
  /** States checked. One with the same content as another counts again where more had been promised by then. */
  readonly states: number;
  /** States of different content. */
  readonly distinct: number;
  /** Power cuts during a check that were checked in turn. */
  readonly nested: number;
}

/** A promise was broken, or the application could not go on. `cause` is what the check said. */
export class PowerCutViolation extends Error {
  override readonly name = 'PowerCutViolation';

  constructor(
    /** With the same seed, the option that makes this state again. */
    readonly replay: string,
    readonly seed: number,
    /** The state: what the cut had left, by name. */
    readonly files: ReadonlyMap<string, Uint8Array>,
    /** The journal up to the cut; for a cut during the check, the check's own. */
    readonly journal: readonly DiskEvent[],
    cause: unknown,
  ) {
    const why = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    const left = [...files].map(([name, content]) => `${name} (${content.length} bytes)`);
    const [, cut, during] = /^\d+:(\d+):\d+(?:\/(\d+))?/.exec(replay) ?? [];
    super(
      [
        `After a power cut: ${why}`,
        `  cut: behind event ${cut}${during === undefined ? '' : `, and again behind event ${during} of the check`}`,
        ...journal.slice(-LAST_EVENTS).map((event) => `    ${describeEvent(event)}`),
        `  left: ${left.join(', ') || 'no files'}`,
        `  again: powerCuts(test, { seed: ${seed}, replay: '${replay}' })`,
      ].join('\n'),
      { cause },
    );
  }
}

/** Events that a message shows. */
const LAST_EVENTS = 8;

const KNOWN = ['seed', 'states', 'nested', 'slow', 'disk', 'replay', 'signal', 'onProgress'];

/** What of the unsynced survives: nothing; everything; and some of it, by the seed, twice. */
const VARIATIONS = 4;
const NOTHING: Random = () => 0;
const EVERYTHING: Random = () => 1 - 2 ** -53;

/** What seeded numbers are for. */
const FOR = { use: 0, cut: 1, check: 2, nested: 3 } as const;

/**
 * Proves code under power cuts: lets it use a {@link simulatedDisk}, and checks every kind of directory that a power cut at any moment of that
 * could leave.
 *
 * For each point of the journal of `use` there is the state in which nothing unsynced has survived, the one in which everything has,
 * and random ones. Each goes to `check`, on a disk of its own. Then the power is cut again, at random points of what the check itself did to
 * that disk, and `check` must hold for what that leaves. When the journal is through and fewer distinct states were found than are
 * wanted, the whole begins again with other random numbers, until there are enough or nothing new comes.
 *
 * It works for anything that keeps its files in a `SegmentStore`, and so for anything built on `recoverWal`.
 *
 * Rejects with {@link PowerCutViolation} at the first state whose check fails; with what `use` fails with; with RangeError or TypeError
 * for a bad option; with the reason of `signal`.
 *
 * @returns what was gone through. `distinct` may be below `states`: then there were no more.
 * @example
 * it('loses no order that it has confirmed', async () => {
 *   const report = await powerCuts<number>({
 *     async use(disk, promise) {
 *       const wal = await lastValueFrom(recoverWal<number>(disk));
 *       wal.acks$.subscribe(({ lsn }) => promise(lsn));
 *       for (let order = 1; order <= 20; order += 1) wal.next(order);
 *       await wal.close();
 *     },
 *     async check(disk, promises) {
 *       const wal = await lastValueFrom(recoverWal<number>(disk));
 *       const orders = await lastValueFrom(wal.read().pipe(map(({ value }) => value), toArray()));
 *       for (const order of promises) assert.equal(orders[order - 1], order);
 *       await wal.close();
 *     },
 *   });
 *   expect(report.distinct).toBeGreaterThan(100);
 * });
 */
export async function powerCuts<P = unknown>(
  test: PowerCutTest<P>,
  options: PowerCutOptions = {},
): Promise<PowerCutReport> {
  checkNames('options', options, KNOWN);
  const named = test as { readonly use?: unknown; readonly check?: unknown };
  if (typeof named.use !== 'function' || typeof named.check !== 'function') {
    throw new TypeError('a test of power cuts has a function use and a function check');
  }
  const { signal, onProgress, replay } = options;
  const run = new Enumeration(test, options);
  if (replay !== undefined) {
    await run.replay(replay);
    return run.report();
  }
  const wanted = integer('states', options.states ?? 1000, 1);
  for (let use = 1; ; use += 1) {
    const before = run.distinct;
    const used = await run.use(use);
    for (let point = 0; point <= used.disk.journal.length; point += 1) {
      signal?.throwIfAborted();
      await run.cutAt(used, point);
      onProgress?.(run.report());
      // A check that waits for nothing would keep everything else waiting.
      await setImmediate();
    }
    if (run.distinct >= wanted || run.distinct === before) return run.report();
  }
}

/** Something promised, and how many events there were by then. */
interface Made<P> {
  readonly at: number;
  readonly promise: P;
}

/** A disk that was used, and what was promised meanwhile. */
interface Used<P> {
  readonly number: number;
  readonly disk: SimulatedDisk;
  readonly made: readonly Made<P>[];
  /** States that have been checked already, with the number of promises that had been made. */
  readonly checked: Set<string>;
}

class Enumeration<P> {
  readonly #seed: number;
  readonly #nested: number;
  readonly #distinct = new Set<string>();
  #uses = 0;
  #points = 0;
  #states = 0;
  #nestedStates = 0;

  constructor(
    private readonly test: PowerCutTest<P>,
    private readonly options: PowerCutOptions,
  ) {
    this.#seed = integer('seed', options.seed ?? 1, 0);
    this.#nested = integer('nested', options.nested ?? 2, 0);
  }

  get distinct(): number {
    return this.#distinct.size;
  }

  report(): PowerCutReport {
    return {
      uses: this.#uses,
      points: this.#points,
      states: this.#states,
      distinct: this.distinct,
      nested: this.#nestedStates,
    };
  }

  async use(number: number): Promise<Used<P>> {
    const disk = this.#disk(this.options.disk);
    const made: Made<P>[] = [];
    const promise = promiser(disk, made);
    await step(() => this.test.use(disk, promise, this.#random(FOR.use, number)));
    this.#uses += 1;
    return { number, disk, made: [...made], checked: new Set() };
  }

  /** Every variation of a cut at one point. */
  async cutAt(used: Used<P>, point: number): Promise<void> {
    this.#points += 1;
    const promises = promisesBy(used.made, point);
    for (let variation = 0; variation < VARIATIONS; variation += 1) {
      const place = [used.number, point, variation] as const;
      const files = this.#cut(used.disk, point, variation, place);
      const content = hashOf(files);
      const key = `${promises.length} ${content}`;
      if (used.checked.has(key)) continue;
      used.checked.add(key);
      this.#distinct.add(content);
      const checked = await this.#check(used, place, files, promises);
      for (const nested of this.#nestedCuts(place, checked.disk.journal.length)) {
        await this.#checkNested(checked, place, nested, promises);
      }
    }
  }

  /** One state again, by its name. */
  async replay(name: string): Promise<void> {
    const [, ...numbers] = REPLAY.exec(name) ?? [];
    const [number, point, variation] = numbers.slice(0, 3).map(Number);
    if (number === undefined || point === undefined || variation === undefined) {
      throw new TypeError(`replay must be like '1:133:2' or '1:133:2/5:0', not '${name}'`);
    }
    const used = await this.use(number);
    const promises = promisesBy(used.made, point);
    const place = [number, point, variation] as const;
    const files = this.#cut(used.disk, point, variation, place);
    this.#points += 1;
    this.#distinct.add(hashOf(files));
    const checked = await this.#check(used, place, files, promises);
    if (numbers[3] === undefined) return;
    await this.#checkNested(checked, place, [Number(numbers[3]), Number(numbers[4])], promises);
  }

  #cut(disk: SimulatedDisk, point: number, variation: number, place: readonly number[]): Map<string, Uint8Array> {
    const random = [NOTHING, EVERYTHING][variation] ?? this.#random(FOR.cut, ...place);
    return disk.powerCut(point, random);
  }

  async #check(
    used: Used<P>,
    place: Place,
    files: ReadonlyMap<string, Uint8Array>,
    promises: readonly P[],
  ): Promise<Used<P>> {
    this.#states += 1;
    const journal = (): readonly DiskEvent[] => used.disk.journal.slice(0, place[1]);
    return this.#run(place, [], files, promises, journal);
  }

  async #checkNested(
    checked: Used<P>,
    place: Place,
    [point, variation]: NestedPlace,
    before: readonly P[],
  ): Promise<void> {
    this.#nestedStates += 1;
    const files = this.#cut(checked.disk, point, variation, [...place, point, variation]);
    const promises = [...before, ...promisesBy(checked.made, point)];
    await this.#run(place, [point, variation], files, promises, () => checked.disk.journal.slice(0, point));
  }

  /** Runs the check on a disk with these files. */
  async #run(
    place: Place,
    nested: NestedPlace | readonly [],
    files: ReadonlyMap<string, Uint8Array>,
    promises: readonly P[],
    journal: () => readonly DiskEvent[],
  ): Promise<Used<P>> {
    const disk = this.#disk({ ...this.options.disk, files });
    const made: Made<P>[] = [];
    const promise = promiser(disk, made);
    try {
      await step(() => this.test.check(disk, promises, promise, this.#random(FOR.check, ...place, ...nested)));
    } catch (error) {
      const replay = [place, nested].filter((part) => part.length > 0).map((part) => part.join(':'));
      throw new PowerCutViolation(replay.join('/'), this.#seed, files, journal(), error);
    }
    return { number: place[0], disk, made: [...made], checked: new Set() };
  }

  #disk(options: SimulatedDiskOptions | undefined): SimulatedDisk {
    const { slow = true } = this.options;
    return simulatedDisk({ ...options, plan: slow ? () => from(setImmediate()) : undefined });
  }

  /** Where in a check of `events` events the power goes again. */
  #nestedCuts(place: Place, events: number): readonly NestedPlace[] {
    const random = this.#random(FOR.nested, ...place);
    return Array.from({ length: this.#nested }, () => [below(events + 1, random), below(VARIATIONS, random)]);
  }

  #random(...what: readonly number[]): Random {
    return seededRandom(this.#seed, ...what);
  }
}

/** Use, point, variation. */
type Place = readonly [number, number, number];
/** Point and variation. */
type NestedPlace = readonly [number, number];

const REPLAY = /^(\d+):(\d+):(\d+)(?:\/(\d+):(\d+))?$/;

function promiser<P>(disk: SimulatedDisk, made: Made<P>[]): (promise: P) => void {
  return (promise) => {
    made.push({ at: disk.journal.length, promise });
  };
}

/** What had been promised when the power went. */
function promisesBy<P>(made: readonly Made<P>[], point: number): readonly P[] {
  return made.filter(({ at }) => at <= point).map(({ promise }) => promise);
}

/** Waits for what a step gives. */
async function step(run: () => unknown): Promise<void> {
  const outcome = run();
  await (isObservable(outcome) ? lastValueFrom(outcome, { defaultValue: undefined }) : outcome);
}

function hashOf(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha1');
  for (const [name, content] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest('base64');
}
