import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { dedent, readRegions, regionsOf, tsBlocks, type Region } from './regions';

const root = join(__dirname, '../..');
const readme = join(root, 'README.md');

describe('README.md', () => {
  it('is there and shows code', () => {
    expect(existsSync(readme) ? 'there' : 'README.md is missing').toBe('there');
    expect(tsBlocks(readFileSync(readme, 'utf8')).length).toBeGreaterThan(0);
  });

  it.each(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'spec/README.md', 'src/format/README.md'])(
    '%s leads to nothing that is not there',
    (name) => {
      const links = [...readFileSync(join(root, name), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
        ([, to]) => to!,
      );
      expect(links.filter((to) => !existsSync(join(root, dirname(name), to)))).toEqual([]);
    },
  );

  it('quotes every ts block from a region of an example, word for word', () => {
    const regions = readRegions(join(root, 'examples'));
    expect(unquoted(readFileSync(readme, 'utf8'), regions)).toEqual([]);
  });
});

/** Blocks that no region holds: where they stand, and how they begin. */
function unquoted(markdown: string, regions: readonly Region[]): readonly string[] {
  const texts = new Set(regions.map(({ text }) => text));
  return tsBlocks(markdown)
    .filter(({ text }) => !texts.has(text))
    .map(({ line, text }) => `README.md:${line}: ${text.split('\n', 1)[0] ?? ''}`);
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
