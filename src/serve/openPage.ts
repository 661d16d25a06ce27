import { concatMap, defer, map, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
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
  | { readonly wal: Wal<unknown>; readonly onStopped: (error: unknown) => void }
  | { readonly store: SegmentStore; readonly codec: Codec<unknown>; readonly maxRecordBytes?: number | undefined };

export interface PageOptions {
  readonly host: string;
  readonly port: number;
  readonly intervalMs: number;
  readonly historyMs: number;
  readonly entries: number;
  readonly scheduler: SchedulerLike;
}

export interface OpenPage {
  readonly url: string;
  /** Cold; ends every stream, and emits when the port is free. */
  readonly close: Observable<void>;
}

/** Opens the page; emits once it can be looked at. Cold. Fails with `WalIoError` and the system's error, as where the port is taken. */
export function openPage(source: PageSource, options: PageOptions): Observable<OpenPage> {
  const { host, port, intervalMs, historyMs, scheduler } = options;
  return assets().pipe(
    concatMap((files) => {
      const feed = new Feed((watched$) => reportsOf(source, options, watched$), {
        intervalMs,
        points: Math.max(1, Math.ceil(historyMs / intervalMs)),
      });
      const server = new HttpServer({ host, port, assets: files, events: feed.client(), scheduler });
      return server.listen().pipe(
        map((bound) => {
          // A log of this process has its history from now on; another's is read while somebody looks.
          const kept = 'wal' in source ? keep(feed, source.onStopped) : undefined;
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
  { intervalMs, entries, scheduler }: PageOptions,
  watched$: Observable<boolean>,
): ReturnType<typeof directoryReports> {
  if ('store' in source) {
    const { store, codec, maxRecordBytes } = source;
    return directoryReports(store, { intervalMs, entries, codec, maxRecordBytes, scheduler });
  }
  const { wal, onStopped } = source;
  return processReports(wal, { intervalMs, entries, scheduler, watched$, store: nodeStore(wal.dir), onStopped });
}
