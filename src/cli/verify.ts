import { concat, finalize, map, type Observable } from 'rxjs';
import { examineLog, type LogFacts, type Spot } from './examineLog';
import { EXIT, type ExitCode } from './exitCodes';
import { WHAT_NOW } from './failure';
import { refuseNoLog } from './noLog';
import type { Paint } from './output';
import type { Session } from './session';
import { bytesText, plural, rangeText } from './words';

const EXIT_OF = { whole: EXIT.fine, torn: EXIT.torn, damaged: EXIT.damaged } as const;
const COLOUR = { whole: 'green', torn: 'yellow', damaged: 'red' } as const;

/** Reads every frame of every segment, and says whether all of it is what it should be. */
export function verify(session: Session, dir: string): Observable<ExitCode> {
  const progress = session.progress('verifying');
  const store = session.readingStore(dir);
  const facts$ = examineLog(store, { maxRecordBytes: session.maxRecordBytes, progress });
  return concat(refuseNoLog(store), facts$).pipe(
    finalize(() => {
      progress.end();
    }),
    map((facts) => {
      progress.end();
      const lines = session.json ? [JSON.stringify(verdictOf(facts))] : verdictLines(facts, session.paint);
      for (const line of lines) session.out.line(line);
      return EXIT_OF[facts.verdict];
    }),
  );
}

/** As JSON: the counts, every spot, and the first damage by itself. */
function verdictOf({ segments, kept: _kept, ...facts }: LogFacts): object {
  return { ...facts, segments: segments.length, firstDamage: facts.spots.find(({ kind }) => kind === 'damaged') };
}

function verdictLines(facts: LogFacts, paint: Paint): string[] {
  const { dir, verdict, segments, checkpoint, spots } = facts;
  const counts = [
    `${plural(facts.records, 'record')} (${rangeText(facts.firstLsn, facts.lastLsn)})`,
    plural(facts.marks, 'mark'),
    plural(facts.checkpoints, 'checkpoint'),
    `${plural(segments.length, 'segment')} of ${bytesText(facts.bytes)}`,
  ];
  return [
    `${dir}: ${paint(['bold', COLOUR[verdict]], verdict)}, ${stateText(facts.state)}`,
    `  ${counts.join(', ')}`,
    ...(checkpoint ? [`  ${checkpointText(checkpoint)}`] : []),
    ...spots.map((spot) => `  ${spotText(spot, paint)}`),
    ...(verdict === 'damaged' ? [`  ${WHAT_NOW}`] : []),
  ];
}

/** A log that does not end with its last mark is being written, or was left by a crash: the files alone do not tell which. */
export function stateText(state: LogFacts['state']): string {
  return state === 'open' ? 'not closed' : state;
}

/** `checkpoint at LSN 2 (epoch 5, transaction 77)` */
export function checkpointText({ lsn, epoch, transactionId }: NonNullable<LogFacts['checkpoint']>): string {
  const transaction = transactionId === undefined ? '' : `, transaction ${transactionId}`;
  return `checkpoint at LSN ${lsn} (epoch ${epoch}${transaction})`;
}

/** One line about a place that is not what it should be. */
export function spotText({ kind, file, offset, bytes, lsn, reason }: Spot, paint: Paint): string {
  const at = lsn > 0 ? ` (LSN ${lsn})` : '';
  return `${paint(COLOUR[kind], kind)} ${file} at byte ${offset}${at}, ${bytesText(bytes)}: ${reason}`;
}
