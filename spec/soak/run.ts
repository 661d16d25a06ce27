/**
 * The soak: writers on real directories, killed at random moments for minutes or hours, and one that is never killed.
 *
 * npx tsx spec/soak/run.ts --help
 *
 * Each log has a writer. It opens the log and appends, rotates, makes checkpoints, reads, closes and opens again, in a way drawn from the
 * seed, and tells each step when it is done. It is killed with SIGKILL; what is in the directory then is held against what it told; and
 * the next writer goes on in the same directory, so that damage would add up. SIGKILL is a crash of the process and not a power cut:
 * what the operating system has been handed is not lost with the process, so acks of mode `nosync` have to hold too.
 *
 * The seed decides what the writers do and what they are killed at; how far they get until then is the machine's affair.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killChildren } from '../disk/childProcess';
import { bundle } from './bundle';
import { Figures } from './figures';
import { describeTrend, trends } from './growth';
import { Progress } from './progress';
import { parseSettings, USAGE, type Settings } from './settings';
import { SoakedLog } from './soakedLog';
import { WatchedLife } from './watchedLife';

/** Enough of them that memory has a trend. */
const MIN_CYCLES = 96;

async function run(settings: Settings, workDir: string, stop: AbortSignal): Promise<readonly string[]> {
  const { seed, fault, kills, minutes } = settings;
  const [writer = '', longLife = ''] = await bundle(
    join(workDir, 'programs'),
    require.resolve('./writer'),
    require.resolve('./longLife'),
  );
  const figures = new Figures();
  const logs = Array.from(
    { length: settings.logs },
    (_, index) =>
      new SoakedLog(workDir, { number: index + 1, seed, fault, writer: [process.execPath, writer], figures }),
  );
  const watched = new WatchedLife(workDir, [process.execPath, '--expose-gc', longLife], {
    seed,
    fault,
    minCycles: MIN_CYCLES,
  });
  const progress = new Progress(() => figures.line());

  let begun = 0;
  const isWell = (): boolean => !watched.hasEnded && logs.every(({ problems }) => problems.length === 0);
  const goesOn = (): boolean => isWell() && !stop.aborted && begun < kills && figures.seconds < minutes * 60;
  await Promise.all(
    logs.map(async (log) => {
      while (goesOn()) {
        begun += 1;
        await log.liveAndDie();
      }
    }),
  );
  // Its trend takes some time, and is of no interest where something else was found.
  const hasTrend = isWell();
  const ending = await (hasTrend || watched.hasEnded ? watched.end() : watched.kill());
  progress.stop();

  const { samples } = watched;
  const found = hasTrend ? trends(samples) : [];
  const last = samples.at(-1);
  print(`\n${figures.table()}`);
  print(
    `\nlong life: ${last?.cycles ?? 0} logs opened and closed, ${last?.poisoned ?? 0} of them stopped by a failing disk`,
  );
  for (const trend of found) print(describeTrend(trend));

  return [
    ...logs.flatMap(({ problems }) => problems),
    ...(ending === undefined ? [] : [ending]),
    ...(hasTrend && found.length === 0 ? ['the long-lived process gave too few samples to judge'] : []),
    ...found.filter(({ grew }) => grew).map((trend) => `the long-lived process: ${describeTrend(trend)}`),
  ];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Problems that are printed; the first is the one to look at. */
const SHOWN = 10;

async function main(): Promise<number> {
  let settings: Settings;
  try {
    settings = parseSettings(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nTry --help.\n`);
    return 2;
  }
  if (settings.help) {
    print(USAGE);
    return 0;
  }
  const workDir = mkdtempSync(join(tmpdir(), 'rxwal-soak-'));
  const { kills, minutes, seed, logs, fault } = settings;
  const until = [
    ...(kills < Infinity ? [`${kills} kills`] : []),
    ...(minutes < Infinity ? [`${minutes} minutes`] : []),
  ];
  print(
    `${until.join(' or ')}, ${logs} logs in ${workDir}, --seed ${seed}${fault === undefined ? '' : ` --fault ${fault}`}`,
  );
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  try {
    const problems = await run(settings, workDir, stop.signal);
    for (const problem of problems.slice(0, SHOWN)) process.stderr.write(`FAILED: ${problem}\n`);
    if (problems.length > 0)
      process.stderr.write(`${problems.length} problems; --seed ${seed}, logs kept in ${workDir}\n`);
    else if (settings.keep) print(`\nlogs kept in ${workDir}`);
    else rmSync(workDir, { recursive: true, force: true });
    if (problems.length > 0) return 1;
    return stop.signal.aborted ? 130 : 0;
  } finally {
    await killChildren();
  }
}

void main().then((code) => (process.exitCode = code));
