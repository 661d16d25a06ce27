/*
 * Cuts the power under a log on real file systems, and looks at what is left.
 *
 *   npx tsx spec/powerCut/run.ts [--seconds 100] [--seed N] [--file-system ext4|xfs|btrfs] [--fault no-sync]
 *
 * The log is written on ext4 and xfs, in all its durability modes, on a block device that writes down each write and each flush
 * (recorder.c). Each power cut takes a random beginning of that history: what a flush had covered is there, and of the writes behind
 * it some, none or all, some torn between two sectors. The file system is mounted, and the log opened, read, appended to, closed and
 * opened again. Some writers are given a write or a flush that fails, and open the log again in the same mount; some begin on a disk that a
 * power cut has left. Every record that was acknowledged must be there, in order, once and unchanged, and none that was not appended.
 *
 * `--fault no-sync` proves that the check bites: its writer syncs nothing, and it fails where no violation is found.
 *
 * It needs root on Linux, loop devices, /dev/fuse, a C compiler, and mkfs.ext4 or mkfs.xfs; without these it says what is missing
 * and ends with 0.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { nodeCommand } from '../disk/childProcess';
import { ENVIRONMENT, command, hasCommand } from './command';
import { FILE_SYSTEMS } from './fileSystems';
import type { RoundsPlan } from './rounds';

const ROOT = join(__dirname, '..', '..');

/** A process namespace as well: what is in it ends with its first process. */
const NAMESPACES = ['-m', '-p', '-f', '--kill-child', '--mount-proc'];

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What this machine lacks; `undefined` where nothing is missing that all file systems need. */
function missing(): string | undefined {
  if (process.platform !== 'linux') return `Linux (this is ${process.platform})`;
  if (process.getuid?.() !== 0) return 'root, for loop devices and mounts';
  for (const device of ['/dev/loop-control', '/dev/fuse']) if (!existsSync(device)) return device;
  for (const name of ['cc', 'mount', 'unshare']) if (!hasCommand(name)) return `the command ${name}`;
  try {
    command('unshare', ...NAMESPACES, 'true');
  } catch (error) {
    return `namespaces (${(error as Error).message})`;
  }
  return undefined;
}

function options(): Omit<RoundsPlan, 'recorder' | 'dir'> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      'file-system': { type: 'string', multiple: true },
      fault: { type: 'string' },
    },
  });
  const number = (name: 'seconds' | 'seed'): number => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name} must be a whole number of at least 1`);
    return value;
  };
  const known = FILE_SYSTEMS.map(({ name }) => name);
  const usual = FILE_SYSTEMS.filter(({ isUsual }) => isUsual).map(({ name }) => name);
  const fileSystems = values['file-system'] ?? usual;
  const unknown = fileSystems.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`--file-system must be one of ${known.join(', ')}, not ${unknown}`);
  if (values.fault !== undefined && values.fault !== 'no-sync') throw new Error('--fault must be no-sync');
  return { seconds: number('seconds'), seed: number('seed'), fileSystems, isLying: values.fault !== undefined };
}

/** Runs rounds.ts in its namespaces and gives its exit code. A signal to this process ends all of it. */
async function inNamespaces(plan: RoundsPlan): Promise<number> {
  const [node, ...args] = nodeCommand(require.resolve('./rounds'), JSON.stringify(plan));
  const child = spawn('unshare', [...NAMESPACES, node!, ...args], {
    cwd: ROOT,
    env: ENVIRONMENT,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  // Its first process ends when its input does, and takes the others with it; unshare ends when the last of them is gone, so that
  // nobody writes any more when the mounts go away.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.stdin.end());
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

async function main(): Promise<number> {
  const asked = options();
  const lacking = missing();
  if (lacking !== undefined) {
    say(`The power cut check cannot run here: it needs ${lacking}.`);
    return 0;
  }
  say(`seed ${asked.seed}, ${asked.seconds} seconds${asked.isLying ? ', with a writer that syncs nothing' : ''}`);
  const dir = mkdtempSync(join(tmpdir(), 'rxwal-power-cut-'));
  try {
    const recorder = join(dir, 'recorder');
    command('cc', '-O2', '-o', recorder, join(__dirname, 'recorder.c'));
    const seconds = asked.seconds - performance.now() / 1000;
    return await inNamespaces({ ...asked, seconds, recorder, dir });
  } finally {
    // What shows a violation stays.
    for (const name of ['work', 'recorder']) rmSync(join(dir, name), { recursive: true, force: true });
    if (!existsSync(join(dir, 'kept'))) rmdirSync(dir);
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(1);
  },
);
