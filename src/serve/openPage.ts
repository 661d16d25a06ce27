import { concatMap, defer, map, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { monotonicScheduler } from '../clock';
import { integer } from '../options';
import { nodeStore } from '../store/nodeStore';
import type { SegmentStore } from '../store/segmentStore';
import type { Codec } from '../types';
import type { Wal } from '../wal';
import { assets } from './assets';
import { directoryReports } from './directoryReports';
import { Feed } from './feed';
import { inUrl } from './hosts';
import { HttpServer } from './httpServer';
import { processReports } from './processReports';

/** What a page is about: a log of this process, or the files of another's. */
export type PageSource =
  | { readonly wal: Wal<unknown>; readonly onFailure: (error: unknown) => void }
  | { readonly store: SegmentStore; readonly codec: Codec<unknown>; readonly maxRecordBytes?: number | undefined };

/** Defaults and ranges are those of `ServeWalOptions`, where there are none. */
export interface PageOptions {
  readonly host: string;
  readonly port?: number | undefined;
  readonly intervalMs?: number | undefined;
  readonly historyMs?: number | undefined;
  readonly entries?: number | undefined;
  readonly scheduler?: SchedulerLike | undefined;
}

const DEFAULT_INTERVAL_MS = 1000;
const DEFAULT_HISTORY_MS = 300_000;
const DEFAULT_ENTRIES = 20;
const MAX_ENTRIES = 200;
const MAX_POINTS = 10_000;
/** What a timer can wait: longer delays fire at once in Node. */
const MAX_INTERVAL_MS = 0x7fff_ffff;

/** @throws TypeError or RangeError for a bad option, which it names. */
function checked({ host, scheduler = monotonicScheduler, ...options }: PageOptions) {
  const intervalMs = integer('intervalMs', options.intervalMs ?? DEFAULT_INTERVAL_MS, 1, MAX_INTERVAL_MS);
  const historyMs = options.historyMs ?? Math.min(Math.max(DEFAULT_HISTORY_MS, intervalMs), intervalMs * MAX_POINTS);
  return {
    host,
    port: integer('port', options.port ?? 0, 0, 65_535),
    intervalMs,
    historyMs: integer('historyMs', historyMs, intervalMs, intervalMs * MAX_POINTS),
    entries: integer('entries', options.entries ?? DEFAULT_ENTRIES, 0, MAX_ENTRIES),
    scheduler,
  };
}

export interface OpenPage {
  readonly url: string;
  /** Cold; ends every stream, and emits when the port is free. */
  readonly close: Observable<void>;
}

/** Opens the page; emits once it can be looked at. Cold, but for the check of its options. Fails with `WalIoError` and the system's error, as where the port is taken. */
export function openPage(source: PageSource, options: PageOptions): Observable<OpenPage> {
  const settings = checked(options);
  const { host, port, intervalMs, historyMs, scheduler } = settings;
  return assets().pipe(
    concatMap((files) => {
      const feed = new Feed((watched$) => reportsOf(source, settings, watched$), {
        intervalMs,
        points: Math.max(1, Math.ceil(historyMs / intervalMs)),
      });
      const server = new HttpServer({ host, port, assets: files, events: feed.client(), scheduler });
      return server.listen().pipe(
        map((bound) => {
          // A log of this process has its history from now on; another's is read while somebody looks.
          const kept = 'wal' in source ? keep(feed, source.onFailure) : undefined;
          return {
            url: `http://${inUrl(host)}:${bound}/`,
            close: defer(() => {
              kept?.unsubscribe();
              return server.close();
            }),
          };
        }),
      );
    }),
  );
}

function keep(feed: Feed, onError: (error: unknown) => void): Subscription {
  return feed.keep().subscribe({ error: onError });
}

function reportsOf(
  source: PageSource,
  { intervalMs, entries, scheduler }: ReturnType<typeof checked>,
  watched$: Observable<boolean>,
): ReturnType<typeof directoryReports> {
  if ('store' in source) {
    const { store, codec, maxRecordBytes } = source;
    return directoryReports(store, { intervalMs, entries, codec, maxRecordBytes, scheduler });
  }
  const { wal } = source;
  return processReports(wal, { intervalMs, entries, scheduler, watched$, store: nodeStore(wal.dir) });
}
