/** Counts beside their budgets. */
import { BUDGETS, type Budget } from './budgets';
import type { Group, NotCounted } from './count';

/** A quotient may differ from a budget in its last binary digits. */
const ROUNDING = 1e-9;

export interface Report {
  readonly lines: readonly string[];
  /** A line for each budget that is exceeded. */
  readonly exceeded: readonly string[];
  /** A line for each count that could not be taken. */
  readonly missing: readonly string[];
}

export type Results = Readonly<Record<Group, Readonly<Record<string, number | NotCounted>> | NotCounted>>;

export function report(results: Results): Report {
  const rows: (readonly [name: string, counted: string, most: string, why: string])[] = [
    ['', 'counted', 'at most', ''],
  ];
  const exceeded: string[] = [];
  const missing: string[] = [];
  for (const [group, budgets] of Object.entries(BUDGETS) as [Group, Readonly<Record<string, Budget>>][]) {
    const counts = results[group];
    for (const [name, { most, why }] of Object.entries(budgets)) {
      const count = isNotCounted(counts) ? counts : (counts[name] ?? { notCounted: 'nobody counts it' });
      if (typeof count !== 'number') {
        missing.push(`not counted: ${name}: ${count.notCounted}`);
        rows.push([name, '–', shown(most), why]);
        continue;
      }
      rows.push([name, shown(count), shown(most), why]);
      // What is no number is no count.
      if (!(count <= most + ROUNDING)) exceeded.push(`${name}: ${shown(count)}, at most ${shown(most)} (${why})`);
    }
  }
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [name = 0, counted = 0, most = 0] = widths;
  const lines = rows.map((row) =>
    `${row[0].padEnd(name)}  ${row[1].padStart(counted)}  ${row[2].padStart(most)}  ${row[3]}`.trimEnd(),
  );
  return { lines, exceeded, missing };
}

function isNotCounted(counts: object): counts is NotCounted {
  return 'notCounted' in counts;
}

function shown(count: number): string {
  return String(Number(count >= 100 ? count.toFixed(1) : count.toPrecision(4)));
}
