/** The process that is watched: appends to one contender, and writes marks to /dev/null around what is to be judged and counted. */
import { openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Contender, Session } from '../contender';
import { order, type Order } from '../order';
import { contenderFiles, loadContender } from './contenderFiles';
import { ACK, BEGIN, COUNT, COUNTED, markText, token } from './honestyMarks';

export interface HonestyJob {
  /** Its name, or the path of its file. */
  readonly contender: string;
  readonly dir: string;
  /** Appends that are awaited at the same time. */
  readonly producers: number;
  /** Records of each part, a multiple of `producers`. */
  readonly warmUp: number;
  readonly counted: number;
  readonly judged: number;
}

async function run(job: HonestyJob): Promise<void> {
  const contender = await find(job.contender);
  const session = await contender.open(job.dir);
  // A write to it shows in a trace, and costs little.
  const devNull = openSync('/dev/null', 'w');
  const mark = (word: string, number: number): void => {
    writeSync(devNull, markText(word, number));
  };

  await produce(session, job.producers, job.warmUp, order);
  mark(COUNT, job.counted);
  await produce(session, job.producers, job.counted, order);
  mark(COUNTED, job.counted);
  await produce(session, job.producers, job.judged, marked, {
    async before(number) {
      // Appends that come while a write is on its way are where acks are given too early.
      if (job.producers > 1) await turns((number * 7) % 16);
      mark(BEGIN, number);
    },
    after: (number) => mark(ACK, number),
  });
  await session.close();
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The token stands in it more than once: a library that lays its own headers every so many bytes may cut one in two. */
function marked(number: number): Order {
  const text = token(number);
  return { ...order(number), type: text, userId: text, region: text };
}

async function produce(
  session: Session,
  producers: number,
  records: number,
  make: (number: number) => Order,
  around?: { before(number: number): Promise<void>; after(number: number): void },
): Promise<void> {
  let next = 0;
  const producer = async (): Promise<void> => {
    while (next < records) {
      const number = next++;
      const value = make(number);
      await around?.before(number);
      await session.append(value);
      around?.after(number);
    }
  };
  await Promise.all(Array.from({ length: producers }, producer));
}

async function find(nameOrPath: string): Promise<Contender> {
  if (nameOrPath.includes('/')) {
    const module = (await import(resolve(nameOrPath))) as { default: Contender | { default: Contender } };
    return 'default' in module.default ? module.default.default : module.default;
  }
  for (const file of contenderFiles()) {
    const contender = await loadContender(file).catch(() => undefined);
    if (contender?.name === nameOrPath || file === nameOrPath) return contender ?? loadContender(file);
  }
  throw new Error(`${nameOrPath} is no contender`);
}

void run(JSON.parse(process.argv[2] ?? '{}') as HonestyJob).then(
  () => process.exit(0),
  (error: unknown) => {
    writeSync(2, `${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
