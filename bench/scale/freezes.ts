/** What a log does in one turn of the event loop, by itself: the longest turns there are, against how much is waiting. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import { lastValueFrom } from 'rxjs';
import { median, min } from 'simple-statistics';
import { nodeStore, openWal, rawCodec, readWal, recoverWal, type Codec, type Wal } from 'rxwal';
import { order, type Order } from '../order';
import { shown } from './shown';
import { turnStore, type Turn } from './turnStore';

const PENDING = [1000, 10_000, 50_000, 100_000];
const ROUNDS = 5;
const REPLAYED = 100_000;

/** How the producer listens. */
const LISTENERS: Readonly<Record<string, (wal: Wal<Order>, id: number) => void>> = {
  'next(), nobody listens': (wal, id) => {
    wal.next(order(id));
  },
  'append(), each ack has a handler': (wal, id) => {
    wal.append(order(id)).subscribe(() => undefined);
  },
  'append(), each handler appends once more': (wal, id) => {
    wal.append(order(id)).subscribe(() => {
      wal.next(order(id));
    });
  },
};

/** Turns of one tight loop of `next` or `append`. */
interface Frozen {
  /** The loop itself: the producer's own. */
  readonly loopMs: number;
  /** What the log has put off until the loop is over: a microtask. */
  readonly putOffMs: number;
  /** The turn of the disk's first answer. */
  readonly firstMs: number;
  /** The longest of the turns behind it. */
  readonly laterMs: number;
  /** Answers of the disk, and so batches. */
  readonly turns: number;
}

export async function printAppendFreezes(dir: string): Promise<void> {
  const table = new Table({
    head: [
      ...['a tight loop of', 'records', 'batches', "the loop, producer's own", 'put off behind it'],
      ...['turn of the first batch', 'longest turn of another'],
    ],
    style: { head: [], border: [], compact: true },
  });
  for (const [name, append] of Object.entries(LISTENERS)) {
    for (const pending of PENDING) {
      const rounds: Frozen[] = [];
      for (let round = 0; round < ROUNDS; round += 1) rounds.push(await freeze(dir, pending, append));
      table.push([
        name,
        shown(pending),
        shown(median(rounds.map(({ turns }) => turns))),
        ...(['loopMs', 'putOffMs', 'firstMs', 'laterMs'] as const).map((key) => ofRounds(rounds, key)),
      ]);
    }
  }
  console.log(`\nOne turn of the log after a tight synchronous producer, ms: least (median) of ${ROUNDS} rounds`);
  console.log(table.toString());
}

async function freeze(dir: string, pending: number, append: (wal: Wal<Order>, id: number) => void): Promise<Frozen> {
  const logDir = await mkdtemp(join(dir, 'freeze-'));
  const turns: Turn[] = [];
  const store = turnStore(nodeStore(logDir), (turn) => turns.push(turn));
  // Without zeros: then the disk is asked for the batches alone.
  const wal = await lastValueFrom(recoverWal<Order>(store, { preallocateBytes: 0, maxPendingBytes: 2 ** 30 }));
  turns.length = 0;
  const started = performance.now();
  for (let id = 1; id <= pending; id += 1) append(wal, id);
  const looped = performance.now();
  // What the log has put off until the producer's code has run to its end.
  await Promise.resolve();
  const putOffMs = performance.now() - looped;
  await wal.sync();
  const answers = turns.filter(({ asked }) => asked === 'write').map(({ milliseconds }) => milliseconds);
  await wal.close();
  await rm(logDir, { recursive: true });
  const [firstMs = 0, ...later] = answers;
  return { loopMs: looped - started, putOffMs, firstMs, laterMs: Math.max(0, ...later), turns: answers.length };
}

/** Turns of reading: what one chunk of a file costs. */
export async function printReadFreezes(dir: string): Promise<void> {
  const logDir = await mkdtemp(join(dir, 'replay-'));
  const wal = await openWal<Order>(logDir);
  for (let id = 1; id <= REPLAYED; id += 1) wal.next(order(id));
  await wal.close();

  const turns: number[] = [];
  const store = turnStore(nodeStore(logDir), ({ asked, milliseconds }) => {
    if (asked === 'read') turns.push(milliseconds);
  });
  const replay = (codec?: Codec<unknown>) => lastValueFrom(readWal<unknown>(store, { codec }));
  const open = async () => {
    const opened = await lastValueFrom(recoverWal<Order>(store));
    await opened.close();
  };
  const table = new Table({
    head: ['reading', 'turns a round', 'longest, ms', 'median, ms'],
    style: { head: [], border: [], compact: true },
  });
  for (const [name, read] of [
    ['replay of orders, decoded', () => replay()],
    ['replay of orders, raw bytes', () => replay(rawCodec())],
    ['open after a clean close', open],
  ] as const) {
    const rounds: { readonly longest: number; readonly middle: number }[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      turns.length = 0;
      await read();
      if (round >= 0) rounds.push({ longest: Math.max(...turns), middle: median(turns) });
    }
    table.push([name, shown(turns.length), ofRounds(rounds, 'longest'), ofRounds(rounds, 'middle')]);
  }
  console.log(
    `\nOne turn for what one read brings (${shown(REPLAYED)} orders), ms: least (median) of ${ROUNDS} rounds`,
  );
  console.log(table.toString());
}

function ofRounds<K extends string>(rounds: readonly Readonly<Record<K, number>>[], key: K): string {
  const values = rounds.map((round) => round[key]);
  return `${shown(min(values))} (${shown(median(values))})`;
}
