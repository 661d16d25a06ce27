/** What is listed by hand is complete: members, options, errors and verbs in README.md, the files of src/ in ARCHITECTURE.md. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** The section of a heading of the second level. */
const sectionOf = (markdown: string, heading: string): string =>
  markdown.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';

/** The names of the members of an interface, comments left out. */
function membersOf(source: string, name: string): string[] {
  const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n([^]*?)^\\}$`, 'm').exec(source)?.[1] ?? '';
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+\$?)\??[(<:]/gm)].map(([, member]) => member!);
}

/** Those of the names that no code span of a text begins with, or has in it as a word. */
const missingIn = (text: string, names: readonly string[]): string[] => {
  const words = new Set([...text.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => code!.match(/[\w$]+/g) ?? []));
  return names.filter((name) => !words.has(name));
};

describe('README.md', () => {
  const readme = read('README.md');

  it('has a row for every member of a log', () => {
    const members = membersOf(read('src/wal.ts'), 'Wal');
    expect(members).toEqual(expect.arrayContaining(['append', 'tail', 'project', 'retention$', 'stats', 'logFiles']));
    expect(missingIn(sectionOf(readme, 'The rest of a log'), members)).toEqual([]);
  });

  it('has a row for every option', () => {
    const names = [
      ...membersOf(read('src/options.ts'), 'WalOptions'),
      ...membersOf(read('src/openWal.ts'), 'OpenWalOptions'),
      ...membersOf(read('src/store/nodeStore.ts'), 'NodeStoreOptions'),
    ];
    expect(names).toEqual(expect.arrayContaining(['durability', 'retention', 'io']));
    expect(missingIn(sectionOf(readme, 'Options'), names)).toEqual([]);
  });

  it('has a row for every error', () => {
    const codes = [...new Set(read('src/errors.ts').match(/\bWAL_[A-Z_]+\b/g))];
    expect(codes).toContain('WAL_PROJECTION');
    expect(missingIn(sectionOf(readme, 'When something goes wrong'), codes)).toEqual([]);
  });

  it('has a row for every verb of the command', () => {
    const verbs = [...read('src/cli/rxwal.ts').matchAll(/verbOn\(\s*'(\w+)/g)].map(([, verb]) => verb!);
    expect(verbs).toContain('serve');
    expect(missingIn(sectionOf(readme, 'The command'), verbs)).toEqual([]);
  });

  it('is noticed where a name is missing', () => {
    expect(missingIn('`tail({ after })` and `hold`', ['tail', 'hold', 'after', 'project'])).toEqual(['project']);
    expect(
      membersOf('export interface A<T> extends B {\n  /** x: y */\n  a(): void;\n  readonly b$?: T;\n}', 'A'),
    ).toEqual(['a', 'b$']);
  });
});

describe('ARCHITECTURE.md', () => {
  const house = sectionOf(read('ARCHITECTURE.md'), 'The house');

  it('lists every file and folder of src/, and none that is not there', () => {
    const there = readdirSync(join(root, 'src'), { withFileTypes: true }).map((entry) =>
      entry.isDirectory() ? `${entry.name}/` : entry.name,
    );
    const lines = house.split('\n').filter((line) => /^ {2}\S/.test(line));
    const listed = lines.flatMap((line) => /^ {2}((?:\w+(?:\.ts|\/) ?)+)/.exec(line)?.[1]?.trim().split(' ') ?? []);
    expect([...listed].sort()).toEqual([...there].sort());
  });
});
