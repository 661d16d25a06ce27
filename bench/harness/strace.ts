import { spawn } from 'node:child_process';

/** How long a traced program may take, in milliseconds, before it is ended together with what it has started. */
const PATIENCE_MS = 180_000;
/** Bytes of each write that are printed. */
const SHOWN_BYTES = 1 << 17;

/**
 * Runs a program and what it starts under strace, and keeps the calls in a file.
 *
 * @returns nothing where it ran to its end; else why not.
 */
export function strace(words: readonly string[], calls: readonly string[], file: string): Promise<string | undefined> {
  const options = [
    '-f',
    '-y',
    '-qq',
    '--seccomp-bpf',
    '-s',
    String(SHOWN_BYTES),
    '-o',
    file,
    '-e',
    `trace=${calls.join(',')}`,
  ];
  return new Promise((resolve) => {
    const child = spawn('strace', [...options, '--', ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group of its own: what is traced goes on when strace alone is ended.
      detached: true,
    });
    let stderr = '';
    child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const patience = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), PATIENCE_MS);
    const end = (why: string | undefined): void => {
      clearTimeout(patience);
      resolve(why);
    };
    child.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ENOENT' ? 'strace is not installed' : error.message),
    );
    child.once('close', (code, signal) => {
      if (code === 0) end(undefined);
      else end(stderr.trim().split('\n').at(-1) || `ended with ${signal ?? String(code)}`);
    });
  });
}
