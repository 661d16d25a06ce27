/**
 * Zero-filled space ahead of the write position: how much at a time, when, and how, so that laying it never stalls an append?
 *
 *     npx tsx bench/trials/writeZeros.ts [--rounds 5] [--ms 500] [step] [when] [how] [inAppend] [inSmallAppend] [pauses] [small]
 *
 * Each run appends one record at a time, durably, to a new file, while zeros are laid in the background; an append that reaches into space
 * where zeros are on their way waits for them, as the log does. `fill` columns: appends that were on their way while zeros were.
 */
import Table from 'cli-table3';
import { closeSync, fdatasync, fsync, fsyncSync, ftruncate, openSync, rmSync, write, writev } from 'node:fs';
import { join } from 'node:path';
import {
  inTurns,
  KIB,
  layZeros,
  median,
  micros,
  MIB,
  openDurable,
  perSecond,
  PLAIN,
  printConditions,
  quantile,
  trialOptions,
  wants,
  type Sample,
  type Variant,
} from './harness';

const SEGMENT_BYTES = 64 * MIB;
const LARGEST_STEP = Buffer.alloc(SEGMENT_BYTES);

/** How a step is laid and made durable. */
type Way =
  | 'write + fsync'
  | 'write + fdatasync'
  | 'one O_DSYNC write'
  | 'ftruncate + fsync'
  | 'into another file'
  | 'in the write of an append';

interface Zeros {
  readonly name: string;
  readonly way: Way;
  /** Bytes laid at a time; 0 lays none. */
  readonly stepBytes: number;
  /** The next step is laid when no more than this is left of the last. */
  readonly aheadBytes: number;
  /** The whole segment is laid before its first append. */
  readonly atCreation?: true;
}

/** What the rounds of one variant add to the latencies. */
interface Fills {
  steps: number;
  readonly stepMs: number[];
  readonly appendMs: number[];
  readonly creationMs: number[];
}

type Call = (done: (error?: Error | null) => void) => void;
const called = (call: Call): Promise<void> =>
  new Promise((resolve, reject) => {
    call((error) => {
      if (error) reject(error);
      else resolve();
    });
  });

/** One new segment file, appended to until the time is up. */
class Run {
  readonly #plain: number;
  readonly #durable: number;
  readonly #other: number;
  #position = 0;
  #zerosEnd = 0;
  #laying: Promise<void> | undefined;

  constructor(
    private readonly path: string,
    private readonly zeros: Zeros,
    private readonly fills: Fills,
  ) {
    const started = performance.now();
    if (zeros.atCreation || zeros.way === 'into another file') {
      layZeros(path, SEGMENT_BYTES);
      this.#zerosEnd = SEGMENT_BYTES;
    }
    fills.creationMs.push(performance.now() - started);
    this.#durable = openDurable(path);
    this.#plain = openSync(path, 'r+');
    this.#other = openDurable(`${path}.next`);
    fsyncSync(this.#plain);
  }

  async appends(recordBytes: number, pauseMs: number, roundMs: number): Promise<Sample> {
    const latenciesMs: number[] = [];
    const record = Buffer.alloc(recordBytes, 1);
    const started = performance.now();
    const until = started + roundMs;
    for (let now = started; now < until && this.#position + recordBytes < SEGMENT_BYTES;) {
      const began = now;
      const at = this.#position;
      this.#position += recordBytes;
      const beside = this.#laying;
      if (beside && this.zeros.way !== 'into another file' && this.#position > this.#zerosEnd) await beside;
      if (this.zeros.way === 'in the write of an append' && this.#position > this.#zerosEnd) {
        this.#zerosEnd = Math.min(SEGMENT_BYTES, this.#position + this.zeros.stepBytes);
        const ahead = LARGEST_STEP.subarray(0, this.#zerosEnd - this.#position);
        await called((done) => writev(this.#durable, [record, ahead], at, done));
        this.fills.steps += 1;
        this.fills.stepMs.push(performance.now() - began);
        this.fills.appendMs.push(performance.now() - began);
      } else {
        await called((done) => write(this.#durable, record, 0, recordBytes, at, done));
      }
      now = performance.now();
      latenciesMs.push(now - began);
      if (beside) this.fills.appendMs.push(now - began);
      this.#layMore();
      if (pauseMs > 0) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        now = performance.now();
      }
    }
    const elapsedMs = performance.now() - started;
    await this.#laying;
    closeSync(this.#plain);
    closeSync(this.#durable);
    closeSync(this.#other);
    rmSync(this.path);
    rmSync(`${this.path}.next`);
    return { latenciesMs, records: latenciesMs.length, writes: latenciesMs.length, elapsedMs };
  }

  /** The space in another file is used up at the pace of this one, though nothing is written to it. */
  #otherEnd = 0;

  #layMore(): void {
    const { stepBytes, aheadBytes, way } = this.zeros;
    const end = way === 'into another file' ? this.#otherEnd : this.#zerosEnd;
    if (stepBytes === 0 || way === 'in the write of an append' || this.#laying || end - this.#position > aheadBytes)
      return;
    const from = Math.max(end, this.#position);
    const bytes = Math.min(stepBytes, SEGMENT_BYTES - from);
    if (bytes <= 0) return;
    const began = performance.now();
    this.#laying = this.#lay(way, from, bytes).then(() => {
      if (way === 'into another file') this.#otherEnd = from + bytes;
      else this.#zerosEnd = from + bytes;
      this.fills.steps += 1;
      this.fills.stepMs.push(performance.now() - began);
      this.#laying = undefined;
      this.#layMore();
    });
  }

  async #lay(way: Way, from: number, bytes: number): Promise<void> {
    const writeTo = (descriptor: number): Promise<void> =>
      called((done) => write(descriptor, LARGEST_STEP, 0, bytes, from, done));
    switch (way) {
      case 'write + fsync':
        await writeTo(this.#plain);
        await called((done) => fsync(this.#plain, done));
        return;
      case 'write + fdatasync':
        await writeTo(this.#plain);
        await called((done) => fdatasync(this.#plain, done));
        return;
      case 'one O_DSYNC write':
        await writeTo(this.#durable);
        return;
      case 'into another file':
        await writeTo(this.#other);
        return;
      case 'in the write of an append':
        return;
      case 'ftruncate + fsync':
        await called((done) => ftruncate(this.#plain, from + bytes, done));
        await called((done) => fsync(this.#plain, done));
        return;
    }
  }
}

const size = (bytes: number): string => (bytes >= MIB ? `${bytes / MIB} MiB` : `${bytes / KIB} KiB`);
const NONE: Zeros = { name: 'no zeros: the file grows', way: 'write + fsync', stepBytes: 0, aheadBytes: 0 };
const AT_CREATION: Zeros = { ...NONE, name: '64 MiB at creation', atCreation: true };
const TODAY: Zeros = zeros('write + fsync', MIB, MIB / 2);

const IN_APPEND = [16 * KIB, 64 * KIB, 256 * KIB, MIB].map((step) => zeros('in the write of an append', step, 0));

function zeros(way: Way, stepBytes: number, aheadBytes: number): Zeros {
  const when = aheadBytes === 0 ? '' : ` when ${size(aheadBytes)} are left`;
  return { name: `${size(stepBytes)}${when}, ${way}`, way, stepBytes, aheadBytes };
}

/** The comparisons; in each the first is what the others are held against. */
const PARTS: Readonly<
  Record<
    string,
    {
      readonly title: string;
      readonly recordBytes: number;
      readonly pauseMs?: number;
      readonly variants: readonly Zeros[];
    }
  >
> = {
  step: {
    title: 'size of the step, laid when half of it is left; appends of 4 KiB',
    recordBytes: 4 * KIB,
    variants: [
      NONE,
      ...[64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB].map((step) => zeros('write + fsync', step, step / 2)),
      AT_CREATION,
    ],
  },
  when: {
    title: 'when the next step is laid; appends of 4 KiB',
    recordBytes: 4 * KIB,
    variants: [
      TODAY,
      ...[MIB / 4, MIB, 2 * MIB].map((ahead) => zeros('write + fsync', MIB, ahead)),
      ...[MIB, 2 * MIB, 3 * MIB].map((ahead) => zeros('write + fsync', 4 * MIB, ahead)),
    ],
  },
  how: {
    title: 'how the next step is laid; appends of 4 KiB',
    recordBytes: 4 * KIB,
    variants: [
      TODAY,
      zeros('write + fdatasync', MIB, MIB / 2),
      zeros('one O_DSYNC write', MIB, MIB / 2),
      zeros('one O_DSYNC write', 256 * KIB, MIB),
      zeros('one O_DSYNC write', 64 * KIB, MIB),
      zeros('one O_DSYNC write', 16 * KIB, MIB),
      zeros('ftruncate + fsync', MIB, MIB / 2),
      zeros('into another file', MIB, MIB),
      zeros('into another file', 64 * KIB, MIB),
      AT_CREATION,
    ],
  },
  inAppend: {
    title: 'zeros in the write of the append that needs them, against the background; appends of 4 KiB',
    recordBytes: 4 * KIB,
    variants: [TODAY, ...IN_APPEND],
  },
  inSmallAppend: {
    title: 'the same with appends of 200 bytes',
    recordBytes: 200,
    variants: [TODAY, ...IN_APPEND],
  },
  pauses: {
    title: 'appends of 4 KiB, 2 ms behind each ack',
    recordBytes: 4 * KIB,
    pauseMs: 2,
    variants: [TODAY, zeros('one O_DSYNC write', 256 * KIB, 128 * KIB), ...IN_APPEND.slice(1)],
  },
  small: {
    title: 'appends of 200 bytes',
    recordBytes: 200,
    variants: [
      NONE,
      TODAY,
      zeros('write + fsync', 64 * KIB, 32 * KIB),
      zeros('one O_DSYNC write', 64 * KIB, MIB),
      zeros('write + fsync', 4 * MIB, 2 * MIB),
      zeros('into another file', 64 * KIB, 64 * KIB),
      AT_CREATION,
    ],
  },
};

async function main(): Promise<void> {
  const options = trialOptions('writeZeros', { rounds: 5, roundMs: 500 });
  printConditions(options);
  for (const [part, { title, recordBytes, pauseMs = 0, variants }] of Object.entries(PARTS)) {
    if (!wants(options, part)) continue;
    const fills = new Map<string, Fills>(
      variants.map(({ name }) => [name, { steps: 0, stepMs: [], appendMs: [], creationMs: [] }]),
    );
    let file = 0;
    const outcomes = await inTurns(
      variants.map((of): Variant => ({
        name: of.name,
        run: (roundMs) =>
          new Run(join(options.dir, `segment-${(file += 1)}`), of, fills.get(of.name) as Fills).appends(
            recordBytes,
            pauseMs,
            roundMs,
          ),
      })),
      options.rounds,
      options.roundMs,
    );
    print(title, outcomes, fills);
  }
}

function print(title: string, outcomes: Awaited<ReturnType<typeof inTurns>>, fills: ReadonlyMap<string, Fills>): void {
  const head = [
    '',
    'x rate',
    'lowest..highest',
    'p50 us',
    'p99 us',
    'p999 us',
    'max us',
    'steps',
    'a step ms',
    'in fill',
    'p50 us',
    'p99 us',
    'max us',
    'creation ms',
  ];
  const table = new Table({
    head,
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
  });
  for (const { name, samples, latenciesMs } of outcomes) {
    const ratios = samples.map(
      (sample, round) => perSecond(sample) / perSecond(outcomes[0]?.samples[round] as (typeof samples)[number]),
    );
    const { steps, stepMs, appendMs, creationMs } = fills.get(name) as Fills;
    const inFill = Float64Array.from(appendMs).sort();
    table.push([
      name,
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      ...[0.5, 0.99, 0.999, 1].map((q) => micros(quantile(latenciesMs, q))),
      steps,
      median(stepMs).toFixed(1),
      inFill.length,
      ...[0.5, 0.99, 1].map((q) => micros(quantile(inFill, q))),
      median(creationMs).toFixed(1),
    ]);
  }
  console.log(`\n${title}`);
  console.log(table.toString());
}

void main();
