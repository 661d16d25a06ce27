/** What is read, and written, when a log is opened. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { notCounted, type Counts } from './count';
import { none, type FileCalls } from './fileCalls';
import { KILLED, SEGMENTS, SIZES_FILE, isSegment, openSection, type LastSegment, type Sizes } from './openSections';
import { tracedJob } from './tracedJob';

const [FEW, MANY] = SEGMENTS;

export async function countOpens(work: string): Promise<Counts<'opens'>> {
  const sections = await tracedJob('openJob', work);
  if (typeof sections === 'string') return notCounted(sections);
  const sizes = JSON.parse(readFileSync(join(work, 'openJob', SIZES_FILE), 'utf8')) as Sizes;
  const opened = (section: string): FileCalls & LastSegment => ({
    ...(sections.get(section) ?? none()),
    ...(sizes[section] ?? { bytesBefore: NaN, bytesAfter: NaN }),
  });
  const clean = SEGMENTS.map((segments) => ({ others: segments - 1, ...opened(openSection(segments)) }));
  const most = (count: (of: (typeof clean)[number]) => number): number => Math.max(...clean.map(count));
  const killed = opened(KILLED);
  return {
    'reads of a segment that is not the last': most((of) => readsOfOthers(of).calls / of.others),
    'bytes read of a segment that is not the last': most((of) => readsOfOthers(of).bytes / of.others),
    'bytes read of the last segment, beyond its size': most((of) => readsOfLast(of).bytes - of.bytesBefore),
    'reads of the last segment': most((of) => readsOfLast(of).calls),
    'calls for each segment more': (opened(openSection(MANY)).calls - opened(openSection(FEW)).calls) / (MANY - FEW),
    'fsyncs to open after a clean close': most(({ syncs }) => syncs),
    'bytes written to segments after a clean close': most(({ segmentBytes }) => segmentBytes),
    'after a kill: times the records are read, beyond the whole file once':
      (allReads(killed).bytes - killed.bytesBefore) / killed.bytesAfter,
    'after a kill: times the records are written': killed.segmentBytes / killed.bytesAfter,
    'after a kill: fsyncs': killed.syncs,
  };
}

type Reads = Pick<FileCalls, 'reads'>;
type Sum = { readonly calls: number; readonly bytes: number };

const readsOfOthers = (of: Reads): Sum => sum(segmentReads(of).slice(0, -1));
const readsOfLast = (of: Reads): Sum => sum(segmentReads(of).slice(-1));
const allReads = (of: Reads): Sum => sum(segmentReads(of));

/** Oldest segment first. */
function segmentReads({ reads }: Reads): Sum[] {
  const segments = [...reads].filter(([name]) => isSegment(name));
  return segments.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, of]) => of);
}

function sum(reads: readonly Sum[]): Sum {
  return reads.reduce((a, b) => ({ calls: a.calls + b.calls, bytes: a.bytes + b.bytes }), { calls: 0, bytes: 0 });
}
