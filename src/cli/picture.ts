import { HEADER_BYTES } from '../format/header';
import type { LogFacts, SegmentFacts } from './examineLog';
import type { Paint, Style } from './output';
import { bytesText, plural, rangeText } from './words';

/** What a cell of a bar stands for, how it is drawn, and in which colour. */
const CELLS = {
  below: { cell: '░', style: 'dim', means: 'below the checkpoint' },
  records: { cell: '█', style: 'cyan', means: 'records' },
  zeros: { cell: '·', style: 'dim', means: 'zeros ahead' },
  torn: { cell: '~', style: 'yellow', means: 'torn' },
  damaged: { cell: 'X', style: 'red', means: 'damaged' },
} as const satisfies Record<string, { cell: string; style: Style; means: string }>;

type Cell = keyof typeof CELLS;

const NARROWEST_BAR = 8;

/** The log as a picture: a line for each segment, as long as the segment is large beside the largest one, and a legend. */
export function pictureLines({ segments, checkpoint }: LogFacts, paint: Paint, width: number): string[] {
  const largest = Math.max(1, ...segments.map(({ bytes }) => bytes));
  const names = aligned(segments.map(({ file }) => file.replace(/\.log$/, '')));
  const ranges = aligned(segments.map(({ firstLsn, lastLsn }) => rangeText(firstLsn, lastLsn)));
  const notes = segments.map(({ records, bytes }) => `${plural(records, 'record')}, ${bytesText(bytes)}`);
  const taken = (names[0]?.length ?? 0) + (ranges[0]?.length ?? 0) + Math.max(...notes.map((note) => note.length));
  const bar = Math.max(NARROWEST_BAR, width - taken - 6);
  const seen = new Set<Cell>();
  const lines = segments.map((segment, index) => {
    const cells = cellsOf(segment, Math.max(1, Math.round((bar * segment.bytes) / largest)), checkpoint?.lsn ?? 0);
    for (const cell of cells) seen.add(cell);
    const drawn = runs(cells).map(([cell, count]) => paint(CELLS[cell].style, CELLS[cell].cell.repeat(count)));
    return `${names[index] ?? ''}  ${ranges[index] ?? ''}  ${drawn.join('')}${' '.repeat(bar - cells.length)}  ${notes[index] ?? ''}`;
  });
  const legend = [...seen].map((cell) => `${paint(CELLS[cell].style, CELLS[cell].cell)} ${CELLS[cell].means}`);
  return ['', ...lines, '', legend.join('   ')];
}

/** A cell for each part of the file. What is short is drawn as one cell all the same, so that no torn or damaged spot is lost. */
function cellsOf(segment: SegmentFacts, count: number, checkpointLsn: number): Cell[] {
  const { bytes, validBytes, zeroBytes, spot, firstLsn, lastLsn, records } = segment;
  const at = (offset: number): number => Math.round((count * offset) / Math.max(1, bytes));
  const cells = new Array<Cell>(count).fill('zeros');
  cells.fill('records', 0, zeroBytes > 0 ? Math.max(1, at(validBytes)) : count);
  if (records > 0 && checkpointLsn >= firstLsn) {
    const share = Math.min(1, (checkpointLsn - firstLsn + 1) / (lastLsn - firstLsn + 1));
    cells.fill('below', 0, share === 1 ? at(validBytes) : at(HEADER_BYTES + share * (validBytes - HEADER_BYTES)));
  }
  if (spot) {
    const from = Math.min(count - 1, at(spot.offset));
    cells.fill('zeros', from);
    cells.fill(spot.kind, from, Math.max(from + 1, at(spot.offset + spot.bytes)));
  }
  return cells;
}

/** Equal cells that stand side by side, counted. */
function runs(cells: readonly Cell[]): [Cell, number][] {
  const found: [Cell, number][] = [];
  for (const cell of cells) {
    const before = found.at(-1);
    if (before?.[0] === cell) before[1] += 1;
    else found.push([cell, 1]);
  }
  return found;
}

function aligned(texts: readonly string[]): string[] {
  const width = Math.max(...texts.map((text) => text.length));
  return texts.map((text) => text.padEnd(width));
}
