import { EMPTY, concat, firstValueFrom, of, timer, toArray } from 'rxjs';
import { WalCorruptError, recoverWal, type Wal } from 'rxwal';
import { memoryStore, virtualTime, type MemoryStore, type StoreOperation } from 'rxwal/testing';
import { openUntilAborted } from '../src/openUntilAborted';
import { RAW, buildLog, collect, filesOf, segmentBytes, segmentFile } from './support/logs';
import { hex } from './support/bytes';
import type { Files } from './support/reference';

const REASON = new Error('enough');

const open =
  (signal: AbortSignal) =>
  (store: MemoryStore): ReturnType<typeof recoverWal<Uint8Array>> =>
    openUntilAborted(store, signal, (guarded) => recoverWal(guarded, RAW));

/** What an opening has to do: nothing much; cut and rewrite a tail; and finish a truncation and a half-made file besides. */
let images: Record<'none' | 'closed' | 'crashed' | 'truncated', Files>;
beforeAll(async () => {
  const crashed = await buildLog('crashed');
  images = {
    none: new Map(),
    closed: await buildLog('closed'),
    crashed,
    truncated: new Map([
      ...crashed,
      [
        segmentFile(0),
        filesOf(
          segmentBytes(1, [
            ['record', 1, 'one'],
            ['record', 2, 'two!'],
          ]),
        ).get(segmentFile(0))!,
      ],
      [`${segmentFile(3)}.tmp`, Uint8Array.of(1, 2, 3)],
      ['checkpoint.meta.tmp', Uint8Array.of(4)],
    ]),
  };
});

/** Files that have been opened and not closed. */
function leftOpen({ operations }: MemoryStore): number {
  const count = (...kinds: StoreOperation['kind'][]): number =>
    operations.filter(({ kind }) => kinds.includes(kind)).length;
  return count('open', 'create') - count('close');
}

async function recordsIn(files: Files): Promise<string[]> {
  const store = memoryStore({ files });
  const wal: Wal<Uint8Array> = await firstValueFrom(recoverWal<Uint8Array>(store, RAW));
  const entries = await firstValueFrom(wal.read().pipe(toArray()));
  await wal.close();
  return entries.map(({ lsn, value }) => `${lsn} ${hex(value)}`);
}

describe.each(['none', 'closed', 'crashed', 'truncated'] as const)('an opening of a log that is %s', (image) => {
  it('that is aborted in any of its operations stops, gives everything back, and can be done again', async () => {
    const files = images[image];
    const expected = await recordsIn(files);
    let operations = 0;
    for (let at = 1, done = false; !done; at += 1) {
      const controller = new AbortController();
      let begun = 0;
      const store = memoryStore({
        files,
        plan: () => {
          if ((begun += 1) === at) controller.abort(REASON);
          return undefined;
        },
      });
      const { values, error } = collect(open(controller.signal)(store));
      done = !controller.signal.aborted;
      if (values.length > 0) {
        // Too late: the last operation was under way.
        await values[0]!.close();
        continue;
      }
      operations = at;
      expect(error).toBe(REASON);
      expect(leftOpen(store)).toBe(0);
      expect(collect(store.lock()).error).toBeUndefined();
      // A file that is being made is filled and checked; nothing else is begun but to put in order.
      const made = new Set(store.operations.filter(({ kind }) => kind === 'create').map(({ file }) => file));
      const begunBehind = store.operations.slice(at).filter(({ file }) => !made.has(file));
      expect(begunBehind.filter(({ kind }) => !['close', 'remove', 'unlock', 'lock'].includes(kind))).toEqual([]);
      await expect(recordsIn(store.snapshot())).resolves.toEqual(expected);
      await expect(recordsIn(store.durableSnapshot())).resolves.toEqual(expected);
    }
    expect(operations).toBeGreaterThan(4);
  });
});

describe('openUntilAborted', () => {
  it('fails when what has begun is through and the lock is back, and not before', () => {
    virtualTime(({ hot, expectObservable, flush }) => {
      const controller = new AbortController();
      const store = memoryStore({
        files: images.closed,
        plan: ({ kind }) => (kind === 'list' ? timer(5) : kind === 'unlock' ? timer(2) : undefined),
      });
      hot('--x').subscribe(() => {
        controller.abort(REASON);
      });
      expectObservable(open(controller.signal)(store)).toBe('-------#', undefined, REASON);
      flush();
      expect(store.operations.map(({ kind }) => kind)).toEqual(['lock', 'list', 'unlock']);
    });
  });

  it('does not touch the store where the signal is aborted already', () => {
    const store = memoryStore();
    expect(collect(open(AbortSignal.abort(REASON))(store)).error).toBe(REASON);
    expect(store.operations).toEqual([]);
  });

  it('hears the signal no more once the log is open', async () => {
    const controller = new AbortController();
    const store = memoryStore();
    const wal = await firstValueFrom(open(controller.signal)(store));
    controller.abort(REASON);
    await wal.append(Uint8Array.of(1));
    await wal.rotate();
    await wal.append(Uint8Array.of(2));
    await wal.checkpoint({ lsn: 1 });
    expect(collect(wal.read()).error).toBeUndefined();
    await wal.close();
    await expect(recordsIn(store.snapshot())).resolves.toEqual(['2 02']);
  });

  it('tells of damage, and of a signal that is aborted later, what came first', () => {
    const controller = new AbortController();
    const bytes = Uint8Array.of(1, 2, 3, ...segmentBytes(1, [['record', 1]]));
    const store = memoryStore({
      files: filesOf(bytes),
      plan: ({ kind }) => {
        if (kind === 'unlock') controller.abort(REASON);
        return undefined;
      },
    });
    expect(collect(open(controller.signal)(store)).error).toBeInstanceOf(WalCorruptError);
    expect(controller.signal.aborted).toBe(true);
  });

  it('takes a reason for a reason, also one that means something to a recovery', () => {
    const reason = new WalCorruptError({ file: segmentFile(3), offset: 32, lsn: 5, reason: 'of another log' });
    for (let at = 1; at < 12; at += 1) {
      const controller = new AbortController();
      let begun = 0;
      const store = memoryStore({
        files: images.crashed,
        plan: () => {
          if ((begun += 1) === at) controller.abort(reason);
          return undefined;
        },
      });
      expect(collect(open(controller.signal)(store)).error).toBe(reason);
      expect(store.snapshot().get(segmentFile(3))).toEqual(images.crashed.get(segmentFile(3)));
    }
  });

  it('is cold, and hands on what opens to each subscriber', () => {
    const opened$ = openUntilAborted(memoryStore(), new AbortController().signal, (store) =>
      concat(EMPTY, of(store.dir)),
    );
    expect([collect(opened$).values, collect(opened$).values]).toEqual([['memory'], ['memory']]);
  });
});
