import {
  EMPTY,
  NEVER,
  concat,
  concatMap,
  defer,
  forkJoin,
  fromEvent,
  ignoreElements,
  merge,
  of,
  take,
  takeUntil,
  type Observable,
} from 'rxjs';
import { asIoError } from '../ioError';
import { checkHost, isLoopback, seenByOthers } from '../serve/hosts';
import { openPage, type OpenPage } from '../serve/openPage';
import { namedCodec } from './codecOption';
import { EXIT, type ExitCode } from './exitCodes';
import type { Session } from './session';

export interface ServeOptions {
  readonly host: string;
  readonly port: number;
  readonly interval: number;
  readonly entries: number;
  readonly codec: string;
}

/** Serves a page that shows the log, prints its address, and ends with a signal. */
export function serve(session: Session, dir: string, options: ServeOptions): Observable<ExitCode> {
  const store = session.readingStore(dir);
  const signalled$ = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM')).pipe(take(1));
  const page$ = defer(() =>
    forkJoin([namedCodec(options.codec), store.list().pipe(asIoError('Listing', store.dir))]),
  ).pipe(
    concatMap(([{ codec }]) => {
      const { host, port, interval, entries } = options;
      const source = { store, codec, maxRecordBytes: session.maxRecordBytes };
      return openPage(source, { host: checkHost(host), port, intervalMs: interval, entries });
    }),
  );
  const served = (page: OpenPage): Observable<ExitCode> => {
    const untilSignalled$ = NEVER.pipe(takeUntil(signalled$));
    // Who has read the address may send the signal at once.
    const announced$ = defer(() => {
      announce(session, options.host, page.url);
      return EMPTY;
    });
    return concat(merge(untilSignalled$, announced$), page.close.pipe(ignoreElements()), of(EXIT.fine));
  };
  return page$.pipe(concatMap(served));
}

function announce(session: Session, host: string, url: string): void {
  session.out.line(session.json ? JSON.stringify({ url }) : url);
  if (!isLoopback(host)) session.remark(seenByOthers(url, host));
}
