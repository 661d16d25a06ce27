/** Rows as lines of aligned columns: numbers to the right, everything else to the left. */
export function columnLines(rows: readonly (readonly string[])[]): string[] {
  const count = Math.max(...rows.map((row) => row.length));
  const column = (at: number): string[] => rows.map((row) => row[at] ?? '');
  const widths = Array.from({ length: count }, (_, at) => Math.max(...column(at).map((text) => text.length)));
  const numeric = widths.map((_, at) =>
    column(at)
      .slice(1)
      .every((text) => /^[\d,.-]+$/.test(text)),
  );
  return rows.map((row) =>
    row
      .map((text, at) => (numeric[at] ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
