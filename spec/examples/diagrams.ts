/** A diagram of a page: a block ```` ```marbles name ```` of rows `row: marbles`. */
export interface Diagram {
  readonly name: string;
  /** How long operations take: rows such as `write takes: -|`. */
  readonly takes: Readonly<Record<string, string | readonly string[]>>;
  /** The other rows, in order. */
  readonly rows: readonly (readonly [row: string, marbles: string])[];
}

/** Every diagram of a Markdown text. Fails for a line that is no row. */
export function diagramsOf(markdown: string): readonly Diagram[] {
  return [...markdown.matchAll(/^```marbles (\S+)\n([^]*?)^```$/gm)].map(([, name = '', text = '']) => {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const rows = lines.map((line) => {
      const [, row, marbles] = /^([\w. ]+?): +(\S.*?)\s*$/.exec(line) ?? [];
      if (row === undefined || marbles === undefined) throw new Error(`${name}: no row: ${line}`);
      return [row, marbles] as const;
    });
    const takes = rows.filter(([row]) => row.endsWith(' takes'));
    return {
      name,
      takes: Object.fromEntries(takes.map(([row, marbles]) => [row.replace(/ takes$/, ''), timelines(marbles)])),
      rows: rows.filter((row) => !takes.includes(row)),
    };
  });
}

/** `--|` for every operation of the kind; `--|, --#` for the first and for all later ones. */
function timelines(marbles: string): string | readonly string[] {
  const each = marbles.split(/, */);
  return each.length === 1 ? marbles : each;
}
