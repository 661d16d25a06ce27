/*
 * What run.ts runs in namespaces of its own: everything that is mounted here, and every process, is gone when this one ends,
 * however it ends. Its standard input ends with run.ts, and it with that.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { command, hasCommand } from './command';
import { FILE_SYSTEMS, type FileSystem } from './fileSystems';
import { Draw } from '../support/draw';
import { RecordedDisk } from './recordedDisk';
import { Violation, round, type Leftover } from './round';
import { Tally } from './tally';

export interface RoundsPlan {
  readonly seed: number;
  readonly seconds: number;
  readonly fileSystems: readonly string[];
  readonly isLying: boolean;
  readonly recorder: string;
  readonly dir: string;
}

/** Seconds of writing and looking, before the next run begins. */
const ROUND_MS = 7000;

/** What the first run is expected to take before its power cuts, and the time after the last one until the end of the program. */
const FIRST_RUN_MS = 3500;
const ENDING_MS = 1000;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Why the check cannot run on a file system; `undefined` where it can. */
async function missing(fileSystem: FileSystem, recorder: string, workDir: string): Promise<string | undefined> {
  if (!hasCommand(fileSystem.mkfs)) return `${fileSystem.mkfs} is missing (Debian: ${fileSystem.from})`;
  const image = join(workDir, 'probe.img');
  try {
    fileSystem.make(image);
    const disk = new RecordedDisk(recorder, join(workDir, 'probe.journal'), workDir);
    await disk.mount(image, 'loop');
    await disk.unmount();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function checkFileSystem(
  fileSystem: FileSystem,
  plan: RoundsPlan,
  workDir: string,
  until: number,
): Promise<Tally> {
  const random = new Draw(plan.seed);
  const tally = new Tally();
  let leftover: Leftover | undefined;
  let longestRunMs = FIRST_RUN_MS;
  // A run that would leave no time for power cuts is not begun.
  while (performance.now() + 1.2 * longestRunMs < until) {
    const began = performance.now();
    const roundEnds = Math.min(until, performance.now() + ROUND_MS);
    const isNew = random.chance(0.3);
    const settings = {
      fileSystem,
      recorder: plan.recorder,
      workDir,
      keptDir: join(plan.dir, 'kept'),
      isLying: plan.isLying,
      hasTime: () => performance.now() < roundEnds,
      written: () => (longestRunMs = Math.max(longestRunMs, performance.now() - began)),
    };
    leftover = await round(settings, isNew ? undefined : leftover, random.fork(), tally);
  }
  return tally;
}

async function main(plan: RoundsPlan): Promise<number> {
  const until = plan.seconds * 1000 - ENDING_MS;
  const workDir = join(plan.dir, 'work');
  mkdirSync(workDir, { recursive: true });
  command('mount', '-t', 'tmpfs', '-o', 'size=2g', 'rxwal', workDir);

  const able: FileSystem[] = [];
  for (const fileSystem of FILE_SYSTEMS.filter(({ name }) => plan.fileSystems.includes(name))) {
    const why = await missing(fileSystem, plan.recorder, workDir);
    if (why === undefined) able.push(fileSystem);
    else say(`${fileSystem.name}: not run: ${why}`);
  }

  const tallies: [FileSystem, Tally][] = [];
  for (const [index, fileSystem] of able.entries()) {
    const now = performance.now();
    const share = (until - now) / (able.length - index);
    tallies.push([fileSystem, await checkFileSystem(fileSystem, plan, workDir, now + share)]);
  }
  for (const [{ name }, tally] of tallies) say(`${name}: ${tally.details}`);
  for (const [{ name }, tally] of tallies) say(`${name}: ${tally.summary}`);
  return verdict(plan, tallies);
}

/** A check that has looked at nothing, or at too few of its power cuts, has failed; so has one that does not find the fault it was given. */
function verdict({ isLying }: RoundsPlan, tallies: readonly [FileSystem, Tally][]): number {
  const isRight = ([, { violations, powerCuts, unmountable }]: readonly [FileSystem, Tally]): boolean =>
    isLying ? violations > 0 : violations === 0 && powerCuts > 9 * unmountable;
  return tallies.every(isRight) ? 0 : 1;
}

process.stdin.on('end', () => process.exit(1)).resume();
main(JSON.parse(process.argv[2]!) as RoundsPlan).then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Violation ? `VIOLATION ${error.message}` : `The check itself failed: ${messageOf(error)}`);
    process.exit(1);
  },
);
