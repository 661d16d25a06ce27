import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex, unhex } from '../support/bytes';
import type { Files, ReferenceRecord } from '../support/reference';

/** The directories kept in the repository: small logs as they were written, and every input that once found a fault. */
export const CORPUS = join(__dirname, 'corpus');

/** One directory of the corpus. */
export interface CorpusEntry {
  readonly name: string;
  /** What it is, in a sentence. */
  readonly what: string;
  readonly files: Files;
  /** The records that were appended; absent where nobody wrote it as a log. */
  readonly truth: readonly ReferenceRecord[] | undefined;
}

/** As it stands in its file: text, so that a change shows in a review. */
interface Written {
  readonly what: string;
  /** Payload by LSN. */
  readonly truth?: Readonly<Record<string, string>>;
  /** In place of `truth`: the entries that it was made from. */
  readonly madeFrom?: string;
  /** Content by name. */
  readonly files: Readonly<Record<string, string>>;
}

export function readCorpus(dir = CORPUS): readonly CorpusEntry[] {
  const names = readdirSync(dir).filter((name) => name.endsWith(SUFFIX));
  const written = new Map(
    names
      .sort()
      .map((name) => [name.slice(0, -SUFFIX.length), JSON.parse(readFileSync(join(dir, name), 'utf8')) as Written]),
  );
  const truthOf = (name: string): readonly ReferenceRecord[] | undefined => {
    const { truth, madeFrom } = written.get(name) ?? {};
    if (madeFrom !== undefined) return unionOf(madeFrom.split(' ').map(truthOf));
    return truth && Object.entries(truth).map(([lsn, payload]) => ({ lsn: Number(lsn), payload }));
  };
  return [...written].map(([name, { what, files }]) => ({
    name,
    what,
    files: new Map(Object.entries(files).map(([file, content]) => [file, unhex(content)])),
    truth: truthOf(name),
  }));
}

/** All that any of the parents held; nothing can be said where one of them was no log. */
export function unionOf(
  truths: readonly (readonly ReferenceRecord[] | undefined)[],
): readonly ReferenceRecord[] | undefined {
  return truths.every((truth) => truth !== undefined) ? truths.flat() : undefined;
}

/**
 * Writes a directory down as the corpus has it.
 *
 * @param madeFrom names of the entries whose records it may hold; none where nothing can be said of them.
 * @returns the path of the new file.
 */
export function keep(what: string, files: Files, madeFrom: readonly string[], dir = CORPUS): string {
  const written: Written = {
    what,
    ...(madeFrom.length > 0 && { madeFrom: madeFrom.join(' ') }),
    files: Object.fromEntries([...files].map(([name, bytes]) => [name, hex(bytes)])),
  };
  const text = `${JSON.stringify(written, undefined, 2)}\n`;
  const path = join(dir, `offender-${createHash('sha256').update(text).digest('hex').slice(0, 8)}${SUFFIX}`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(path, text);
  return path;
}

const SUFFIX = '.json';
