import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dedent, readRegions, regionsOf, tsBlocks, type Region } from './regions';

const root = join(__dirname, '../..');
const readme = join(root, 'README.md');
/** One page a topic, beside the example that it quotes. */
const pages = readdirSync(join(root, 'examples'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `examples/${name}`);

const documents = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'spec/README.md',
  'src/format/README.md',
  ...pages,
];

/** The names by which a link finds the headings of a text. */
const headingsOf = (markdown: string): readonly string[] =>
  [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );

describe('README.md', () => {
  it('is there and shows code', () => {
    expect(existsSync(readme) ? 'there' : 'README.md is missing').toBe('there');
    expect(tsBlocks(readFileSync(readme, 'utf8')).length).toBeGreaterThan(0);
  });

  it.each(documents)('%s leads to nothing that is not there', (name) => {
    const text = readFileSync(join(root, name), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    const dead = links.filter(([, to, heading]) => {
      const file = to === '' ? name : join(dirname(name), to!);
      if (!existsSync(join(root, file))) return true;
      return heading !== undefined && !headingsOf(readFileSync(join(root, file), 'utf8')).includes(heading);
    });
    expect(dead.map(([link]) => link)).toEqual([]);
  });

  it.each(['README.md', ...pages])('%s quotes every ts block from a region of an example, word for word', (name) => {
    const regions = readRegions(join(root, 'examples'));
    expect(unquoted(readFileSync(join(root, name), 'utf8'), regions, name)).toEqual([]);
  });
});

describe('pages of examples/', () => {
  it('are linked from README.md', () => {
    const text = readFileSync(readme, 'utf8');
    expect(pages.filter((name) => !text.includes(`](${name})`))).toEqual([]);
  });

  it('of recipes say what happens at a crash, and name the example that they quote', () => {
    const recipes = pages.filter((name) => existsSync(join(root, name.replace(/md$/, 'ts'))));
    expect(recipes.length).toBeGreaterThan(0);
    for (const name of recipes) {
      const text = readFileSync(join(root, name), 'utf8');
      expect(`${name}: ${text}`).toMatch(/^## What it promises, and what not$[^]*^## At a crash$/m);
      expect(`${name}: ${text}`).toContain(`](${name.replace(/^examples\/(\w+)\.md$/, '$1.ts')})`);
      expect(tsBlocks(text).length).toBeGreaterThan(0);
    }
  });
});

describe('examples/comparison.md', () => {
  /** The four figures of each contender, by the first word of its name. */
  const figuresOf = (markdown: string, heading: string) => {
    const section = markdown.slice(markdown.indexOf(`\n${heading}\n`)).split('\n## ')[1] ?? '';
    const rows = [...section.matchAll(/^\| (.*) \|$/gm)].map(([, row]) => row!.replaceAll('*', '').split('|'));
    return new Map(rows.map(([name, ...figures]) => [/^ *[\w-]*/.exec(name!)![0], figures.map((each) => each.trim())]));
  };

  it('says no other figures than README.md', () => {
    const measured = figuresOf(readFileSync(readme, 'utf8'), '## How fast');
    const said = figuresOf(readFileSync(join(root, 'examples/comparison.md'), 'utf8'), '## How fast');
    expect([...said.keys()].slice(2)).toEqual([
      'rxwal',
      'better-sqlite3',
      'sonic-boom',
      'lmdb',
      'classic-level',
      'hypercore',
    ]);
    for (const [name, figures] of [...said].slice(2)) {
      const medians = measured.get(name)?.map((figure) => figure.replace(/(?: \(|: ).*$/, ''));
      expect([name, figures]).toEqual([name, medians]);
    }
  });
});

/** Blocks that no region holds: where they stand, and how they begin. */
function unquoted(markdown: string, regions: readonly Region[], name = 'README.md'): readonly string[] {
  const texts = new Set(regions.map(({ text }) => text));
  return tsBlocks(markdown)
    .filter(({ text }) => !texts.has(text))
    .map(({ line, text }) => `${name}:${line}: ${text.split('\n', 1)[0] ?? ''}`);
}

describe('the check of README.md', () => {
  const example = [
    '// #region one',
    "import { openWal } from 'rxwal';",
    '// #endregion one',
    'function main() {',
    '  // #region one',
    '  if (x) {',
    '    go();',
    '  }',
    '  // #endregion one',
    '}',
  ].join('\n');
  const quoted = ["import { openWal } from 'rxwal';", '', 'if (x) {', '  go();', '}'].join('\n');

  it('joins the parts of a region and takes their indentation away', () => {
    expect(regionsOf('a.ts', example)).toEqual([{ name: 'one', file: 'a.ts', text: quoted }]);
  });

  it('finds a quoted block, also an indented one', () => {
    const indented = quoted.replace(/^(?=.)/gm, '   ');
    const markdown = ['```ts', quoted, '```', '- item', '   ```ts', indented, '   ```'].join('\n');
    expect(tsBlocks(markdown)).toHaveLength(2);
    expect(unquoted(markdown, regionsOf('a.ts', example))).toEqual([]);
  });

  it('names a block that was changed, and leaves other languages alone', () => {
    const markdown = [
      '# Title',
      '```sh',
      'npm start',
      '```',
      '',
      '```ts',
      quoted.replace('go()', 'stop()'),
      '```',
    ].join('\n');
    expect(unquoted(markdown, regionsOf('a.ts', example))).toEqual(["README.md:6: import { openWal } from 'rxwal';"]);
  });

  it('refuses a mark without its other half', () => {
    expect(() => regionsOf('a.ts', '// #region one\n')).toThrow('a.ts: #region one has no end');
    expect(() => regionsOf('a.ts', '// #endregion one\n')).toThrow('a.ts: #endregion one ends no region');
    expect(() => regionsOf('a.ts', '// #region one\n// #region two\n')).toThrow('#region two stands in #region one');
  });

  it('takes away shared indentation only', () => {
    expect(dedent('\n    a\n      b  \n\n    c\n')).toBe('a\n  b\n\nc');
  });
});
