import { appendFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { bufferTime, concatMap, filter, lastValueFrom, Subject } from 'rxjs';
import type { Contender } from '../contender';
import { readJsonLines } from '../harness/jsonLines';
import type { Order } from '../order';

interface Waiting {
  readonly order: Order;
  readonly resolve: () => void;
}

/** The first thing that comes to mind. */
const naive: Contender = {
  name: 'naive RxJS',
  kind: 'peer',
  how: 'bufferTime(10), JSON lines, appendFile, fsync',
  async open(dir) {
    const path = join(dir, 'log.jsonl');
    const file = await open(path, 'a');
    const events = new Subject<Waiting>();
    const done = lastValueFrom(
      events.pipe(
        bufferTime(10),
        filter((waiting) => waiting.length > 0),
        concatMap(async (waiting) => {
          await appendFile(file, waiting.map(({ order }) => `${JSON.stringify(order)}\n`).join(''));
          await file.sync();
          for (const { resolve } of waiting) resolve();
        }),
      ),
      { defaultValue: undefined },
    );
    return {
      append: (order) => new Promise<void>((resolve) => events.next({ order, resolve })),
      replay: (take) => readJsonLines(path, take),
      close: async () => {
        events.complete();
        await done;
        await file.close();
      },
    };
  },
};

export default naive;
