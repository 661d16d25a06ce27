/** The comparison of one regime as a table for the terminal. */
import Table from 'cli-table3';
import { UNKNOWN, type Ack } from './acks';
import type { Comparison, Ratio, Row } from './comparison';
import { ratio, short, whole } from './numbers';

export function regimeTable(comparison: Comparison, acks: ReadonlyMap<string, Ack>): string {
  const { title, control, refused, rows } = comparison;
  const lines = ['', `## ${title}`, ''];
  if (control !== undefined) lines.push(`Control, one contender against itself: ${interval(control)}`);
  if (refused !== undefined) {
    lines.push(`NOT COMPARED: ${refused}. What follows is counts, which noise does not touch; times are in the JSON.`);
  }
  const present = rows.filter(({ rate }) => rate !== undefined);
  if (present.some(({ figures }) => Object.keys(figures).length > 0)) lines.push(figureTable(present));
  // Of a regime that only reads there is nothing to count.
  else if (present.length > 0 && (refused === undefined || writes(comparison)))
    lines.push(rateTable(comparison, present, acks));
  for (const { name, excuse } of rows) {
    // Who has no way to do this is not worth a line.
    if (excuse === undefined || excuse.kind === 'unable') continue;
    lines.push(`${name}: ${excuse.kind === 'absent' ? 'not here' : 'FAILED'} (${excuse.why})`);
  }
  return lines.join('\n');
}

function rateTable(comparison: Comparison, rows: readonly Row[], acks: ReadonlyMap<string, Ack>): string {
  const { producers, refused } = comparison;
  const references = [...new Set(rows.flatMap(({ against }) => Object.keys(against)))];
  const timed = refused === undefined;
  const withLatency = timed && rows.some(({ latencyUs }) => latencyUs !== undefined);
  const withWrites = writes(comparison);
  const table = new Table({
    head: [
      'contender',
      ...(timed
        ? [
            ...references.map((name) => `${comparison.ratioOf === 'p50' ? 'p50 ' : ''}× ${name}`),
            'records/s',
            'min',
            'max',
          ]
        : []),
      ...(withLatency ? ['p50 µs', 'p99', 'p999'] : []),
      ...(timed ? ['CPU µs/rec'] : []),
      ...(withWrites ? ['given B/rec', 'dirtied', ...(timed ? ['device'] : []), 'fsyncs/rec', 'ack'] : []),
    ],
    style: { head: [], border: [], compact: true },
  });
  // Not even their order is a comparison that a refused run could make.
  const ordered = timed ? rows.toSorted((a, b) => (b.rate?.median ?? 0) - (a.rate?.median ?? 0)) : rows;
  for (const row of ordered) {
    const ack = acks.get(row.name) ?? UNKNOWN;
    const { rate, latencyUs } = row;
    table.push([
      row.name,
      ...(timed
        ? [
            ...references.map((name) => interval(row.against[name])),
            whole(rate?.median),
            whole(rate?.min),
            whole(rate?.max),
          ]
        : []),
      ...(withLatency ? [short(latencyUs?.p50), short(latencyUs?.p99), short(latencyUs?.p999)] : []),
      ...(timed ? [short(row.cpuUsPerRecord)] : []),
      ...(withWrites
        ? [
            whole(row.givenBytesPerRecord),
            whole(row.dirtiedBytesPerRecord),
            ...(timed ? [whole(row.deviceBytesPerRecord)] : []),
            short(producers === undefined ? undefined : ack.fsyncsPerRecord[producers]),
            ack.ack,
          ]
        : []),
    ]);
  }
  return table.toString();
}

function writes({ regime }: Comparison): boolean {
  return !regime.startsWith('replay');
}

function figureTable(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const table = new Table({ head: ['contender', ...names], style: { head: [], border: [], compact: true } });
  for (const { name, figures } of rows) {
    table.push([
      name,
      ...names.map((figure) => {
        const { median, min, max } = figures[figure] ?? {};
        if (median === undefined) return '–';
        return min === max ? short(median) : `${short(median)} (${short(min)}..${short(max)})`;
      }),
    ]);
  }
  return table.toString();
}

function interval(estimate: Ratio | undefined): string {
  if (estimate === undefined) return '–';
  if (estimate.refused !== undefined) return estimate.refused;
  return `${ratio(estimate.median)} (${ratio(estimate.low)}..${ratio(estimate.high)})`;
}
