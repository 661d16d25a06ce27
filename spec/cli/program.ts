import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Files } from '../support/reference';

const ROOT = join(__dirname, '..', '..');
const PROGRAM = [process.execPath, '-r', 'esbuild-register', join(ROOT, 'src', 'cli', 'rxwal.ts')];

/** A directory for the logs of a spec. */
export class Scratch {
  readonly root = mkdtempSync(join(tmpdir(), 'rxwal-cli-'));
  #logs = 0;

  /** A directory of its own, with these files. */
  dirOf(files: Files): string {
    const dir = join(this.root, `log-${(this.#logs += 1)}`);
    mkdirSync(dir);
    return writeFiles(dir, files);
  }

  /** Ends every process too. */
  async remove(): Promise<void> {
    await endAll();
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** What a process has said, and how it ended. */
export interface Result {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `rxwal` to its end, as a user without a terminal does. */
export function rxwal(args: readonly string[], { input = '', env = {} }: RunOptions = {}): Promise<Result> {
  const running = new Running([...PROGRAM, ...args], env);
  running.end(input);
  return running.ended;
}

/** `rxwal`, to talk to while it runs. */
export function startRxwal(...args: readonly string[]): Running {
  return new Running([...PROGRAM, ...args]);
}

/** Another program of the specs. */
export function startSpecProgram(name: string, ...args: readonly string[]): Running {
  return new Running([process.execPath, '-r', 'esbuild-register', join(__dirname, name), ...args]);
}

/** A line for a shell in which `rxwal` stands for the program. Its output is that of the shell. */
export function inShell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Result> {
  const running = new Running(['bash', '-c', `rxwal() { ${PROGRAM.map(quoted).join(' ')} "$@"; }\n${line}`], env);
  running.end('');
  return running.ended;
}

/** As {@link inShell}, on a terminal of so many columns: everything that it shows is `stdout`. */
export function onTerminal(
  line: string,
  { columns = 100, env = {} }: { columns?: number; env?: Readonly<Record<string, string>> } = {},
): Promise<Result> {
  const command = `stty cols ${columns}; rxwal() { ${PROGRAM.map(quoted).join(' ')} "$@"; }; ${line}`;
  const running = new Running(['script', '-qec', `bash -c ${quoted(command)}`, '/dev/null'], { TERM: 'xterm', ...env });
  running.end('');
  return running.ended;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

const processes = new Set<Running>();

/** A process that is running. */
export class Running {
  /** All lines that have come on its standard output. */
  readonly lines: string[] = [];
  readonly ended: Promise<Result>;
  readonly #child: ChildProcessWithoutNullStreams;
  #taken = 0;
  #isOver = false;
  #stderr = '';
  #wake: () => void = () => undefined;

  constructor([file, ...args]: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const unset = { FORCE_COLOR: undefined, NO_COLOR: undefined, RXWAL_DEBUG: undefined };
    this.#child = spawn(file!, args, { cwd: ROOT, env: { ...process.env, ...unset, ...env } });
    processes.add(this);
    let stdout = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    createInterface(this.#child.stdout).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    // A process that has ended takes its pipe with it.
    this.#child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        processes.delete(this);
        this.#isOver = true;
        this.#wake();
        resolve({ code, signal, stdout, stderr: this.#stderr });
      });
    });
  }

  /** The next `count` lines. Rejects where the process ends without them. */
  async next(count = 1): Promise<string[]> {
    while (this.lines.length < this.#taken + count) {
      if (this.#isOver) throw new Error(`The process ended, and said no more than this: ${this.#stderr}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#taken += count;
    return this.lines.slice(this.#taken - count, this.#taken);
  }

  /** A line for its standard input. */
  send(text: string): void {
    this.write(`${text}\n`);
  }

  write(text: string): void {
    this.#child.stdin.write(text);
  }

  end(text = ''): void {
    this.#child.stdin.end(text);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (!this.#isOver) this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** Ends every process that a test has left, each by its own handle. */
export async function endAll(): Promise<void> {
  await Promise.all([...processes].map((running) => running.kill()));
}

export function writeFiles(dir: string, files: Files): string {
  for (const [name, bytes] of files) writeFileSync(join(dir, name), bytes);
  return dir;
}

/** Every file of a directory: its bytes, and when it was changed. */
export function fingerprint(dir: string): string[] {
  return readdirSync(dir)
    .sort()
    .map((name) => {
      const path = join(dir, name);
      return `${name} ${String(statSync(path, { bigint: true }).mtimeNs)} ${readFileSync(path).toString('base64')}`;
    });
}

/** The lines of JSON in a text. */
export function jsonLines<T = unknown>(text: string): T[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}
