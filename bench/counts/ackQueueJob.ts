/** How many steps an ack takes: `node ackQueueJob.js FILE_OF_THE_ACK_QUEUE`. Prints {@link AckSteps}, one for each number of waiters. */
import type { Observer } from 'rxjs';
import { Subject } from 'rxjs';

export interface AckSteps {
  readonly pending: number;
  /** Elements of arrays read or written to release one. */
  readonly elements: number;
  /** Calls of observers, of the maker of acks, and of those who listen to all acks. */
  readonly calls: number;
  /** Turns of the event loop asked for, all together. */
  readonly turns: number;
}

interface Ack {
  readonly lsn: number;
}
type AckQueueClass = new (
  released: number,
  ack: (lsn: number) => Ack,
  acks$: Subject<Ack>,
  later: (work: () => void) => void,
) => { wait(lsn: number, observer: Observer<Ack>): void; release(lsn: number): void };

export const PENDING = [50, 50_000] as const;

let elements = 0;

const PlainArray = Array;

/** Every array that the queue makes by `new Array` counts how often its elements are asked for. */
function CountedArray(length: number): unknown[] {
  return new Proxy(new PlainArray<unknown>(length), {
    get: (target, key): unknown => {
      if (typeof key === 'string' && key !== 'length') elements += 1;
      return Reflect.get(target, key);
    },
    set: (target, key, value) => {
      elements += 1;
      return Reflect.set(target, key, value);
    },
  });
}

function steps(AckQueue: AckQueueClass, pending: number): AckSteps {
  let calls = 0;
  const count = (): void => {
    calls += 1;
  };
  const due: (() => void)[] = [];
  let turns = 0;
  const acks$ = new Subject<Ack>();
  acks$.subscribe(count);
  const ack = (lsn: number): Ack => {
    calls += 1;
    return { lsn };
  };
  const queue = withCountedArrays(
    () =>
      new AckQueue(0, ack, acks$, (work) => {
        turns += 1;
        due.push(work);
      }),
  );
  const observer: Observer<Ack> = { next: count, error: count, complete: count };
  withCountedArrays(() => {
    for (let lsn = 1; lsn <= pending; lsn += 1) queue.wait(lsn, observer);
  });
  elements = 0;
  calls = 0;
  withCountedArrays(() => {
    queue.release(pending);
    for (let work = due.shift(); work !== undefined; work = due.shift()) work();
  });
  return { pending, elements: elements / pending, calls: calls / pending, turns };
}

function withCountedArrays<R>(work: () => R): R {
  const { isArray, from } = PlainArray;
  globalThis.Array = Object.assign(CountedArray, {
    isArray,
    from: from.bind(PlainArray),
  }) as unknown as ArrayConstructor;
  try {
    return work();
  } finally {
    globalThis.Array = PlainArray;
  }
}

async function main(file: string): Promise<void> {
  const { AckQueue } = (await import(file)) as { AckQueue: AckQueueClass };
  console.log(JSON.stringify(PENDING.map((pending) => steps(AckQueue, pending))));
}

void main(process.argv[2] as string);
