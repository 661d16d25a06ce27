import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Observable,
  Subject,
  concat,
  ignoreElements,
  merge,
  of,
  take,
  takeUntil,
  tap,
  timer,
  type SchedulerLike,
} from 'rxjs';
import type { Asset } from './assets';
import { writeEvents } from './eventStream';
import { eventText } from './feed';
import { isOwnHost } from './hosts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0 for one that is free. */
  readonly port: number;
  readonly assets: ReadonlyMap<string, Asset>;
  /** The events of one client; subscribed for each. */
  readonly events: Observable<string>;
  readonly scheduler: SchedulerLike;
}

/** Streams at a time: a browser opens one a tab. */
const MAX_STREAMS = 64;
/** Connections at a time: each is a descriptor of the process that writes the log. */
const MAX_CONNECTIONS = 2 * MAX_STREAMS;
/** How long a connection may say nothing, in milliseconds. */
const SILENCE_MS = 5000;
/** Milliseconds in which clients may take their last event. */
const FAREWELL_MS = 500;
/** How soon a browser comes back, in milliseconds. */
const RECONNECT_MS = 1000;

/** Everything the page needs is its own; nothing is loaded from elsewhere, framed, or run from the text of a page. */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
};

/** The page's web server: a few files and one stream of events, to be had by GET. */
export class HttpServer {
  readonly #server: Server;
  readonly #closing$ = new Subject<void>();
  readonly #options: HttpServerOptions;
  #streams = 0;
  #port = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const limits = { headersTimeout: SILENCE_MS, requestTimeout: SILENCE_MS, connectionsCheckingInterval: SILENCE_MS };
    this.#server = createServer(limits, (request, response) => {
      this.#answer(request, response);
    });
    // Further ones are closed as they come.
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Emits the port. Fails with the system's error, as where the port is taken.
   *
   * `fromEvent` would not do: it throws away what `error` says, and `bindCallback` knows no errors.
   */
  listen(): Observable<number> {
    return new Observable((subscriber) => {
      const fail = (error: Error): void => {
        subscriber.error(error);
      };
      this.#server.once('error', fail);
      this.#server.listen({ host: this.#options.host, port: this.#options.port }, () => {
        this.#server.off('error', fail);
        // As where there are no descriptors left to accept with: the page may fail, and not the process that writes.
        this.#server.on('error', () => undefined);
        this.#port = (this.#server.address() as AddressInfo).port;
        subscriber.next(this.#port);
        subscriber.complete();
      });
    });
  }

  /** Tells every client that it ends, and ends when none is left. */
  close(): Observable<void> {
    // No stock operator takes a callback of Node's without a promise.
    const closed$ = new Observable<void>((subscriber) => {
      this.#server.close(() => {
        subscriber.next();
        subscriber.complete();
      });
      this.#closing$.next();
    });
    const late$ = timer(FAREWELL_MS, this.#options.scheduler).pipe(
      tap(() => {
        this.#server.closeAllConnections();
      }),
      ignoreElements(),
    );
    return merge(closed$, late$).pipe(take(1));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const { host } = this.#options;
    if (!isOwnHost(request.headers.host, { host, port: this.#port })) {
      refuse(response, 421, 'This server is not known by that name: use the address it has printed');
      return;
    }
    if (request.method !== 'GET') {
      response.setHeader('Allow', 'GET');
      refuse(response, 405, 'There is only GET here: nothing can be changed');
      return;
    }
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (path === '/events') {
      this.#stream(response);
      return;
    }
    const found = this.#options.assets.get(path);
    if (!found) {
      refuse(response, 404, 'There is nothing of that name');
      return;
    }
    response.writeHead(200, { 'Content-Type': found.type, 'Content-Length': found.bytes.length });
    response.end(found.bytes);
  }

  #stream(response: ServerResponse): void {
    if (this.#streams >= MAX_STREAMS) {
      refuse(response, 503, `There are ${MAX_STREAMS} pages open already`);
      return;
    }
    // It stands behind an answer that never ends, and nobody would say when its client has gone.
    if (!response.socket) {
      refuse(response, 503, 'There is a stream on this connection already');
      return;
    }
    this.#streams += 1;
    response.once('close', () => {
      this.#streams -= 1;
    });
    // Nothing comes behind it, so that nobody waits for the connection when it ends.
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', Connection: 'close' });
    const events$ = concat(
      of(`retry: ${RECONNECT_MS}\n\n`),
      this.#options.events.pipe(takeUntil(this.#closing$)),
      of(eventText('bye', {})),
    );
    writeEvents(events$, response);
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}
