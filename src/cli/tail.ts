import {
  concat,
  concatMap,
  defer,
  fromEvent,
  ignoreElements,
  map,
  merge,
  of,
  take,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import { surveyBesideWriter } from '../besideWriter';
import { follow, provenLsn } from '../follow';
import { namedCodec } from './codecOption';
import { EXIT, type ExitCode } from './exitCodes';
import { decode, recordLine } from './recordLine';
import type { Session } from './session';
import { plural } from './words';

export interface TailOptions {
  readonly codec: string;
  readonly lines: number;
  readonly follow?: boolean;
  readonly after?: number;
  readonly interval: number;
  readonly values?: boolean;
}

/** Prints the last records that are proven to be durable, and with `follow` every later one, as soon as it is. */
export function tail(session: Session, dir: string, options: TailOptions): Observable<ExitCode> {
  const { out, maxRecordBytes } = session;
  const store = session.readingStore(dir);
  let undecodable = 0;

  const records = (after: number | undefined): Observable<unknown> =>
    defer(() => namedCodec(options.codec)).pipe(
      concatMap((codec) =>
        follow(store, {
          after,
          maxRecordBytes,
          intervalMs: options.interval,
          live: options.follow === true,
        }).pipe(
          tap((frame) => {
            const record = decode(codec, frame);
            if (!('value' in record)) undecodable += 1;
            out.line(recordLine(codec, record, options.values));
          }),
        ),
      ),
    );
  const from$ = options.after === undefined ? lastOf(session, dir, options.lines) : of(options.after);
  const signalled$ = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM')).pipe(take(1));
  const ending = defer(() => {
    if (undecodable === 0) return of(EXIT.fine);
    session.remark(`${plural(undecodable, 'payload')} did not decode with the codec ${options.codec}`);
    return of(EXIT.damaged);
  });
  const shown = from$.pipe(concatMap(records), ignoreElements(), takeUntil(signalled$));
  return concat(shown, ending);
}

/** The LSN behind which the last `count` proven records stand. */
function lastOf(session: Session, dir: string, count: number): Observable<number | undefined> {
  const store = session.readingStore(dir);
  return surveyBesideWriter(store).pipe(
    concatMap(({ segments }) => {
      const [oldest] = segments;
      if (!oldest) return of(undefined);
      return provenLsn(store, session.maxRecordBytes).pipe(map((lsn) => Math.max(oldest.firstLsn - 1, lsn - count)));
    }),
  );
}
