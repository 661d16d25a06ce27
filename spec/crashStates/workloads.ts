import { timer } from 'rxjs';
import { cborCodec, type Durability } from 'rxwal';
import { fault, type PowerCutTest, type PowerCutOptions, type Random, type SimulatedDisk } from 'rxwal/testing';
import { frameBytes, headerBytes, join } from '../support/bytes';
import { LOG_ID, filesOf, segmentBytes } from '../support/logs';
import { Life, openLife, type LogSetup, type Scene } from './life';
import { checkLog } from './checkLog';
import type { Told } from './told';

/** A way to use a log, for `powerCuts`. */
export interface Workload {
  readonly name: string;
  readonly test: PowerCutTest<Told>;
  readonly disk: NonNullable<PowerCutOptions['disk']>;
}

/** A new segment without a record, so that the log has always the same id. */
const FILES = filesOf(segmentBytes(1, []));

/** How a log is used in one life: a number of steps, drawn. */
interface Habits {
  readonly steps: number;
  /** Largest number of letters of most values, and of one in six. */
  readonly letters: readonly [number, number];
  /** How often a step is none of appending but one of these. */
  readonly rotates?: number;
  readonly checkpoints?: number;
  readonly syncs?: number;
  /** How often values are appended as one group. */
  readonly groups?: number;
}

const SMALL: Habits = { steps: 10, letters: [40, 200], syncs: 0.1 };
const MIXED: Habits = { steps: 9, letters: [60, 1500], syncs: 0.15, rotates: 0.1, checkpoints: 0.15 };
const GROUPS: Habits = { ...MIXED, groups: 0.6 };
const LARGE: Habits = { steps: 5, letters: [1200, 4000], syncs: 0.2, rotates: 0.1 };

/** Appends up to four values at a time, and whatever else its habits are. */
function live(life: Life, { random }: Scene, habits: Habits): void {
  const { rotates = 0, checkpoints = 0, syncs = 0, groups = 0 } = habits;
  for (let step = 0; step < habits.steps; step += 1) {
    if (groups > 0 && random() < groups) {
      life.appendAll(Array.from({ length: 1 + upTo(6, random) }, () => value(habits, random)));
    } else {
      for (let count = upTo(4, random); count > 0; count -= 1) life.append(value(habits, random));
    }
    const what = random();
    if (what < syncs) life.sync();
    else if (what < syncs + rotates) life.rotate();
    else if (what < syncs + rotates + checkpoints) life.checkpoint(oneOfTheLast(life, random));
    // Some batches gather, and some meet one that is on its way.
    if (random() < 0.6) life.settle();
  }
  life.settle();
}

function value({ letters }: Habits, random: Random): string {
  const most = letters[random() < 1 / 6 ? 1 : 0];
  const id = `${COMMIT[random() < 0.5 ? 0 : 1]}${random().toString(36).slice(2)} `;
  return id + String.fromCharCode(97 + upTo(26, random) - 1).repeat(upTo(most, random));
}

/** What the values of a transaction begin with: the last of them, and the others. */
const COMMIT = ['C', 'r'] as const;

/** An LSN for a checkpoint, not below the last one. */
function oneOfTheLast({ wal }: Life, random: Random): number {
  const from = wal.lastCheckpoint?.lsn ?? 0;
  return from + Math.floor(random() * (wal.lastLsn - from + 1));
}

/** From 1 to `most`. */
function upTo(most: number, random: Random): number {
  return 1 + Math.floor(random() * most);
}

/** What happens to the disk or to the process in the middle of a life. */
type Mishap = 'kill' | 'losePower' | 'failSync' | 'failAny';

/** In a while, something happens: the process is killed, the power goes, or an operation fails. */
function brew(disk: SimulatedDisk, mishaps: readonly Mishap[], random: Random): void {
  const mishap = mishaps[Math.floor(random() * mishaps.length)];
  let left = upTo(40, random);
  disk.fail = ({ kind }) => {
    left -= 1;
    if (left > 0) return undefined;
    // One that does not fit waits for the next; a lock that is not given back is the next life's end.
    if (mishap === 'failSync' && kind !== 'sync') return undefined;
    if (kind === 'unlock') return undefined;
    left = Infinity;
    if (mishap === 'failSync' || mishap === 'failAny') return fault('EIO');
    if (mishap === 'kill') disk.kill();
    else disk.losePower(random);
    return undefined;
  };
}

interface Plot {
  readonly habits: Habits;
  /** Lives of the log, one after the other. Default 1, which ends with a close. */
  readonly lives?: number;
  /** What ends all lives but the last, which is closed. */
  readonly mishaps?: readonly Mishap[];
  /** Operations take time. */
  readonly slow?: boolean;
  /** What the log of an earlier rxwal holds that this one goes on with, durably. */
  readonly inherited?: readonly string[];
}

function workload(
  name: string,
  setup: LogSetup,
  plot: Plot,
  disk: Workload['disk'] & { readonly newLog?: boolean } = {},
): Workload {
  const { newLog = false, ...diskOptions } = disk;
  return {
    name,
    disk: { ...(newLog ? {} : { files: FILES }), ...diskOptions },
    test: { use: useLog(setup, plot), check: checkLog(setup) },
  };
}

function useLog(setup: LogSetup, plot: Plot): PowerCutTest<Told>['use'] {
  const { habits, lives = 1, mishaps = [], slow = false, inherited = [] } = plot;
  return async (disk, promise, random) => {
    const told: Told[] = [];
    const tell = (word: Told): void => {
      told.push(word);
      promise(word);
    };
    const scene: Scene = { disk, setup, told, tell, random };
    for (const appended of inherited) tell({ appended });
    if (inherited.length > 0) tell({ durable: inherited.length });
    for (let number = 1; number <= lives; number += 1) {
      if (number < lives) brew(disk, mishaps, random);
      else disk.fail = undefined;
      const life = number < lives ? Life.open(scene) : openLife(scene);
      if (!(life instanceof Life)) continue;
      if (slow) disk.plan = () => timer(upTo(4, random), life.clock);
      live(life, scene, habits);
      // A checkpoint answers through a promise.
      await Promise.resolve();
      life.close();
      disk.plan = undefined;
    }
  };
}

const INHERITED: readonly string[] = ['C one', 'C two', 'C three'];

/** The last segment of a log that an earlier rxwal has made: without the flag that allows groups. */
function earlier(values: readonly string[], closed: boolean): ReadonlyMap<string, Uint8Array> {
  const codec = cborCodec<string>();
  const frames = values.map((value, index) => frameBytes('record', index + 1, codec.encode(value).slice(), LOG_ID));
  const marks = closed ? [frameBytes('mark', values.length, '', LOG_ID)] : [];
  return filesOf(join(headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }), ...frames, ...marks));
}

const SEGMENTS = { maxSegmentBytes: 700 };
const isCommit = (value: string): boolean => value.startsWith(COMMIT[0]);

const MODES: Readonly<Record<string, Durability>> = {
  sync: { mode: 'sync' },
  batch: { mode: 'batch', maxDelayMs: 5, maxRecords: 6 },
  adaptive: { mode: 'adaptive', targetIntervalMs: 10 },
  nosync: { mode: 'nosync' },
};

/** Every workload, by what is special about it. */
export const WORKLOADS: readonly Workload[] = [
  ...Object.entries(MODES).flatMap(([mode, durability]) => [
    workload(mode, { durability, ...SEGMENTS, preallocateBytes: 0 }, { habits: MIXED }),
    workload(
      `${mode}, durable writes, zeros ahead`,
      { durability, maxSegmentBytes: 3000, preallocateBytes: 1024 },
      { habits: MIXED },
      { durableWrites: true },
    ),
    workload(
      `${mode}, three lives`,
      { durability, maxSegmentBytes: 1500, preallocateBytes: 600 },
      { habits: MIXED, lives: 3, mishaps: ['kill', 'losePower', 'failAny'] },
    ),
    workload(
      `${mode}, slow`,
      { durability, maxSegmentBytes: 1500, preallocateBytes: 700 },
      { habits: MIXED, slow: true },
      { durableWrites: mode === 'batch' },
    ),
  ]),
  workload('groups', { preallocateBytes: 0, ...SEGMENTS }, { habits: GROUPS }),
  workload(
    'groups, three lives',
    { preallocateBytes: 500, maxSegmentBytes: 1500 },
    { habits: GROUPS, lives: 3, mishaps: ['kill', 'losePower', 'failAny'] },
    { durableWrites: true },
  ),
  workload(
    'groups in batches, small sectors',
    { durability: MODES.batch, isCommit, preallocateBytes: 300, maxSegmentBytes: 2000 },
    { habits: GROUPS, lives: 2, mishaps: ['losePower'] },
    { sectorBytes: 16 },
  ),
  ...[true, false].flatMap((closed) => {
    const state = closed ? 'closed' : 'left by a crash';
    const setup: LogSetup = { preallocateBytes: 0, maxSegmentBytes: 1500 };
    return [
      workload(
        `an earlier log, ${state}`,
        setup,
        { habits: { ...GROUPS, steps: 3 }, inherited: INHERITED },
        { files: earlier(INHERITED, closed) },
      ),
      workload(
        `an earlier log without a record, ${state}`,
        setup,
        { habits: { ...GROUPS, steps: 3 } },
        { files: earlier([], closed) },
      ),
      workload(
        `an earlier log, ${state}, three lives`,
        setup,
        { habits: { ...GROUPS, steps: 3 }, inherited: INHERITED, lives: 3, mishaps: ['kill', 'losePower', 'failAny'] },
        { files: earlier(INHERITED, closed), durableWrites: true },
      ),
    ];
  }),
  workload('a new log', { preallocateBytes: 0, ...SEGMENTS }, { habits: SMALL }, { newLog: true }),
  workload('transactions', { isCommit, preallocateBytes: 512, maxSegmentBytes: 2000 }, { habits: SMALL }),
  workload('many sectors', { preallocateBytes: 4096, maxSegmentBytes: 20_000 }, { habits: LARGE }),
  workload(
    'small sectors',
    { preallocateBytes: 300, maxSegmentBytes: 1000 },
    { habits: SMALL, lives: 2, mishaps: ['losePower'] },
    { sectorBytes: 16 },
  ),
  workload(
    'failed fsyncs',
    { preallocateBytes: 500, maxSegmentBytes: 1200 },
    { habits: MIXED, lives: 4, mishaps: ['failSync'] },
    { durableWrites: true },
  ),
  workload(
    'failed operations',
    { preallocateBytes: 500, maxSegmentBytes: 900 },
    { habits: MIXED, lives: 5, mishaps: ['failAny'] },
  ),
  workload(
    'transactions, failed, slow',
    { isCommit, preallocateBytes: 500, maxSegmentBytes: 1200 },
    { habits: MIXED, lives: 4, mishaps: ['failAny', 'kill'], slow: true },
  ),
];
