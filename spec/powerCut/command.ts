import { spawnSync } from 'node:child_process';

/** Where mkfs and mount live, also for a user whose PATH leaves these out. */
export const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Runs a command to its end and gives what it said. Throws with its complaint where it fails. */
export function command(file: string, ...args: string[]): string {
  const { error, status, signal, stdout, stderr } = spawnSync(file, args, { env: ENVIRONMENT, encoding: 'utf8' });
  if (error) throw new Error(`${file}: ${error.message}`);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr.trim() || (signal ?? `exit ${status}`)}`);
  return stdout;
}

/** Whether a program of this name is there. */
export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v "$0"`, name], { env: ENVIRONMENT }).status === 0;
}
