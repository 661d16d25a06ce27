import { AsyncSubject, fromEvent, lastValueFrom, of, take, type Observable, type SchedulerLike } from 'rxjs';
import { cborCodec } from '../codec/cborCodec';
import { checkCodec, checkMaxRecordBytes, checkNames } from '../options';
import { reportUnhandled } from '../outputs';
import { nodeStore } from '../store/nodeStore';
import type { Codec } from '../types';
import type { Wal } from '../wal';
import { checkHost, isLoopback, seenByOthers } from './hosts';
import { openPage, type OpenPage, type PageSource } from './openPage';

export interface ServeWalOptions {
  /**
   * The port, from 0 to 65535.
   *
   * @default 0: one that is free
   */
  readonly port?: number | undefined;
  /**
   * The address to listen at. One that is not loopback lets others on the network see the log; a warning of the process says so.
   *
   * @default '127.0.0.1'
   */
  readonly host?: string | undefined;
  /** Closes the page when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds from one report to the next, at least 1.
   *
   * @default 1000
   */
  readonly intervalMs?: number | undefined;
  /**
   * Milliseconds that the charts go back, at least `intervalMs`, and no more than 10,000 of them.
   *
   * @default 300_000 (5 minutes)
   */
  readonly historyMs?: number | undefined;
  /**
   * How many of the newest entries are shown, from 0 to 200. With 0 no value of the log leaves the process.
   *
   * @default 20
   */
  readonly entries?: number | undefined;
  /**
   * How values are decoded where the source is a directory. A log of this process has its own.
   *
   * @default cborCodec()
   */
  readonly codec?: Codec<unknown> | undefined;
  /**
   * Where the source is a directory: the largest payload accepted, in bytes.
   *
   * @default 16_777_216 (16 MiB)
   */
  readonly maxRecordBytes?: number | undefined;
  /**
   * Whose clock the page uses.
   *
   * @default asyncScheduler, with a monotonic `now`
   */
  readonly scheduler?: SchedulerLike | undefined;
}

/** A page that can be looked at. */
export interface WalPage extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/` */
  readonly url: string;
  /** Ends every stream, and is done when the port is free. May be called again. Leaves the log as it is. */
  close(): Promise<void>;
}

const OPTIONS: Readonly<Record<keyof ServeWalOptions, true>> = {
  port: true,
  host: true,
  signal: true,
  intervalMs: true,
  historyMs: true,
  entries: true,
  codec: true,
  maxRecordBytes: true,
  scheduler: true,
};

/**
 * Serves a page that shows a running log: acks and bytes a second, how long commits take, their sizes, the queue, segments and checkpoint, the newest
 * entries. It needs nothing from the network, and changes nothing: there is GET alone, and requests for another host's name are refused.
 *
 * The source is a log of this process, or the directory of one that another process writes. Of that the files tell what they can (records that are proven
 * to be durable, segments, checkpoint), read without a lock and only while somebody looks; what its writer alone knows is not shown.
 *
 * The page has no password: whoever can connect to the port sees what it shows, as every user of this machine can on loopback. `entries: 0` keeps the
 * values back. It keeps the process alive until it is closed; the end of the log does not close it.
 *
 * @returns rejects with the system's error where the port cannot be had, and `WalIoError` where the page's own files cannot be read.
 * @throws TypeError or RangeError for a bad option: it is what the promise rejects with.
 * @example
 * await using page = await serveWal(wal, { port: 8080 });
 * console.log(page.url);
 */
export async function serveWal<T>(source: Wal<T> | string, options: ServeWalOptions = {}): Promise<WalPage> {
  checkNames('options', options, Object.keys(OPTIONS));
  const { signal } = options;
  const host = checkHost(options.host ?? '127.0.0.1');
  const { port, intervalMs, historyMs, entries, scheduler } = options;
  const page$ = openPage(pageSource(source, options), { host, port, intervalMs, historyMs, entries, scheduler });
  signal?.throwIfAborted();
  const open = await lastValueFrom(page$);
  if (!isLoopback(host)) warn(seenByOthers(open.url, host));
  return pageOf(open, signal);
}

function pageOf(open: OpenPage, signal: AbortSignal | undefined): WalPage {
  const closed$ = new AsyncSubject<void>();
  let closing = false;
  const close = (): Promise<void> => {
    if (!closing) {
      closing = true;
      open.close.subscribe(closed$);
    }
    return lastValueFrom(closed$);
  };
  if (signal) {
    const aborted$: Observable<unknown> = signal.aborted ? of(undefined) : fromEvent(signal, 'abort');
    aborted$.pipe(take(1)).subscribe({ next: () => void close(), error: reportUnhandled });
  }
  return { url: open.url, close, [Symbol.asyncDispose]: close };
}

function pageSource<T>(source: Wal<T> | string, { codec, maxRecordBytes }: ServeWalOptions): PageSource {
  if (typeof source === 'string') {
    if (source === '') throw new TypeError("source must be a log or a directory, not ''");
    const limit = checkMaxRecordBytes(maxRecordBytes);
    return { store: nodeStore(source), codec: checkCodec(codec ?? cborCodec<unknown>()), maxRecordBytes: limit };
  }
  if (!isWal(source)) {
    throw new TypeError(`source must be a log or a directory, not ${kindOf(source)}`);
  }
  for (const [name, value] of Object.entries({ codec, maxRecordBytes })) {
    if (value !== undefined) throw new TypeError(`${name} is for a directory: a log of this process has its own`);
  }
  return {
    wal: source,
    onFailure: (error) => {
      warn(`The page about ${source.dir} stopped: ${error instanceof Error ? error.message : String(error)}`);
    },
  };
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value;
}

function isWal(source: unknown): source is Wal<unknown> {
  return typeof (source as Partial<Wal<unknown>> | null | undefined)?.append === 'function';
}

function warn(message: string): void {
  process.emitWarning(message, { type: 'RxwalWarning', code: 'RXWAL_SERVE' });
}
