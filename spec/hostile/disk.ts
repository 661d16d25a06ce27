import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hex } from '../support/bytes';
import type { Files } from '../support/reference';
import { isOwn } from './names';

/**
 * A directory of the real disk with a log in it, and beside the log what is none of its business: files and a directory that links lead
 * to.
 */
export class Neighbourhood {
  readonly root = mkdtempSync(join(tmpdir(), 'rxwal-hostile-'));
  readonly dir = join(this.root, 'log');
  readonly outside = join(this.root, 'outside');

  constructor(files: Files) {
    mkdirSync(this.dir, { mode: 0o700 });
    mkdirSync(this.outside);
    writeFileSync(join(this.outside, 'precious'), "not the log's");
    for (const [name, bytes] of files) {
      if (canBeAName(name)) writeFileSync(join(this.dir, name), bytes, { mode: 0o600 });
    }
  }

  /** Puts something else in the place of a file of the log. */
  place(what: Thing, name: string): void {
    const path = join(this.dir, name);
    rmSync(path, { recursive: true, force: true });
    THINGS[what](path);
  }

  /** Everything there is, by path: what it is, its mode, and what it holds. The regular files of the log are left out where that is asked for. */
  look({ own }: { readonly own: boolean }): ReadonlyMap<string, string> {
    const seen = new Map<string, string>();
    for (const path of readdirSync(this.root, { recursive: true, encoding: 'utf8' }).sort()) {
      const full = join(this.root, path);
      const stats = lstatSync(full);
      const name = path.slice('log/'.length);
      if (!own && stats.isFile() && path.startsWith('log/') && isOwn(name)) continue;
      // The lock says who took it last.
      if (own && stats.isFile() && name === 'LOCK') continue;
      const content = stats.isFile() ? hex(readFileSync(full)) : stats.isSymbolicLink() ? readlinkSync(full) : '';
      seen.set(path, `${stats.mode.toString(8)} ${content}`);
    }
    return seen;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** What may stand in a directory where a file is looked for. */
const THINGS = {
  link: (path: string) => {
    symlinkSync('../outside/precious', path);
  },
  'dangling link': (path: string) => {
    symlinkSync('../outside/made-by-the-log', path);
  },
  'link to itself': (path: string) => {
    symlinkSync(path, path);
  },
  'link to a directory': (path: string) => {
    symlinkSync('../outside', path);
  },
  directory: (path: string) => {
    mkdirSync(path);
    writeFileSync(join(path, 'within'), "not the log's either");
  },
  pipe: (path: string) => {
    execFileSync('mkfifo', [path]);
  },
};
export type Thing = keyof typeof THINGS;
export const ALL_THINGS = Object.keys(THINGS) as readonly Thing[];

function canBeAName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/');
}
