/**
 * The crash test you can watch: `npm start`.
 *
 * Events go through the log in a child process, which prints an ack for each one that is durable. The child is killed at random
 * moments, in the middle of its work. After each kill the log is recovered and held against the input: every event whose ack had
 * arrived must be there, in order, once. Then another child goes on where the log ends.
 *
 * SIGKILL is a crash of the process, and not a power cut: what the operating system has been handed is not lost with the process.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { openWal } from 'rxwal';
import { inspectEvents, rereadable } from './main/events';
import { showProgress } from './main/progress';
import { runWriter } from './main/runWriter';
import { USAGE, UserError, emptyDirectory, parseSettings, type Settings } from './main/settings';
import { describe, verify } from './main/verify';

/** About so many segments, whatever the input's size. */
const SEGMENTS = 12;
const MIN_SEGMENT_BYTES = 4096;
/** The events come in so many waves. */
const WAVES = 20;
/** A kill comes up to so many milliseconds after the ack it waits for: between two writes, or in one. */
const MAX_KILL_DELAY_MS = 3;

async function run(settings: Settings, workDir: string): Promise<boolean> {
  const input = await rereadable(settings.input, join(workDir, 'input.ndjson'));
  const { events, bytes } = inspectEvents(input);
  const dir = settings.dir === undefined ? join(workDir, 'wal') : emptyDirectory(settings.dir);
  const writerArguments = {
    input,
    dir,
    maxSegmentBytes: Math.max(MIN_SEGMENT_BYTES, Math.ceil(bytes / SEGMENTS)),
    waveEvents: Math.ceil(events / WAVES),
    waveMs: (settings.seconds * 1000) / WAVES,
  };
  console.log(
    `${events} events from ${settings.input}, log in ${dir}, ${settings.kills} kills, --seed ${settings.seed}`,
  );

  const ackTimes = createHistogram();
  const killPoints = chooseKillPoints(settings, events);
  const progress = showProgress(events);
  let acks = 0;
  let ackedLsn = 0;
  let kills = 0;
  let recovered = 0;
  let problem: string | undefined;

  while (problem === undefined) {
    let killPoint = killPoints[kills];
    const writer = runWriter(writerArguments, (lsn, microseconds) => {
      // An LSN that is acknowledged twice had been lost and was given again.
      if (!(lsn > ackedLsn)) problem ??= `the ack of LSN ${lsn} came after the ack of LSN ${ackedLsn}`;
      acks += 1;
      ackedLsn = lsn;
      ackTimes.record(Math.max(1, microseconds));
      if (settings.printsAcks) progress.print(`ack ${lsn} after ${microseconds} µs`);
      progress.update(acks, lsn);
      if (killPoint && lsn >= killPoint.lsn) {
        void setTimeout(killPoint.delayMs).then(() => writer.kill());
        killPoint = undefined;
      }
    });
    if ((await writer.ended) === 'finished') break;
    kills += 1;

    // The next writer would recover the log by itself. Here it is done first, to see what there is.
    const wal = await openWal<unknown>(dir);
    const { lastLsn, bytesCut, milliseconds } = wal.recovery;
    await wal.close();
    const verdict = await verify(input, dir, ackedLsn);
    recovered += verdict.records;
    problem ??= verdict.problem && describe(verdict);
    progress.print(
      `kill ${kills}: ${ackedLsn} acknowledged, ${lastLsn} recovered in ${milliseconds.toFixed(1)} ms, ` +
        `${bytesCut} torn bytes cut, ${verdict.lost} lost`,
    );
  }
  progress.stop();

  const verdict = await verify(input, dir, ackedLsn);
  problem ??= verdict.problem && describe(verdict);
  if (verdict.records !== events) problem ??= `the log holds ${verdict.records} of ${events} events`;

  const segments = readdirSync(dir).filter((name) => name.endsWith('.log'));
  printTable([
    ['records', verdict.records, 'in the log, each compared with its event'],
    ['acks', acks, 'that arrived before the end or a kill'],
    ['kills', kills, 'with SIGKILL'],
    ['recovered', recovered, 'records found after the kills'],
    ['lost', verdict.lost, 'acknowledged and not there'],
    ['wrong', verdict.wrong, 'altered, repeated or out of order'],
    ['bytes', segments.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0), 'on disk'],
    ['segments', segments.length, ''],
    ['ack p50', (ackTimes.percentile(50) / 1000).toFixed(2), 'ms from append to ack'],
    ['ack p99', (ackTimes.percentile(99) / 1000).toFixed(2), 'ms'],
  ]);
  if (problem !== undefined) console.error(`FAILED: ${problem}`);
  return problem === undefined;
}

interface KillPoint {
  /** The ack that must have arrived. */
  readonly lsn: number;
  readonly delayMs: number;
}

/** In order. None in the last wave: the writer might be done before the signal arrives. */
function chooseKillPoints({ kills, seed }: Settings, events: number): readonly KillPoint[] {
  const range = events * (1 - 1 / WAVES);
  return Array.from({ length: kills }, (_, kill) => ({
    lsn: 1 + Math.floor(random(seed, `lsn ${kill}`) * range),
    delayMs: Math.round(random(seed, `delay ${kill}`) * MAX_KILL_DELAY_MS),
  })).sort((one, other) => one.lsn - other.lsn);
}

/** From 0 to 1, the same for the same seed. */
function random(seed: number, what: string): number {
  return createHash('sha256').update(`${seed} ${what}`).digest().readUInt32LE() / 2 ** 32;
}

function printTable(rows: readonly (readonly [name: string, value: string | number, meaning: string])[]): void {
  console.log('');
  for (const [name, value, meaning] of rows) {
    console.log(`${name.padEnd(10)} ${String(value).padStart(12)}   ${meaning}`.trimEnd());
  }
}

async function main(): Promise<void> {
  const settings = parseSettings(process.argv.slice(2));
  if (settings.help) {
    console.log(USAGE);
    return;
  }
  const workDir = mkdtempSync(join(tmpdir(), 'rxwal-'));
  process.once('exit', () => rmSync(workDir, { recursive: true, force: true, maxRetries: 5 }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  if (!(await run(settings, workDir))) process.exitCode = 1;
}

main().catch((error: unknown) => {
  if (error instanceof UserError) {
    console.error(`${error.message}\nTry --help.`);
    process.exitCode = 2;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
});
