/** The benchmark, compiled and put aside: `node program.js OPTIONS`, started by `bench/run.ts`. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { acksOf, type Ack } from './acks';
import { calibrateBulk } from './calibration';
import type { Options } from './commandLine';
import { canTell, compare, type Comparison } from './comparison';
import { checkNames, chooseRegimes, loadEntrants, takingPart } from './entrants';
import { isLimited } from './limited';
import { machine } from './machine';
import { WORK } from './places';
import { plot } from './plot';
import { runRounds } from './rounds';
import { say } from './say';
import { regimeTable } from './tables';
import { verdicts, verdictTable } from './verdicts';

async function main(options: Options): Promise<void> {
  const limits = { control: options.control, width: options.width };
  const before = options.with?.split(' ') ?? [];
  const seconds = options.seconds ?? (options.short ? 0.2 : 0.5);
  const rounds = options.rounds ?? (options.short ? 3 : 8);
  const mostRounds = options.mostRounds ?? (options.short ? rounds : 2 * rounds);
  const timing = {
    measureMs: seconds * 1000,
    warmUpMs: Math.max(300, seconds * 500),
    logRecords: options.logRecords ?? (options.short ? 20_000 : 100_000),
  };
  const data = join(resolve(options.dir ?? WORK), `data-${process.pid}`);
  // This program's own copy goes too: the one that started it may be killed first.
  const made = [data, join(__dirname, '..')];
  process.on('exit', () => made.forEach((directory) => rmSync(directory, { recursive: true, force: true })));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  mkdirSync(data, { recursive: true });

  const { entrants, missing } = await loadEntrants();
  checkNames(options.contender ?? [], entrants);
  const taking = chooseRegimes(options.regime).map((regime) => ({
    regime,
    entered: takingPart(regime, entrants, options.contender),
  }));
  const present = entrants.filter((entrant) => taking.some(({ entered }) => entered.includes(entrant)));
  const on = machine(data);
  console.log(
    `node ${on.node}, ${on.platform}, ${on.cores} × ${on.processor}, ${on.memoryGib} GiB, ${on.fileSystem}, load ${on.load ?? 'unknown'}`,
  );
  for (const line of missing) console.log(line);

  const bulkRecords = await calibrateBulk(data, before, timing);
  console.log(
    `${rounds} rounds, ${seconds} s each; a bulk is ${bulkRecords.toLocaleString('en')} records, a log that is read ${timing.logRecords.toLocaleString('en')}`,
  );
  const watched = present.map(({ contender }) => contender).filter((contender) => !isLimited(contender));
  const acks = options.honesty
    ? await acksOf(
        watched.map(({ name }) => name),
        say,
      )
    : new Map<string, Ack>();

  const comparisons: Comparison[] = [];
  for (const { regime, entered } of taking) {
    const job = { ...timing, bulkRecords };
    const results = await runRounds(regime, entered, {
      rounds,
      mostRounds,
      data,
      before,
      job,
      say,
      enough: (soFar) => canTell(regime, soFar, limits),
    });
    const comparison = compare(regime, results, limits);
    comparisons.push(comparison);
    say('');
    console.log(regimeTable(comparison, acks));
  }

  const peers = entrants.filter(({ contender }) => contender.kind === 'peer').map(({ contender }) => contender.name);
  const judged = verdicts({ comparisons, peers, acks, limits });
  console.log(verdictTable(judged));
  console.log('\n## Who is who\n');
  for (const { contender } of present) console.log(`${contender.name}: ${contender.how}`);

  if (options.json !== undefined) {
    const settings = { rounds, mostRounds, ...timing, bulkRecords, limits };
    const everything = { machine: on, settings, targets: judged, comparisons, acks: Object.fromEntries(acks) };
    writeFileSync(options.json, `${JSON.stringify(everything, undefined, 2)}\n`);
  }
  if (options.plot !== undefined) {
    const drawn = await plot(comparisons);
    if (typeof drawn === 'string') writeFileSync(options.plot, drawn);
    else console.log(`\nNo plot: ${drawn.refused}`);
  }
}

main(JSON.parse(process.argv[2] ?? '{}') as Options).catch((error: unknown) => {
  console.error(error instanceof RangeError ? error.message : error);
  process.exitCode = 1;
});
