/**
 * The next segment: made at the rotation, or in the background before it is needed? What is the longest append around a rotation?
 *
 *     npx tsx bench/trials/writeRotation.ts [--rounds 6] [--ms 700]
 *
 * Appends of 4 KiB one at a time, durably, into segments of 2 MiB. The steps of a rotation are those of the log; every variant keeps its
 * order: what a name stands for is durable before the first record goes there.
 */
import Table from 'cli-table3';
import { close, closeSync, fsync, ftruncate, open, readdirSync, rename, rmSync, write, writev } from 'node:fs';
import { join } from 'node:path';
import {
  inTurns,
  KIB,
  median,
  micros,
  MIB,
  openDurable,
  perSecond,
  PLAIN,
  printConditions,
  quantile,
  trialOptions,
  type Sample,
  type Variant,
} from './harness';

const SEGMENT_BYTES = 2 * MIB;
const RECORD_BYTES = 4 * KIB;
const HEADER_BYTES = 32;
const PIECE_BYTES = 64 * KIB;
const STEP_BYTES = MIB;
const FIRST_ZEROS_BYTES = 256 * KIB;
const HEADER = Buffer.alloc(HEADER_BYTES, 2);
const RECORD = Buffer.alloc(RECORD_BYTES, 1);
const ZEROS = Buffer.alloc(STEP_BYTES);

type Call<T> = (done: (error: Error | null, value: T) => void) => void;
const called = <T = void>(call: Call<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });

interface Segment {
  readonly path: string;
  readonly plain: number;
  readonly durable: number;
  position: number;
  zerosEnd: number;
}

/** How a rotation goes. */
interface Way {
  readonly name: string;
  /** Where the next segment waits, if it is made before it is needed. */
  readonly prepared?: 'under another name' | 'under its name';
  /** The old segment is trimmed and synced behind the first append to the new one, not before it. */
  readonly sealLater?: true;
  /** The old segment is sealed while the new one is made; the first record waits for both. */
  readonly sideBySide?: true;
  /** The first zeros come with the header, so that no append has to make the file grow. */
  readonly zerosWithHeader?: true;
  /** Header and first record in one write. */
  readonly headerWithRecord?: true;
}

const WAYS: readonly Way[] = [
  { name: 'at the rotation (as today)' },
  { name: 'at the rotation, old sealed beside it', sideBySide: true },
  { name: '... and zeros with the header', sideBySide: true, zerosWithHeader: true },
  { name: 'prepared as .tmp, renamed at the rotation', prepared: 'under another name' },
  { name: 'prepared under its name', prepared: 'under its name' },
  { name: 'prepared, header with the first record', prepared: 'under its name', headerWithRecord: true },
  {
    name: 'prepared, header with the first, old sealed behind',
    prepared: 'under its name',
    headerWithRecord: true,
    sealLater: true,
  },
];

interface Rotations {
  /** The append that meets the rotation: until it is durable in the new segment. */
  readonly acrossMs: number[];
  /** The longest of the 100 appends behind it. */
  readonly behindMs: number[];
}

class Run {
  #sequence = 0;
  #preparing: Promise<Segment> | undefined;
  #laying: Promise<void> | undefined;
  #sealing: Promise<void> = Promise.resolve();

  constructor(
    private readonly dir: string,
    private readonly way: Way,
    private readonly rotations: Rotations,
  ) {}

  async appends(roundMs: number): Promise<Sample> {
    const latenciesMs: number[] = [];
    let segment = await this.#create(this.#nextPath());
    const started = performance.now();
    const until = started + roundMs;
    let rotatedAt = -1;
    for (let now = started; now < until;) {
      const began = now;
      const rotates = segment.position + RECORD_BYTES > SEGMENT_BYTES;
      if (rotates) segment = await this.#rotate(segment);
      else await this.#append(segment, [RECORD]);
      now = performance.now();
      latenciesMs.push(now - began);
      if (rotates) {
        this.rotations.acrossMs.push(now - began);
        rotatedAt = latenciesMs.length;
      } else if (latenciesMs.length === rotatedAt + 100) {
        this.rotations.behindMs.push(Math.max(...latenciesMs.slice(rotatedAt)));
      }
      this.#lookAhead(segment);
    }
    const elapsedMs = performance.now() - started;
    const unused = await this.#preparing;
    await this.#laying;
    await this.#sealing;
    for (const { plain, durable } of unused ? [segment, unused] : [segment]) {
      closeSync(plain);
      closeSync(durable);
    }
    for (const name of readdirSync(this.dir)) rmSync(join(this.dir, name));
    return { latenciesMs, records: latenciesMs.length, writes: latenciesMs.length, elapsedMs };
  }

  #nextPath(): string {
    this.#sequence += 1;
    return join(this.dir, `wal_${String(this.#sequence).padStart(8, '0')}.log`);
  }

  async #append(segment: Segment, pieces: readonly Buffer[]): Promise<void> {
    const at = segment.position;
    segment.position += pieces.reduce((sum, { length }) => sum + length, 0);
    if (segment.position > segment.zerosEnd) await this.#laying;
    await called<number>((done) => writev(segment.durable, pieces, at, done));
  }

  /** The new segment, its first record in it. */
  async #rotate(old: Segment): Promise<Segment> {
    const { prepared, sealLater, sideBySide, headerWithRecord } = this.way;
    await this.#laying;
    const sealed = sealLater ? undefined : this.#seal(old);
    if (!sideBySide) await sealed;
    const segment = await (this.#preparing ?? this.#create(this.#nextPath()));
    await sealed;
    this.#preparing = undefined;
    if (!prepared) {
      await this.#append(segment, [RECORD]);
      return segment;
    }
    segment.position = 0;
    if (headerWithRecord) {
      await this.#append(segment, [HEADER, RECORD]);
    } else {
      await this.#append(segment, [HEADER]);
      if (prepared === 'under another name') {
        await called((done) => rename(segment.path, segment.path.replace(/\.tmp$/, ''), done));
        await this.#syncDir();
      }
      await this.#append(segment, [RECORD]);
    }
    if (sealLater) this.#sealing = this.#seal(old);
    return segment;
  }

  async #seal(segment: Segment): Promise<void> {
    await called((done) => ftruncate(segment.plain, segment.position, done));
    await called((done) => fsync(segment.plain, done));
    await called((done) => close(segment.plain, done));
    await called((done) => close(segment.durable, done));
  }

  async #create(path: string): Promise<Segment> {
    const plain = await called<number>((done) => open(path, 'wx+', done));
    const zeros = this.way.zerosWithHeader ? FIRST_ZEROS_BYTES : 0;
    await called<number>((done) => writev(plain, [HEADER, ZEROS.subarray(0, zeros)], 0, done));
    await called((done) => fsync(plain, done));
    await this.#syncDir();
    return { path, plain, durable: openDurable(path), position: HEADER_BYTES, zerosEnd: HEADER_BYTES + zeros };
  }

  /** A segment that is zeros all through, header included, laid in pieces so that none of them holds up the appends of the one in use. */
  async #prepare(path: string): Promise<Segment> {
    const plain = await called<number>((done) => open(path, 'wx+', done));
    const durable = openDurable(path);
    for (let at = 0; at < SEGMENT_BYTES + PIECE_BYTES; at += PIECE_BYTES) {
      await called<number>((done) => write(durable, ZEROS, 0, PIECE_BYTES, at, done));
    }
    await called((done) => fsync(plain, done));
    if (this.way.prepared === 'under its name') await this.#syncDir();
    return { path, plain, durable, position: 0, zerosEnd: SEGMENT_BYTES + PIECE_BYTES };
  }

  async #syncDir(): Promise<void> {
    const descriptor = await called<number>((done) => open(this.dir, 'r', done));
    await called((done) => fsync(descriptor, done));
    await called((done) => close(descriptor, done));
  }

  /** What is done in the background: the next segment from the middle of this one on, or zeros ahead as the log lays them. */
  #lookAhead(segment: Segment): void {
    const { prepared } = this.way;
    if (prepared) {
      if (this.#preparing || segment.position < SEGMENT_BYTES / 2) return;
      this.#preparing = this.#prepare(`${this.#nextPath()}${prepared === 'under another name' ? '.tmp' : ''}`);
      return;
    }
    if (this.#laying || segment.zerosEnd - segment.position > STEP_BYTES / 2) return;
    const from = Math.max(segment.zerosEnd, segment.position);
    const bytes = Math.min(STEP_BYTES, SEGMENT_BYTES - from);
    if (bytes <= 0) return;
    this.#laying = called<number>((done) => write(segment.plain, ZEROS, 0, bytes, from, done))
      .then(() => called((done) => fsync(segment.plain, done)))
      .then(() => {
        segment.zerosEnd = from + bytes;
        this.#laying = undefined;
      });
  }
}

async function main(): Promise<void> {
  const options = trialOptions('writeRotation', { rounds: 6, roundMs: 700 });
  printConditions(options);
  const rotations = new Map<string, Rotations>(WAYS.map(({ name }) => [name, { acrossMs: [], behindMs: [] }]));
  const outcomes = await inTurns(
    WAYS.map((way): Variant => ({
      name: way.name,
      run: (roundMs) => new Run(options.dir, way, rotations.get(way.name) as Rotations).appends(roundMs),
    })),
    options.rounds,
    options.roundMs,
  );
  const head = [
    '',
    'x rate',
    'lowest..highest',
    'p50 us',
    'p99 us',
    'p999 us',
    'max us',
    'rotations',
    'across p50 us',
    'across max us',
    'behind p50 us',
    'behind max us',
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
    const { acrossMs, behindMs } = rotations.get(name) as Rotations;
    table.push([
      name,
      median(ratios).toFixed(2),
      `${Math.min(...ratios).toFixed(2)}..${Math.max(...ratios).toFixed(2)}`,
      ...[0.5, 0.99, 0.999, 1].map((q) => micros(quantile(latenciesMs, q))),
      acrossMs.length,
      micros(median(acrossMs)),
      micros(Math.max(...acrossMs)),
      micros(median(behindMs)),
      micros(Math.max(...behindMs)),
    ]);
  }
  console.log(
    `\nappends of 4 KiB into segments of 2 MiB; across: the append that meets the rotation; behind: the longest of the 100 that follow it`,
  );
  console.log(table.toString());
}

void main();
