import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../disk/childProcess';
import { command } from './command';
import { NEEDLE } from './records';

/** A mounted file system whose block device writes down what it is told. */
export class RecordedDisk {
  readonly #mountPoint: string;
  readonly #fuse: string;
  #recorder: Child | undefined;

  constructor(
    private readonly recorderProgram: string,
    readonly journal: string,
    workDir: string,
  ) {
    this.#mountPoint = join(workDir, 'disk');
    this.#fuse = join(workDir, 'fuse');
    mkdirSync(this.#mountPoint, { recursive: true });
    mkdirSync(this.#fuse, { recursive: true });
  }

  get mountPoint(): string {
    return this.#mountPoint;
  }

  get recorderPid(): number {
    return this.#recorder!.pid;
  }

  async mount(image: string, options: string): Promise<void> {
    this.#recorder = new Child([this.recorderProgram, this.#fuse, image, this.journal, NEEDLE]);
    await this.#recorder.next();
    command('mount', '-o', options, join(this.#fuse, 'image'), this.#mountPoint);
  }

  /** Ends both file systems; the journal is then complete. */
  async unmount(): Promise<void> {
    command('umount', this.#mountPoint);
    command('umount', this.#fuse);
    const { code } = await this.#recorder!.exited;
    if (code !== 0) throw new Error(`The recorder ended with ${code}: ${this.#recorder!.errors}`);
  }
}
