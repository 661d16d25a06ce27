/** The page of public names has all of them, each under its entry point, and none that is not there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const ENTRY_POINTS: Readonly<Record<string, string>> = {
  rxwal: 'src/index.ts',
  'rxwal/testing': 'src/testing/index.ts',
  'rxwal/serve': 'src/serve/index.ts',
  'rxwal/prometheus': 'src/prometheus.ts',
  'rxwal/opentelemetry': 'src/opentelemetry.ts',
};

/** What a module exports, types as well: by `export { a, type B }`, and by declarations of its own. */
function exportsOf(source: string): string[] {
  const listed = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = '']) => names.split(','));
  const declared = [...source.matchAll(/^export (?:function|class|const|interface|type) (\w+)/gm)].map(
    ([, name]) => name!,
  );
  const names = [...listed.map((name) => name.trim().replace(/^type /, '')), ...declared];
  return names.filter((name) => name !== '').sort();
}

/** The names in the first column of each section. */
function namesOf(page: string, entryPoint: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${entryPoint}\n`)) ?? '';
  const cells = [...section.matchAll(/^\| (`.*?) +\|/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!)).sort();
}

describe('examples/names.md', () => {
  it.each(Object.entries(ENTRY_POINTS))('has what %s exports, and nothing else', (entryPoint, file) => {
    const exported = exportsOf(read(file));
    expect(exported.length).toBeGreaterThan(0);
    expect(namesOf(read('examples/names.md'), entryPoint)).toEqual(exported);
  });

  it('knows every entry point of the package', () => {
    const { exports } = JSON.parse(read('package.json')) as { readonly exports: Readonly<Record<string, unknown>> };
    const names = Object.keys(exports).map((path) => path.replace('.', 'rxwal'));
    expect(names.filter((name) => !name.endsWith('package.json')).sort()).toEqual(Object.keys(ENTRY_POINTS).sort());
  });

  it('is held against the code: a name that is missing, or not exported, shows', () => {
    expect(exportsOf("export { a, type B } from './c';\nexport type { D } from './e';\nexport class F {}")).toEqual([
      'B',
      'D',
      'F',
      'a',
    ]);
    expect(namesOf('## one\n\n| `a`, `B` | see `c` |\n\n## two\n\n| `d` | |\n', 'one')).toEqual(['B', 'a']);
  });
});
