/** redis-server as a process of its own, on loopback: a stream in an append-only file that is fsync'd before each answer. */
import type { Contender } from '../contender';
import { startRedisServer } from '../harness/redisServer';
import type { Order } from '../order';

const STREAM = 'orders';
/** Entries of one XRANGE. */
const PAGE = 1000;
/** Commands handed over before their answers are waited for: the client keeps each of them as an object. */
const BULK_RECORDS = 8192;

/** Its id, and its one field. */
type StreamEntry = readonly [id: string, fields: readonly [name: string, json: string]];

const contender: Contender = {
  name: 'redis',
  kind: 'peer',
  how: 'redis-server on loopback, appendonly yes, appendfsync always, save "", no rewrites; XADD of JSON, pipelined by the client',
  server: true,

  async open(dir) {
    const { createClient } = await import('redis');
    const server = await startRedisServer(dir);
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port, noDelay: true } });
    client.on('error', () => undefined);
    await client.connect();
    // The command as words: by the client's own xAdd and xRange, many at once take up to half as long again.
    const append = (order: Order) => client.sendCommand(['XADD', STREAM, '*', 'order', JSON.stringify(order)]);
    return {
      append,
      async bulk(orders) {
        for (let at = 0; at < orders.length; at += BULK_RECORDS) {
          await Promise.all(orders.slice(at, at + BULK_RECORDS).map(append));
        }
      },
      async replay(take) {
        let after = '-';
        for (;;) {
          const page = await client.sendCommand<StreamEntry[]>(['XRANGE', STREAM, after, '+', 'COUNT', String(PAGE)]);
          for (const [, [, json]] of page) take(JSON.parse(json) as Order);
          const last = page.at(-1);
          if (last === undefined || page.length < PAGE) return;
          after = `(${last[0]}`;
        }
      },
      serverPid: server.pid,
      async close() {
        await client.close();
        await server.end();
      },
    };
  },
};

export default contender;
