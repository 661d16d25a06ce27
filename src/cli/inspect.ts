import { finalize, map, type Observable } from 'rxjs';
import { columnLines } from './columns';
import { examineLog, type LogFacts, type SegmentFacts } from './examineLog';
import { EXIT, type ExitCode } from './exitCodes';
import { keptRows } from './keptRows';
import { pictureLines } from './picture';
import type { Session } from './session';
import { checkpointText, spotText, stateText } from './verify';
import { plural, rangeText } from './words';

/** Shows what a log consists of: on a terminal as a picture, elsewhere as columns. Says nothing with its exit code but that it could look. */
export function inspect(session: Session, dir: string): Observable<ExitCode> {
  const progress = session.progress('reading');
  return examineLog(session.readingStore(dir), { maxRecordBytes: session.maxRecordBytes, progress }).pipe(
    finalize(() => {
      progress.end();
    }),
    map((facts) => {
      progress.end();
      for (const line of linesOf(session, facts)) session.out.line(line);
      return EXIT.fine;
    }),
  );
}

function linesOf({ json, out, paint }: Session, facts: LogFacts): string[] {
  if (json) return [JSON.stringify(facts)];
  const { dir, state, logId, checkpoint, segments, spots, leftovers } = facts;
  const records = `${plural(facts.records, 'record')} (${rangeText(facts.firstLsn, facts.lastLsn)})`;
  return [
    `${paint('bold', dir)}  ${[logId ? `log ${logId}` : 'no log id', stateText(state), records].join(', ')}`,
    checkpoint ? checkpointText(checkpoint) : 'no checkpoint',
    ...(facts.kept.readers.length > 0 ? columnLines(keptRows(facts.kept)) : []),
    ...(segments.length === 0 ? [] : out.isTerminal ? pictureLines(facts, paint, out.columns) : columns(facts)),
    ...spots.map((spot) => spotText(spot, paint)),
    ...(leftovers.length > 0 ? [`left by a crash, to be removed: ${leftovers.join(', ')}`] : []),
  ];
}

function columns({ segments, checkpoint }: LogFacts): string[] {
  const row = (facts: SegmentFacts): string[] => {
    const { file, firstLsn, lastLsn, records, marks, bytes, zeroBytes, spot } = facts;
    const below = checkpoint && records > 0 && lastLsn <= checkpoint.lsn ? 'below checkpoint' : 'ok';
    const lsns = records > 0 ? [String(firstLsn), String(lastLsn)] : ['-', '-'];
    return [file, ...lsns, ...[records, marks, bytes, zeroBytes].map(String), spot?.kind ?? below];
  };
  return columnLines([
    ['SEGMENT', 'FIRST', 'LAST', 'RECORDS', 'MARKS', 'BYTES', 'ZEROS', 'STATE'],
    ...segments.map(row),
  ]);
}
