/**
 * The benchmark in about a minute, for CI: its table from short runs, and the counts that its speed is made of.
 *
 *     npm run build
 *     npx tsx bench/smoke.ts [--no-table] [--rxwal src] [--build directory]
 *
 * Fails where a count exceeds its budget (`counts/budgets.ts`), and never on a time. A peer that is not installed is left out.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { compile } from './harness/compile';
import { BENCH } from './harness/places';
import { takeSnapshot } from './harness/snapshot';

const REGIMES = ['1', '64', 'bulk', 'replay'];
/** Each regime adds its references. Where only the binary of a package is not there, the table says so. */
const PEERS = ['better-sqlite3', 'sonic-boom'];
/** Two rounds: its times judge nothing. */
const LENGTH = ['--short', '--rounds', '2', '--seconds', '0.1', '--log-records', '10000'];

const { table, rxwal, build } = new Command('bench/smoke.ts')
  .option('--no-table', 'the counts alone')
  .option('--rxwal <dist|src>', 'dist: as built; src: compiled now', 'dist')
  .option('--build <directory>', 'count another build than dist/')
  .parse()
  .opts<{ table: boolean; rxwal: 'dist' | 'src'; build?: string }>();

if (table) {
  const words = [
    ...LENGTH,
    '--rxwal',
    rxwal,
    '--regime',
    ...REGIMES,
    '--contender',
    'rxwal',
    ...PEERS.filter(isInstalled),
  ];
  const { status } = spawnSync(
    process.execPath,
    ['--import', require.resolve('tsx'), join(BENCH, 'run.ts'), ...words],
    {
      stdio: 'inherit',
    },
  );
  if (status !== 0) process.exitCode = 1;
}

const snapshot = takeSnapshot(rxwal);
try {
  for (const remark of snapshot.remarks) console.log(remark);
  if (build !== undefined) {
    const built = join(snapshot.directory, 'node_modules', 'rxwal', 'dist');
    rmSync(built, { recursive: true });
    cpSync(resolve(build), built, { recursive: true });
  }
  compileCounts(snapshot.directory);
  console.log('\n## Counts\n');
  const program = join(snapshot.directory, 'counts', 'program.js');
  // The loader that runs this file is not for what is measured.
  const { status } = spawnSync(process.execPath, [program], {
    stdio: 'inherit',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (status !== 0) process.exitCode = 1;
} finally {
  snapshot.remove();
}

function isInstalled(peer: string): boolean {
  if (existsSync(join(BENCH, 'node_modules', peer))) return true;
  console.log(`${peer}: not installed`);
  return false;
}

function compileCounts(directory: string): void {
  const folder = join(BENCH, 'counts');
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  compile(
    files.map((name) => join(folder, name)),
    BENCH,
    directory,
  );
}
