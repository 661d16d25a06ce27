/**
 * Event sourcing: orders are what their events say. A command is checked against the projected state, its events are appended as a group, and whoever sent it reads what it
 * has become. Worker processes are killed in the middle of it, and the next one finds every order as it was answered.
 */
import { strict as assert } from 'node:assert';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatMap, distinct, firstValueFrom, lastValueFrom, mergeMap, range, takeUntil, timer } from 'rxjs';
import { secondProcess } from './support/secondProcess';
// #region aggregate
import { openWal, readWal, type Entry, type Projection, type Wal } from 'rxwal';

type OrderEvent =
  | { readonly type: 'Placed' | 'Paid' | 'Refunded'; readonly order: string; readonly cents: number }
  | { readonly type: 'Shipped' | 'Cancelled'; readonly order: string };

type Command =
  | { readonly type: 'Place'; readonly order: string; readonly cents: number }
  | { readonly type: 'Pay' | 'Ship' | 'Cancel'; readonly order: string };

interface Order {
  readonly cents: number;
  readonly status: 'placed' | 'paid' | 'shipped' | 'cancelled';
}

class CommandRefused extends Error {}

/** What a command makes happen. Throws where the order, as it is, does not allow it. */
function decide(order: Order | undefined, command: Command): readonly OrderEvent[] {
  const { order: id } = command;
  const unless = (...allowed: readonly (Order['status'] | undefined)[]): void => {
    if (!allowed.includes(order?.status))
      throw new CommandRefused(`${command.type} ${id}: ${order?.status ?? 'unknown'}`);
  };
  const cents = order?.cents ?? 0;
  switch (command.type) {
    case 'Place':
      unless(undefined);
      return [{ type: 'Placed', order: id, cents: command.cents }];
    case 'Pay':
      unless('placed');
      return [{ type: 'Paid', order: id, cents }];
    case 'Ship':
      unless('paid');
      return [{ type: 'Shipped', order: id }];
    case 'Cancel':
      unless('placed', 'paid');
      return [
        ...(order?.status === 'paid' ? [{ type: 'Refunded', order: id, cents } as const] : []),
        { type: 'Cancelled', order: id },
      ];
  }
}

type Orders = Map<string, Order>;

const STATUS = {
  Placed: 'placed',
  Paid: 'paid',
  Refunded: 'placed',
  Shipped: 'shipped',
  Cancelled: 'cancelled',
} as const;

/** What an event makes of the orders. It has happened: nothing is refused here. */
function applied(orders: Orders, { value }: Entry<OrderEvent>): Orders {
  const cents = 'cents' in value ? value.cents : (orders.get(value.order)?.cents ?? 0);
  return orders.set(value.order, { cents, status: STATUS[value.type] });
}

/** Commands in, events into the log, the order as it is then out. The only one that appends to its log. */
class Shop {
  /** Of each order that has commands under way, the last one. */
  readonly #turns = new Map<string, Promise<unknown>>();

  private constructor(
    private readonly wal: Wal<OrderEvent>,
    readonly orders: Projection<Orders>,
  ) {}

  static async open(wal: Wal<OrderEvent>): Promise<Shop> {
    const orders = wal.project<Orders>({
      name: 'orders',
      initial: () => new Map(),
      reduce: applied,
      snapshotEvery: 200,
      checkpoint: false, // the log is the history, and stays
    });
    await orders.at(0); // the newest snapshot, and all that stands behind it
    return new Shop(wal, orders);
  }

  /**
   * Commands for one order take turns, since each is checked against what the one before has made of it; those for different orders share an fsync.
   *
   * Rejects with CommandRefused, and as `appendAll` and `Projection.at` do.
   */
  handle(command: Command): Promise<{ readonly lsn: number; readonly order: Order }> {
    const before = this.#turns.get(command.order) ?? Promise.resolve();
    const outcome = before.then(() => this.#carryOut(command));
    const over: Promise<unknown> = outcome.then(
      () => this.#end(command.order, over),
      () => this.#end(command.order, over),
    );
    this.#turns.set(command.order, over);
    return outcome;
  }

  async #carryOut(command: Command): Promise<{ readonly lsn: number; readonly order: Order }> {
    // All that is durable, which is what the turn before has appended too. Rejects where the projection has stopped before that.
    const before = await this.orders.at(this.wal.durableLsn);
    const events = decide(before.state.get(command.order), command);
    const { lsn } = await this.wal.appendAll(events); // all of them survive a crash, or none
    const { state } = await this.orders.at(lsn); // and the state has them: the next command is checked against it
    return { lsn, order: state.get(command.order) as Order };
  }

  #end(order: string, turn: Promise<unknown>): void {
    if (this.#turns.get(order) === turn) this.#turns.delete(order);
  }
}
// #endregion aggregate

interface Revenue {
  readonly paid: number;
  readonly refunded: number;
}

/** Another view of the same events. Its state was one number once: that was version 1. */
function projectRevenue(wal: Wal<OrderEvent>): Projection<Revenue> {
  // #region aggregate-version
  return wal.project<Revenue>({
    name: 'revenue',
    version: 2, // snapshots of version 1 are passed over: the state is made anew, from the first event on
    initial: { paid: 0, refunded: 0 },
    reduce: ({ paid, refunded }, { value }) => ({
      paid: paid + (value.type === 'Paid' ? value.cents : 0),
      refunded: refunded + (value.type === 'Refunded' ? value.cents : 0),
    }),
    checkpoint: false,
  });
  // #endregion aggregate-version
}

const projectRevenueAsItWas = (wal: Wal<OrderEvent>): Projection<number> =>
  wal.project<number>({
    name: 'revenue',
    initial: 0,
    reduce: (cents, { value }) =>
      cents + (value.type === 'Paid' ? value.cents : 0) - (value.type === 'Refunded' ? value.cents : 0),
    checkpoint: false,
  });

/** What a customer does with order `n`. Some pay twice, or change their mind. */
function commandsOf(n: number): readonly Command[] {
  const order = `order ${n}`;
  const place: Command = { type: 'Place', order, cents: 100 + (n % 900) };
  const pay: Command = { type: 'Pay', order };
  if (n % 5 === 0) return [place, pay, { type: 'Cancel', order }];
  return [place, pay, ...(n % 7 === 0 ? [pay] : []), { type: 'Ship', order }];
}

const ORDERS = 800;

/** The worker process: goes on with what is not done yet, and prints what it may tell a customer. */
async function worker(dir: string): Promise<void> {
  await using wal = await openWal<OrderEvent>(dir, { maxSegmentBytes: 16 * 1024 });
  await using revenue = projectRevenueAsItWas(wal);
  const shop = await Shop.open(wal);
  await revenue.at(wal.durableLsn);
  const customer = async (n: number): Promise<void> => {
    // Two at once: they take turns.
    await Promise.all(
      commandsOf(n).map(async (command) => {
        const answer = await shop.handle(command).catch((error: unknown) => {
          if (!(error instanceof CommandRefused)) throw error;
          return undefined;
        });
        if (answer) console.log(JSON.stringify({ lsn: answer.lsn, id: command.order, ...answer.order }));
      }),
    );
  };
  await lastValueFrom(range(0, ORDERS).pipe(mergeMap(customer, 8)));
}

/** Kills two workers in the middle of their work. @returns what they have answered, the newest for each order. */
async function killWorkers(dir: string): Promise<Map<string, Order & { readonly lsn: number }>> {
  const answers = new Map<string, Order & { readonly lsn: number }>();
  for (const killAfter of [700, 700, Infinity]) {
    let answered = 0;
    const process = secondProcess(__filename, ['worker', dir], (line) => {
      const { id, ...answer } = JSON.parse(line) as Order & { readonly id: string; readonly lsn: number };
      answers.set(id, answer);
      answered += 1;
      if (answered === killAfter) process.kill('SIGKILL');
    });
    console.log(`a worker ended: ${await process.ended}`);
  }
  return answers;
}

/** The whole log, read by itself: each event was allowed, every answer is in it, and the projection has nothing else. */
async function check(dir: string, answers: Awaited<ReturnType<typeof killWorkers>>): Promise<void> {
  const orders: Orders = new Map();
  const lsnOf = new Map<string, number>();
  let events = 0;
  await readWal<OrderEvent>(dir).forEach((entry) => {
    const { type, order } = entry.value;
    const was = orders.get(order)?.status;
    const allowed = { Placed: undefined, Paid: 'placed', Refunded: 'paid', Shipped: 'paid', Cancelled: 'placed' }[type];
    assert.equal(was, allowed, `LSN ${entry.lsn}: ${type}`);
    applied(orders, entry);
    lsnOf.set(order, entry.lsn);
    events += 1;
  });
  const missing = [...answers].filter(([id, { lsn }]) => (lsnOf.get(id) ?? 0) < lsn);
  console.log(
    `${orders.size} orders, ${events} events, none of them out of turn; answers that are not in the log: ${missing.length}`,
  );

  await using wal = await openWal<OrderEvent>(dir);
  const shop = await Shop.open(wal);
  assert.deepEqual(shop.orders.current, { lsn: events, state: orders });
  console.log('the projection has the same orders');

  const revenue = projectRevenue(wal);
  const { state } = await revenue.at(events);
  const [oldest] = revenue.passedOver;
  console.log(`revenue: ${state.paid} paid, ${state.refunded} refunded; ${oldest?.message.replace(/\d{2,}/, 'N')}`);
}

/** A projection with a mistake in it: it stops, and the log goes on. */
async function stuck(dir: string): Promise<void> {
  await using wal = await openWal<OrderEvent>(dir, { retention: { stuckAfterMs: 100 } });
  const { orders } = await Shop.open(wal);
  const revenue = projectRevenue(wal);
  // #region aggregate-stuck
  const labels = wal.project<number>({
    name: 'labels',
    initial: 0,
    reduce: (printed, { value }) => (value.type === 'Shipped' ? printLabel(value.order) : printed),
    checkpoint: false,
  });

  for (const projection of [orders, revenue, labels] as readonly Projection<unknown>[]) {
    projection.state$.subscribe({
      error: (error: unknown) => console.log((error as Error).message), // at which record, and why; the log goes on
    });
  }

  // One that has stopped, or that nobody starts any more, applies nothing and holds the log until it is mended, or released.
  const alarms$ = wal.retention$.pipe(
    mergeMap(({ readers }) => readers.filter(({ stuck }) => stuck)),
    distinct(({ name }) => name),
  );
  // #endregion aggregate-stuck

  // Business as usual, until the alarm comes.
  const alarm = firstValueFrom(alarms$);
  const later$ = timer(0, 10).pipe(
    concatMap((n) => wal.append({ type: 'Placed', order: `later ${n}`, cents: 1 })),
    takeUntil(alarm),
  );
  const { durable } = await lastValueFrom(later$);
  const { name } = await alarm;
  console.log(`holds the log and does not run: ${name}; the log goes on: ${durable}`);
  console.log(`released: ${await wal.release(name)}`);
}

function printLabel(order: string): number {
  throw new Error(`no address for ${order}`);
}

export async function main(dir: string): Promise<void> {
  const answers = await killWorkers(dir);
  await check(dir, answers);
  await stuck(dir);
}

if (require.main === module) {
  const [what, dir = ''] = process.argv.slice(2);
  void (what === 'worker' ? worker(dir) : main(what ?? mkdtempSync(join(tmpdir(), 'rxwal-'))));
}
