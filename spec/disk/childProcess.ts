import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

const ROOT = join(__dirname, '..', '..');

/** How to run a TypeScript program of the specs. */
export function nodeCommand(program: string, ...args: string[]): readonly string[] {
  return [process.execPath, '-r', 'esbuild-register', program, ...args];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const running = new Set<Child>();

/** A second process, which talks in lines. */
export class Child {
  /** All lines that have come. */
  readonly lines: string[] = [];
  /** When it has ended and everything it said has been read. */
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  #read = 0;
  #ended = false;
  #errors = '';
  #wake: () => void = () => undefined;

  constructor(command: readonly string[]) {
    const [file, ...args] = command;
    this.#process = spawn(file!, args, { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this);
    createInterface(this.#process.stdout).on('line', (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    // A child that is killed takes its pipe with it.
    this.#process.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', reject);
      this.#process.once('close', (code, signal) => {
        running.delete(this);
        this.#ended = true;
        this.#wake();
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** What it complained about. */
  get errors(): string {
    return this.#errors;
  }

  /** The next line. Rejects where the process ends without one. */
  async next(): Promise<string> {
    while (this.#read >= this.lines.length) {
      if (this.#ended) throw new Error(`The child ended, and said no more than this: ${this.#errors}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#read += 1;
    return this.lines[this.#read - 1]!;
  }

  /** The next line, as the JSON it is. */
  async nextJson<R>(): Promise<R> {
    return JSON.parse(await this.next()) as R;
  }

  send(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Kills it as nothing can be caught or flushed, and waits until it is gone. */
  async kill(): Promise<Exit> {
    if (!this.#ended) this.#process.kill('SIGKILL');
    return this.exited;
  }
}

/** Ends every child that a test has left, each by its own id. */
export async function killChildren(): Promise<void> {
  await Promise.all([...running].map((child) => child.kill()));
}
