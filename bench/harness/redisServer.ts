import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

export interface RedisServer {
  readonly pid: number;
  readonly port: number;
  /** Ends it by its id, and waits until it has gone. */
  end(): Promise<void>;
}

/**
 * Starts redis-server on a free port of loopback, with the durability of `appendfsync always` and nothing else that would write: no
 * snapshots, and no rewrites of a file that only grows.
 *
 * @throws Error "redis-server is not installed" where there is none.
 */
export async function startRedisServer(dir: string): Promise<RedisServer> {
  const port = await freePort();
  const server = spawn(
    'redis-server',
    [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', dir],
      ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
      ...['--auto-aof-rewrite-percentage', '0', '--daemonize', 'no', '--logfile', ''],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()));
  // Where this process ends first, by an exception for instance, the server must not stay.
  const endNow = () => server.kill();
  process.once('exit', endNow);
  void ended.then(() => process.off('exit', endNow));
  const lines = createInterface(server.stdout);
  await Promise.race([
    new Promise<void>((resolve) =>
      lines.on('line', (line) => line.includes('Ready to accept connections') && resolve()),
    ),
    once(server, 'error').then(([error]) => {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw missing ? new Error('redis-server is not installed') : (error as Error);
    }),
    ended.then(() => {
      throw new Error('redis-server ended while it was starting');
    }),
  ]);
  return {
    pid: server.pid as number,
    port,
    async end() {
      server.kill();
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
