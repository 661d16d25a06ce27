import { mkdtempSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { readWal } from 'rxwal';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';
import { secondProcess } from './support/secondProcess';
// #region httpEndpoint
import Fastify, { type FastifyInstance } from 'fastify';
import { WalError, openWal, type Ack, type Wal } from 'rxwal';

interface Order {
  /** Made by the client, so that it can send an order again that it got no answer for. */
  readonly id: string;
  readonly cents: number;
}

const body = {
  type: 'object',
  required: ['id', 'cents'],
  additionalProperties: false,
  properties: { id: { type: 'string', minLength: 1, maxLength: 64 }, cents: { type: 'integer', minimum: 0 } },
};

/** `POST /orders` answers 201 once the order survives a power cut, and anything else where that is not certain. */
async function ordersServer(wal: Wal<Order>): Promise<FastifyInstance> {
  // Every order that is in the log or on its way there, and its ack.
  const orders = new Map<string, PromiseLike<Ack>>();
  await wal.read().forEach(({ lsn, value }) => {
    orders.set(value.id, Promise.resolve({ lsn, durable: true }));
  });

  const server = Fastify();
  server.post<{ Body: Order }>('/orders', { schema: { body } }, async ({ body: order }, reply) => {
    const known = orders.get(order.id);
    const ack = known ?? wal.append(order);
    orders.set(order.id, ack);
    try {
      const { lsn } = await ack;
      return await reply.code(known ? 200 : 201).send({ lsn });
    } catch (error) {
      if (orders.get(order.id) === ack) orders.delete(order.id); // not taken: the next one with this id is a new one
      throw error;
    }
  });
  server.get<{ Params: { id: string } }>('/orders/:id', async ({ params }, reply) => {
    const { lsn } = (await orders.get(params.id)) ?? { lsn: 0 };
    return reply.code(lsn > 0 ? 200 : 404).send({ lsn });
  });
  server.get('/ready', async (_request, reply) => {
    const state = await firstValueFrom(wal.state$);
    return reply.code(state === 'open' ? 200 : 503).send({ state });
  });
  server.setErrorHandler((error, _request, reply) => {
    if (!(error instanceof WalError)) return reply.send(error);
    // Only WAL_RECORD is the client's fault. WAL_BACKPRESSURE passes by itself, the others when the log has been opened again.
    if (error.code === 'WAL_BACKPRESSURE') reply.header('retry-after', '1');
    return reply.code(error.code === 'WAL_RECORD' ? 400 : 503).send({ error: error.code });
  });
  // A connection that is busy when the server closes would be kept for the client's next request: it goes with its last answer.
  let closing = false;
  server.addHook('preClose', async () => {
    closing = true;
    return Promise.resolve();
  });
  server.addHook('onSend', async (_request, reply) => {
    if (closing) reply.header('connection', 'close');
    return Promise.resolve();
  });
  // Behind the last answer: by then every request that was taken has its ack. A log that has stopped rejects here, and is given back too.
  server.addHook('onClose', () => wal.close().catch((error: unknown) => console.error(String(error))));
  return server;
}
// #endregion httpEndpoint

// #region httpEndpoint-process
/** `open` is `() => openWal<Order>(dir)`. */
async function serve(open: () => Promise<Wal<Order>>): Promise<void> {
  const wal = await open(); // which recovers it
  const server = await ordersServer(wal);
  // Takes no more connections, answers every request that it has taken, closes the log. The process ends by itself then.
  process.once('SIGTERM', () => void server.close());
  wal.acks$.subscribe({
    error: (error: unknown) => {
      console.error(String(error)); // a write or an fsync failed: the next process opens the log again
      process.exitCode = 1;
      void server.close();
    },
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  console.log(portOf(server));
}
// #endregion httpEndpoint-process

const portOf = (server: FastifyInstance): number => (server.server.address() as AddressInfo).port;

/** Starts `serve` in a process of its own, and gives it with its port. */
async function startServer(...args: readonly string[]) {
  const { promise: port, resolve } = withResolvers<number>();
  const server = secondProcess(__filename, args, (line) => resolve(Number(line)));
  return { ...server, port: await port };
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}

interface Answer {
  readonly status: number;
  readonly lsn?: number;
  readonly error?: string;
  readonly retryAfter: string | null;
}

async function request(port: number, path: string, order?: Order): Promise<Answer> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(order) };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, order && post);
  const answer = (await response.json()) as Omit<Answer, 'status' | 'retryAfter'>;
  return { ...answer, status: response.status, retryAfter: response.headers.get('retry-after') };
}

/** Eight clients send orders, one after the other each, until they get no answer. Gives what was answered 201, and the orders without an answer. */
async function sendOrders(port: number, wave: string, onCreated: (count: number) => void) {
  const created = new Map<string, number>();
  const unanswered: Order[] = [];
  const client = async (name: number) => {
    for (let n = 1; ; n += 1) {
      const order = { id: `${wave}-${name}-${n}`, cents: n };
      const answer = await request(port, '/orders', order).catch(() => undefined);
      if (answer?.status !== 201) return unanswered.push(order);
      created.set(order.id, answer.lsn ?? 0);
      onCreated(created.size);
    }
  };
  await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(client));
  return { created, unanswered };
}

/** How many of the orders that were answered 201 the server does not know, or knows by another LSN. */
async function countMissing(port: number, created: ReadonlyMap<string, number>): Promise<number> {
  let missing = 0;
  for (const [id, lsn] of created) {
    const answer = await request(port, `/orders/${id}`);
    if (answer.status !== 200 || answer.lsn !== lsn) missing += 1;
  }
  return missing;
}

/** Kills a server under load, starts it again, and ends that one under load as a supervisor would. */
async function killAndStop(dir: string): Promise<void> {
  const killed = await startServer('serve', dir);
  const first = await sendOrders(killed.port, 'first', (count) => count === 200 && killed.kill('SIGKILL'));
  console.log(`ended by ${await killed.ended}`);

  const server = await startServer('serve', dir);
  const missing = await countMissing(server.port, first.created);
  console.log(`${first.created.size} orders answered 201 before, ${missing} of them missing after the restart`);
  for (const order of first.unanswered) {
    const { status } = await request(server.port, '/orders', order);
    if (status !== 200 && status !== 201) throw new Error(`order ${order.id}, sent again: ${status}`);
  }

  const second = await sendOrders(server.port, 'second', (count) => count === 50 && server.kill('SIGTERM'));
  console.log(`stopped under load: exit code ${await server.ended}`);

  const ids: string[] = [];
  await readWal<Order>(dir).forEach(({ value }) => ids.push(value.id));
  const expected = [...first.created.keys(), ...first.unanswered.map(({ id }) => id), ...second.created.keys()];
  const lost = expected.filter((id) => !ids.includes(id)).length;
  console.log(
    `in the log: ${lost} lost, ${ids.length - new Set(ids).size} twice, ${ids.length - expected.length} more`,
  );
}

/** What clients see where the disk is slow, and where it fails. The log is one in memory; the requests are real. */
async function slowAndBrokenDisk(): Promise<void> {
  const plan = marblePlan({ sync: ['|', '100ms |', '#'] }, fault('EIO'));
  const { wal } = memoryWal<Order>({ maxPendingRecords: 1, plan });
  const server = await ordersServer(wal);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const port = portOf(server);
  const say = (what: string, { status, error, retryAfter }: Answer) =>
    console.log(`${what}: ${[status, error, retryAfter && `retry after ${retryAfter} s`].filter(Boolean).join(', ')}`);

  say('an order', await request(port, '/orders', { id: 'a', cents: 1 }));
  say('the same again', await request(port, '/orders', { id: 'a', cents: 1 }));
  say('no order', await request(port, '/orders', { id: '', cents: 1 }));
  const slow = request(port, '/orders', { id: 'b', cents: 2 });
  while (wal.lastLsn < 2) await request(port, '/ready'); // until order b is in the log, on its way to the disk
  say('while one waits for the disk', await request(port, '/orders', { id: 'c', cents: 3 }));
  say('the one that waited', await slow);
  say('on a broken disk', await request(port, '/orders', { id: 'd', cents: 4 }));
  say('and then', await request(port, '/ready'));
  await server.close();
}

/** A process whose first fsync fails. */
async function endsWithItsLog(): Promise<void> {
  const server = await startServer('serve-broken');
  const { status, error } = await request(server.port, '/orders', { id: 'a', cents: 1 });
  console.log(`a process on a broken disk: ${status}, ${error}; exit code ${await server.ended}`);
}

export async function main(dir: string): Promise<void> {
  await killAndStop(dir);
  await endsWithItsLog();
  await slowAndBrokenDisk();
}

if (require.main === module) {
  const [what, dir = ''] = process.argv.slice(2);
  const broken = () => Promise.resolve(memoryWal<Order>({ plan: marblePlan({ sync: '#' }, fault('EIO')) }).wal);
  if (what === 'serve') void serve(() => openWal<Order>(dir));
  else if (what === 'serve-broken') void serve(broken);
  else void main(what ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
}
