import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A part of an example that a document may quote. */
export interface Region {
  readonly name: string;
  /** Path of the example, below `examples/`. */
  readonly file: string;
  /** Without the indentation that its lines share. Regions of one name in one file are parts of one text. */
  readonly text: string;
}

/** Every region of every example. */
export function readRegions(dir: string): readonly Region[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .flatMap((file) => regionsOf(file, readFileSync(join(dir, file), 'utf8')));
}

/** Fails for a mark without its other half. */
export function regionsOf(file: string, source: string): readonly Region[] {
  const parts = new Map<string, string[]>();
  let open: { readonly name: string; readonly lines: string[] } | undefined;
  for (const line of source.split('\n')) {
    const [, mark, name = ''] = /^\s*\/\/ #(region|endregion) (\S+)$/.exec(line) ?? [];
    if (mark === 'region') {
      if (open) throw new Error(`${file}: #region ${name} stands in #region ${open.name}`);
      open = { name, lines: [] };
    } else if (mark === 'endregion') {
      if (open?.name !== name) throw new Error(`${file}: #endregion ${name} ends no region`);
      parts.set(name, [...(parts.get(name) ?? []), dedent(open.lines.join('\n'))]);
      open = undefined;
    } else {
      open?.lines.push(line);
    }
  }
  if (open) throw new Error(`${file}: #region ${open.name} has no end`);
  return [...parts].map(([name, texts]) => ({ name, file, text: texts.join('\n\n') }));
}

/** The `ts` blocks of a Markdown text, and the line each begins on. */
export function tsBlocks(markdown: string): readonly { readonly line: number; readonly text: string }[] {
  return [...markdown.matchAll(/^( *)```(?:ts|typescript)\b.*\n([\s\S]*?)^\1```$/gm)].map((match) => ({
    line: markdown.slice(0, match.index).split('\n').length,
    text: dedent(match[2] ?? ''),
  }));
}

/** Takes away the indentation that all lines share, trailing blanks, and empty lines at both ends. */
export function dedent(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  const shared = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/\S/)));
  return lines
    .map((line) => line.slice(shared))
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
}
