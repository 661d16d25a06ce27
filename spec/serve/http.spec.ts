import { mkdtempSync, rmSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, throwError } from 'rxjs';
import { cborCodec, openWal, type Wal } from 'rxwal';
import { fault, memoryWal } from 'rxwal/testing';
import { serveWal, type ServeWalOptions, type WalPage } from 'rxwal/serve';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Asks as a client does that may say anything. */
function ask(
  url: string,
  { path = '/', method = 'GET', host }: { path?: string; method?: string; host?: string } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request(
      { agent: false, hostname, port, path, method, headers: host === undefined ? {} : { host } },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      },
    );
    asked.on('error', reject).end();
  });
}

/** Reads a stream of events until it has so many, or to its end. */
async function events(url: string, count = Infinity): Promise<{ event: string; data: Record<string, unknown> }[]> {
  const response = await fetch(new URL('/events', url));
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const found: { event: string; data: Record<string, unknown> }[] = [];
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop()!;
    for (const block of blocks) {
      if (block === 'retry: 1000') continue;
      const [, event, data] = /^event: (\w+)\ndata: (.+)$/.exec(block)!;
      found.push({ event: event!, data: JSON.parse(data!) as Record<string, unknown> });
      if (found.length === count) return found;
    }
  }
  expect(text).toBe('');
  return found;
}

/** Until so many of them have come about. */
function firstOf(all: readonly Promise<void>[], count: number): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const come = (): void => {
      left -= 1;
      if (left === 0) resolve();
    };
    for (const each of all) void each.then(come);
  });
}

describe('serveWal', () => {
  let root: string;
  let wal: Wal<unknown>;
  const pages: WalPage[] = [];

  async function served(source: Wal<unknown> | string = wal, options: ServeWalOptions = {}): Promise<WalPage> {
    const page = await serveWal(source, { intervalMs: 20, ...options });
    pages.push(page);
    return page;
  }

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'rxwal-http-'));
    wal = await openWal<unknown>(join(root, 'log'));
    await wal.append({ is: 'there' });
  });

  afterEach(async () => {
    await Promise.all(pages.splice(0).map((page) => page.close()));
  });

  afterAll(async () => {
    await wal.close();
    rmSync(root, { recursive: true, force: true });
  });

  describe('whoever connects', () => {
    it('cannot use up the descriptors of the process that writes', async () => {
      const { wal: own } = memoryWal<string>();
      const { port } = new URL((await served(own)).url);
      const sockets = Array.from({ length: 300 }, () => connect(Number(port), '127.0.0.1'));
      const closed = sockets.map(
        (socket) => new Promise<void>((resolve) => socket.on('error', () => undefined).on('close', () => resolve())),
      );
      // More than 128 of them are closed as they come.
      await firstOf(closed, 300 - 128);
      await expect(own.append('still written')).resolves.toMatchObject({ durable: true });
      for (const socket of sockets) socket.destroy();
    });

    it('has one stream on a connection: those behind it are refused, and leave nothing behind', async () => {
      const page = await served();
      const { port } = new URL(page.url);
      for (let round = 0; round < 3; round += 1) {
        const socket = connect(Number(port), '127.0.0.1');
        socket.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`.repeat(40));
        await once(socket, 'data');
        socket.destroy();
        await once(socket, 'close');
      }
      // 64 streams may be open: all of them are free again.
      const streams = await Promise.all(Array.from({ length: 60 }, () => events(page.url, 1)));
      expect(streams.map((found) => found.length)).toEqual(Array(60).fill(1));
    });
  });

  describe('files', () => {
    it.each([
      ['/', 'text/html; charset=utf-8', /^<!doctype html>/],
      ['/?a=b', 'text/html; charset=utf-8', /^<!doctype html>/],
      ['/page.css', 'text/css; charset=utf-8', /:root/],
      ['/page.js', 'text/javascript; charset=utf-8', /EventSource/],
      ['/uPlot.css', 'text/css; charset=utf-8', /uplot/],
      ['/uPlot.js', 'text/javascript; charset=utf-8', /uPlot/],
      ['/icon.svg', 'image/svg+xml', /^<svg/],
    ])('%s', async (path, type, content) => {
      const { status, headers, body } = await ask((await served()).url, { path });
      expect([status, headers['content-type']]).toEqual([200, type]);
      expect(body).toMatch(content);
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    });

    it.each([
      '/nothing',
      '/../../../../etc/passwd',
      '/..%2f..%2f..%2fetc/passwd',
      '/page/../../package.json',
      '//etc/passwd',
      '/index.html%00',
      '/__proto__',
      '/constructor',
      'http://evil.example/',
      '*',
    ])('there is no %s', async (path) => {
      const { status, body } = await ask((await served()).url, { path });
      expect([status, body]).toEqual([404, 'There is nothing of that name\n']);
    });

    it('the page has neither script nor style of its own text, and loads nothing from elsewhere', async () => {
      const { body } = await ask((await served()).url);
      expect(body).not.toMatch(/<script(?![^>]*\bsrc="\/)|<style|\bstyle=|\bon\w+=|https?:|(src|href)="\/\//);
    });
  });

  it.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'])('refuses %s', async (method) => {
    const { status, headers } = await ask((await served()).url, { method });
    expect([status, headers.allow]).toEqual([405, 'GET']);
  });

  it('refuses another host, for files and for events', async () => {
    const { url } = await served();
    const { port } = new URL(url);
    for (const path of ['/', '/events', '/nothing']) {
      for (const host of [`evil.example:${port}`, 'evil.example', '127.0.0.1:1']) {
        const { status, body } = await ask(url, { path, host });
        expect([status, body]).toEqual([
          421,
          'This server is not known by that name: use the address it has printed\n',
        ]);
      }
    }
  });

  it('answers to every name of loopback', async () => {
    const { url } = await served();
    const hosts = ['localhost', '127.0.0.1', '[::1]'].map((name) => `${name}:${new URL(url).port}`);
    const answers = await Promise.all(hosts.map((host) => ask(url, { host })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('tells a client what has been, and then what is', async () => {
    const { url } = await served(wal, { historyMs: 60 });
    await events(url, 5);
    const [hello, ...reports] = await events(url, 4);
    expect(hello).toMatchObject({ event: 'hello', data: { intervalMs: 20, points: 3 } });
    const { history, report } = hello!.data as { history: { atMs: number }[]; report: { atMs: number } };
    expect(history).toHaveLength(3);
    expect(report.atMs).toBe(history[2]!.atMs);
    expect(reports.map(({ event }) => event)).toEqual(['report', 'report', 'report']);
    expect(reports.at(-1)!.data).toMatchObject({
      source: 'process',
      dir: wal.dir,
      state: { word: 'open' },
      durableLsn: wal.durableLsn,
    });
  });

  it('shows entries, of which no value leaves the process where none is asked for', async () => {
    const shown = async (page: WalPage): Promise<unknown> => (await events(page.url, 4)).at(-1)!.data['entries'];
    expect(await shown(await served())).toEqual([{ lsn: 1, text: '{"is":"there"}' }]);
    expect(await shown(await served(wal, { entries: 0 }))).toEqual([]);
  });

  it('ends every stream with a farewell when it closes, and leaves the log as it is', async () => {
    const page = await served();
    const streams = [events(page.url), events(page.url)];
    await events(page.url, 2);
    await Promise.all([page.close(), page.close()]);
    for (const heard of await Promise.all(streams)) {
      expect(heard[0]!.event).toBe('hello');
      expect(heard.at(-1)).toEqual({ event: 'bye', data: {} });
    }
    await expect(ask(page.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect((await wal.append({ is: 'open' })).durable).toBe(true);
  });

  it('closes though a client does not read', async () => {
    const page = await served(wal, { intervalMs: 1 });
    const { port } = new URL(page.url);
    const silent = connect(Number(port), '127.0.0.1');
    await once(silent, 'connect');
    silent.write(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    silent.pause();
    const gone = once(silent, 'close');
    await events(page.url, 3);
    await page.close();
    silent.resume();
    expect(await gone).toEqual([false]);
  });

  it('keeps sixty-four streams, and says so to one more', async () => {
    const page = await served(wal, { intervalMs: 1000 });
    const opened = await Promise.all(Array.from({ length: 64 }, () => fetch(new URL('/events', page.url))));
    const { status, body } = await ask(page.url, { path: '/events' });
    expect([status, body]).toEqual([503, 'There are 64 pages open already\n']);
    await opened[0]!.body!.cancel();
    let again = 503;
    while (again === 503) {
      const response = await fetch(new URL('/events', page.url));
      again = response.status;
      await response.body!.cancel();
    }
    expect(again).toBe(200);
    await Promise.all(opened.slice(1).map((response) => response.body!.cancel()));
  });

  it('closes with its signal', async () => {
    const controller = new AbortController();
    const page = await served(wal, { signal: controller.signal });
    const heard = events(page.url);
    await events(page.url, 1);
    controller.abort();
    expect((await heard).at(-1)!.event).toBe('bye');
    await page.close();
    await expect(serveWal(wal, { signal: controller.signal })).rejects.toThrow('aborted');
  });

  it('can be disposed of', async () => {
    const during = async (): Promise<string> => {
      await using page = await serveWal(wal);
      expect((await ask(page.url)).status).toBe(200);
      return page.url;
    };
    await expect(ask(await during())).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('shows a log in memory, whose files it cannot see', async () => {
    const { wal: inMemory } = memoryWal<unknown>();
    await inMemory.append('one');
    const { data } = (await events((await served(inMemory)).url, 5)).at(-1)!;
    expect(data).toMatchObject({ dir: 'memory', durableLsn: 1, files: { segments: [], olderSegments: 1 } });
    await inMemory.close();
  });

  it('tells that the log has stopped, and leaves it to the application to hear of it', async () => {
    const { wal: inMemory } = memoryWal<unknown>({
      plan: ({ kind }) => (kind === 'sync' ? throwError(() => fault('EIO')) : undefined),
    });
    const page = await served(inMemory);
    await expect(firstValueFrom(inMemory.append('one'))).rejects.toThrow(/stopped|poison/i);
    const heard = await events(page.url, 1);
    expect(heard[0]!.data).toMatchObject({ report: { state: { word: 'poisoned' } } });
    await expect(inMemory.close()).rejects.toThrow();
  });

  it('says that others can see it where it does not listen at loopback', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation();
    try {
      const { url } = await served(wal, { host: '0.0.0.0' });
      const { port } = new URL(url);
      expect(warned.mock.calls).toEqual([
        [
          `the page at ${url} can be seen by others: 0.0.0.0 is not loopback, and there is no password`,
          { type: 'RxwalWarning', code: 'RXWAL_SERVE' },
        ],
      ]);
      expect((await ask(`http://127.0.0.1:${port}/`)).status).toBe(200);
      expect((await ask(`http://127.0.0.1:${port}/`, { host: `evil.example:${port}` })).status).toBe(421);
    } finally {
      warned.mockRestore();
    }
  });

  it('fails where the port is taken', async () => {
    const { url } = await served();
    await expect(serveWal(wal, { port: Number(new URL(url).port) })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it.each<[string, unknown, object, Error]>([
    ['a source that is none', 7, {}, new TypeError('source must be a log or a directory, not number')],
    ['no source', null, {}, new TypeError('source must be a log or a directory, not null')],
    ['an empty path', '', {}, new TypeError("source must be a log or a directory, not ''")],
    ['port', 'x', { port: 65_536 }, new RangeError('port must be an integer from 0 to 65535, not 65536')],
    ['port as text', 'x', { port: '80' }, new TypeError("port must be a number, not '80'")],
    ['host', 'x', { host: '' }, new RangeError("host must be an address or a name, not ''")],
    ['intervalMs', 'x', { intervalMs: 0 }, new RangeError('intervalMs must be an integer from 1 to 2147483647, not 0')],
    ['historyMs', 'x', { historyMs: 10 }, new RangeError('historyMs must be an integer from 1000 to 10000000, not 10')],
    ['entries', 'x', { entries: 201 }, new RangeError('entries must be an integer from 0 to 200, not 201')],
    ['codec', 'x', { codec: {} }, new TypeError('codec must be an object with encode and decode, not object')],
    [
      'an unknown one',
      'x',
      { open: true },
      new TypeError(
        'open is no option; there are port, host, signal, intervalMs, historyMs, entries, codec, maxRecordBytes, scheduler',
      ),
    ],
  ])('refuses a bad option: %s', async (_what, source, options, error) => {
    await expect(serveWal(source as string, options)).rejects.toThrow(error);
  });

  it('refuses the options of a directory where the source is a log', async () => {
    await expect(serveWal(wal, { codec: cborCodec() })).rejects.toThrow(
      new TypeError('codec is for a directory: a log of this process has its own'),
    );
  });
});
