import { catchError, concat, count, defer, finalize, from, map, tap, throwError, type Observable } from 'rxjs';
import { rawCodec } from '../codec/rawCodec';
import { readWal } from '../read';
import type { Gap } from '../salvage/gap';
import { repairWal, type Repair } from '../salvage/repair';
import { EXIT, type ExitCode } from './exitCodes';
import { UsageError } from './failure';
import { refuseNoLog } from './noLog';
import type { Paint } from './output';
import type { Session } from './session';
import { bytesText, plural, rangeText } from './words';

/** What was found, and, where a new log was asked for, what it holds. */
interface Outcome extends Pick<Repair, 'records'> {
  readonly gaps: readonly Gap[];
  /** The repaired log; absent where nothing was to be written. */
  readonly repair: Repair | undefined;
}

/**
 * Makes a new log of what can be proven of a damaged one, which is only read. Without a directory for it, says what it would do. Each gap is
 * told; the exit code says whether a record was lost in one.
 */
export function repair(session: Session, dir: string, target: string | undefined): Observable<ExitCode> {
  const { maxRecordBytes, out } = session;
  const progress = session.progress(target === undefined ? 'reading' : 'repairing');
  const gaps: Gap[] = [];
  const onGap = (gap: Gap): void => {
    gaps.push(gap);
  };
  const store = session.readingStore(dir);

  const looked = defer(() =>
    readWal(store, { codec: rawCodec(), recovery: 'salvage', maxRecordBytes, onGap }).pipe(
      count(),
      map((records): Outcome => ({ records, gaps, repair: undefined })),
    ),
  );
  const repaired = (into: string): Observable<Outcome> =>
    defer(() =>
      from(
        repairWal(store, into, {
          maxRecordBytes,
          onGap,
          onProgress: ({ bytes, totalBytes }) => {
            progress.expect(totalBytes);
            progress.reach(bytes);
          },
        }),
      ),
    ).pipe(
      // Of what it is given, only the target can be of a wrong kind: a directory inside the damaged log.
      catchError((error: unknown) =>
        throwError(() => (error instanceof TypeError ? new UsageError(error.message, { cause: error }) : error)),
      ),
      map((made) => ({ records: made.records, gaps, repair: made })),
    );

  return concat(refuseNoLog(store), target === undefined ? looked : repaired(target)).pipe(
    finalize(() => {
      progress.end();
    }),
    tap((outcome) => {
      progress.end();
      const lines = session.json
        ? [JSON.stringify({ dir, target, ...outcome })]
        : linesOf(outcome, target, session.paint);
      for (const line of lines) out.line(line);
    }),
    map(() => (gaps.some(hasLost) ? EXIT.damaged : EXIT.fine)),
  );
}

/** Whether records are missing there. In a torn tail nothing had been acknowledged. */
function hasLost({ torn, firstLsn, lastLsn }: Gap): boolean {
  return !torn && (lastLsn === undefined || lastLsn >= firstLsn);
}

function linesOf({ gaps, records, repair: made }: Outcome, target: string | undefined, paint: Paint): string[] {
  const saved =
    made && target !== undefined
      ? `${target}: ${plural(records, 'record')} (${rangeText(made.firstLsn, made.lastLsn)}) written`
      : `${plural(records, 'record')} can be saved; give a new directory to write them`;
  return [
    ...gaps.map((gap) => gapText(gap, paint)),
    ...(made?.renumbered ?? []).map(({ lsn, was }) => `from LSN ${lsn} on, records had the LSNs from ${was} on`),
    saved,
    ...(made && made.readersLeft.length > 0
      ? [`readers not carried over, to hold the new log where they still need it: ${names(made.readersLeft)}`]
      : []),
  ];
}

function names(readers: readonly string[]): string {
  return readers.map((name) => JSON.stringify(name)).join(', ');
}

function gapText(gap: Gap, paint: Paint): string {
  const { file, offset, bytes, firstLsn, lastLsn, reason, torn } = gap;
  const kind = torn ? paint('yellow', 'torn') : hasLost(gap) ? paint('red', 'lost') : paint('yellow', 'gap');
  const until = lastLsn === undefined ? `LSN ${firstLsn} and perhaps more` : rangeText(firstLsn, lastLsn);
  const what = hasLost(gap) && firstLsn > 0 ? `, ${until}` : '';
  return `${kind} ${file} at byte ${offset}, ${bytesText(bytes)}${what}: ${reason}`;
}
