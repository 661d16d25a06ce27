import { mkdirSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { Child } from '../disk/childProcess';
import type { LongLifeOptions } from './longLife';
import { readSample, type Sample } from './sample';

/** Below that of the writers: it fills the time that they leave. */
const PRIORITY = 10;

/** The long-lived process, seen from outside. */
export class WatchedLife {
  readonly #child: Child;
  #hasEnded = false;

  constructor(workDir: string, command: readonly string[], options: LongLifeOptions) {
    const dir = join(workDir, 'long-life');
    mkdirSync(dir);
    this.#child = new Child([...command, dir, JSON.stringify(options)]);
    setPriority(this.#child.pid, PRIORITY);
    void this.#child.exited.then(() => (this.#hasEnded = true));
  }

  /** Nobody has told it to: then something was wrong. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get samples(): readonly Sample[] {
    return this.#child.lines.flatMap((line) => readSample(line) ?? []);
  }

  /** Lets it come to its end. @returns what was wrong with it, where something was. */
  async end(): Promise<string | undefined> {
    this.#child.send('end');
    const { code, signal } = await this.#child.exited;
    if (code === 0 && this.#child.errors === '') return undefined;
    return `the long-lived process ended with ${signal ?? `code ${code}`} and said: ${this.#child.errors.trim()}`;
  }

  /** Does not wait for its end: something else was found. */
  async kill(): Promise<string | undefined> {
    await this.#child.kill();
    return undefined;
  }
}
