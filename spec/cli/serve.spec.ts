import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { buildLog } from '../support/logs';
import { Scratch, fingerprint, jsonLines, rxwal, startRxwal } from './program';

describe('rxwal serve', () => {
  const scratch = new Scratch();
  let dir: string;

  beforeAll(async () => {
    dir = scratch.dirOf(await buildLog('closed'));
  });

  afterAll(() => scratch.remove());

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'prints where the page is, shows the log, changes nothing, and ends with %s',
    async (signal) => {
      const before = fingerprint(dir);
      const serving = startRxwal('serve', dir, '--codec', 'raw', '--interval', '20');
      const [url] = await serving.next();
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
      expect((await fetch(url!)).status).toBe(200);
      const events = await fetch(new URL('/events', url));
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of events.body!) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        if (text.includes('"lsn":8')) break;
      }
      expect(text).toContain('Closed: it ends with a mark for LSN 8');
      serving.signal(signal);
      expect(await serving.ended).toEqual({ code: 0, signal: null, stdout: `${url}\n`, stderr: '' });
      expect(fingerprint(dir)).toEqual(before);
    },
  );

  it('says the address as JSON, and out loud that others can see it', async () => {
    const serving = startRxwal('serve', dir, '--json', '--host', '0.0.0.0');
    const [line] = await serving.next();
    const [{ url }] = jsonLines<{ url: string }>(line!) as [{ url: string }];
    serving.signal('SIGTERM');
    const { code, stderr } = await serving.ended;
    expect([code, stderr]).toEqual([
      0,
      `rxwal: the page at ${url} can be seen by others: 0.0.0.0 is not loopback, and there is no password\n`,
    ]);
  });

  it('fails in one line where it cannot be', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const missing = join(mkdtempSync(join(tmpdir(), 'rxwal-serve-')), 'missing');
    const [inUse, absent, host, entries] = await Promise.all([
      rxwal(['serve', dir, '--port', String(port)]),
      rxwal(['serve', missing]),
      rxwal(['serve', dir, '--host', 'no host']),
      rxwal(['serve', dir, '--entries', '201']),
    ]);
    taken.close();
    rmSync(join(missing, '..'), { recursive: true });
    expect([inUse.code, inUse.stderr]).toEqual([
      4,
      `rxwal: EADDRINUSE: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`,
    ]);
    expect([absent.code, absent.stderr.split(':').slice(0, 2)]).toEqual([4, ['rxwal', ' WAL_IO']]);
    expect([host.code, host.stderr]).toEqual([3, "rxwal: USAGE: host must be an address or a name, not 'no host'\n"]);
    expect([entries.code, entries.stderr]).toEqual([
      3,
      'rxwal: USAGE: entries must be an integer from 0 to 200, not 201\n',
    ]);
  });
});
