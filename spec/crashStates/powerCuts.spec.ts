import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { EMPTY, concat, defer, ignoreElements, lastValueFrom, map, toArray } from 'rxjs';
import { recoverWal, type SegmentStore, type Wal } from 'rxwal';
import {
  PowerCutViolation,
  powerCuts,
  type PowerCutReport,
  type PowerCutTest,
  type StoreOperationKind,
} from 'rxwal/testing';
import { RAW, filesOf, segmentBytes } from '../support/logs';
import { contentOf, did, makeFile } from '../store/operations';

/** A tiny store of keys and values on a log. */
class Shop {
  readonly stock = new Map<string, number>();

  private constructor(private readonly wal: Wal<readonly [string, number]>) {}

  static async open(store: SegmentStore): Promise<Shop> {
    const wal = await lastValueFrom(recoverWal<readonly [string, number]>(store, { preallocateBytes: 0 }));
    const shop = new Shop(wal);
    for (const { value } of await lastValueFrom(wal.read().pipe(toArray()))) shop.stock.set(...value);
    return shop;
  }

  /** Resolves when it cannot be lost. */
  async set(key: string, count: number): Promise<void> {
    await lastValueFrom(this.wal.append([key, count]));
    this.stock.set(key, count);
  }

  /** The fault: answers when it has been appended, and waits for nothing. */
  setCarelessly(key: string, count: number): void {
    this.wal.next([key, count]);
    this.stock.set(key, count);
  }

  close(): Promise<void> {
    return this.wal.close();
  }
}

interface Sale {
  readonly key: string;
  readonly count: number;
}

const shopTest: PowerCutTest<Sale> = {
  async use(disk, promise) {
    const shop = await Shop.open(disk);
    for (let count = 1; count <= 6; count += 1) {
      await shop.set('tea', count);
      promise({ key: 'tea', count });
    }
    await shop.close();
  },
  async check(disk, promises, promise) {
    const shop = await Shop.open(disk);
    const { count } = promises.at(-1) ?? { count: 0 };
    assert.ok((shop.stock.get('tea') ?? 0) >= count, `tea: ${shop.stock.get('tea')}, and ${count} was promised`);
    await shop.set('tea', 100);
    promise({ key: 'tea', count: 100 });
    await shop.close();
  },
};

/** What a run fails with, which must be a violation. */
async function assertViolation(run: Promise<PowerCutReport>): Promise<PowerCutViolation> {
  const outcome: unknown = await run.catch((error: unknown) => error);
  assert.ok(outcome instanceof PowerCutViolation, `no violation: ${JSON.stringify(outcome)}`);
  return outcome;
}

describe('powerCuts', () => {
  it('finds nothing to say of a store that answers after the ack', async () => {
    const seen: PowerCutReport[] = [];
    const report = await powerCuts(shopTest, { states: 150, disk: { stale: false }, onProgress: (r) => seen.push(r) });
    expect(report.distinct).toBeGreaterThanOrEqual(150);
    expect(report.states).toBeGreaterThanOrEqual(report.distinct);
    expect(report.nested).toBe(2 * report.states);
    expect(report.points).toBeGreaterThan(20);
    expect(seen.at(-1)).toEqual(report);
    expect(seen).toHaveLength(report.points);
  });

  it('catches one that answers before', async () => {
    const careless = (pause: () => Promise<void>): PowerCutTest<Sale> => ({
      ...shopTest,
      async use(disk, promise) {
        const shop = await Shop.open(disk);
        for (let count = 1; count <= 6; count += 1) {
          shop.setCarelessly('tea', count);
          await pause();
          promise({ key: 'tea', count });
        }
        await shop.close();
      },
    });
    const violation = await assertViolation(
      powerCuts(
        careless(() => Promise.resolve()),
        { disk: { stale: false } },
      ),
    );
    expect(violation.message).toMatch(/^After a power cut: AssertionError .*: tea: undefined, and 6 was promised$/m);
    expect(violation.cause).toBeInstanceOf(assert.AssertionError);
    // One that waits for the turn to be over, in which its record leaves, is not caught by a disk that takes no time.
    await powerCuts(careless(turn), { states: 20, disk: { stale: false }, slow: false });
  });

  it.each<StoreOperationKind>(['sync', 'syncDir'])('catches a disk, or code, that forgets every %s', async (kind) => {
    const forgets = powerCuts(shopTest, { disk: { stale: false, pretend: (operation) => operation.kind === kind } });
    await assertViolation(forgets);
  });

  it('catches a replacement that forgets the fsync before the rename', async () => {
    const test = (syncs: boolean): PowerCutTest<string> => ({
      use: async (disk, promise) => {
        for (const version of ['one', 'two', 'three']) {
          const file = await makeFile(disk, 'state.tmp', version);
          if (syncs) await did(file.sync());
          await did(disk.rename('state.tmp', 'state'));
          await did(disk.syncDir());
          promise(version);
        }
      },
      check: async (disk, promises) => {
        if (promises.length === 0) return;
        const content = await contentOf(await did(disk.open('state', 'read')));
        const versions = ['one', 'two', 'three'];
        assert.ok(versions.indexOf(content) >= versions.indexOf(promises.at(-1)!), content);
      },
    });
    await expect(powerCuts(test(true))).resolves.toMatchObject({ states: expect.any(Number) });
    const violation = await assertViolation(powerCuts(test(false)));
    expect(violation.message).toContain('rename state.tmp to state');
  });

  it('catches a recovery that a second power cut ruins', async () => {
    // What was fsync'd is copied over in place at each opening, without a file of its own.
    const test = (careful: boolean): PowerCutTest<string> => ({
      use: async (disk, promise) => {
        const file = await makeFile(disk, 'state', 'content');
        await did(file.sync());
        await did(disk.syncDir());
        promise('content');
      },
      check: async (disk, promises) => {
        if (promises.length === 0) return;
        const content = await contentOf(await did(disk.open('state', 'read')));
        assert.equal(content, 'content');
        const copy = await makeFile(disk, careful ? 'state.tmp' : 'state', content);
        await did(copy.sync());
        if (!careful) return;
        await did(disk.rename('state.tmp', 'state'));
        await did(disk.syncDir());
      },
    });
    await powerCuts(test(true), { nested: 10 });
    const violation = await assertViolation(powerCuts(test(false), { nested: 10 }));
    expect(violation.replay).toMatch(/^\d+:\d+:\d+\/\d+:\d+$/);
    expect(violation.message).toMatch(
      /cut: behind event \d+, and again behind event \d+ of the check\n {4}truncate state/,
    );
    // Without a second cut nothing is wrong.
    await powerCuts(test(false), { nested: 0 });
    // And the replay makes that very state again.
    const again = await assertViolation(powerCuts(test(false), { replay: violation.replay }));
    expect(again.message).toBe(violation.message);
    expect(again.files).toEqual(violation.files);
  });

  it('counts promises that the check makes, when the power goes again', async () => {
    const counted: number[] = [];
    const report = await powerCuts<string>(
      {
        use: () => undefined,
        check: async (disk, promises, promise) => {
          const names = await did(disk.list());
          expect(promises.every((name) => names.includes(name))).toBe(true);
          counted.push(promises.length);
          await did((await makeFile(disk, 'new', 'x')).sync());
          await did(disk.syncDir());
          promise('new');
        },
      },
      { nested: 20 },
    );
    expect(report).toEqual({ uses: 2, points: 2, states: 2, distinct: 1, nested: 40 });
    expect(new Set(counted)).toEqual(new Set([0, 1]));
  });
});

describe('a violation', () => {
  /** Breaks where two sectors are there and the third is not. */
  const test: PowerCutTest = {
    use: async (disk, _promise, random) => {
      const file = await makeFile(disk, 'f', '');
      await did(disk.syncDir());
      const bytes = Buffer.alloc(512, Math.floor(random() * 256));
      for (let sector = 0; sector < 3; sector += 1) await did(file.write([bytes], 512 * sector));
    },
    check: async (disk) => {
      if (!(await did(disk.list())).includes('f')) return;
      const file = await did(disk.open('f', 'read'));
      const there = [...(await did(file.read(0, 2000)))].filter((byte, at) => at % 512 === 0 && byte !== 0).length;
      if (there === 2) throw new RangeError('two of three');
    },
  };

  it('says what the check said, where the cut was, what was left, and how to see it again', async () => {
    const violation = await assertViolation(powerCuts(test, { seed: 5 }));
    const [, point] = violation.replay.split(':');
    const files = [...violation.files].map(([name, content]) => `${name} (${content.length} bytes)`).join(', ');
    expect(violation).toMatchObject({ name: 'PowerCutViolation', seed: 5, cause: new RangeError('two of three') });
    expect(violation.journal).toHaveLength(Number(point));
    expect(violation.message.split('\n')).toEqual([
      'After a power cut: RangeError: two of three',
      `  cut: behind event ${point}`,
      ...['create f', 'syncDir', 'write f, 512 bytes at 0', 'write f, 512 bytes at 512', 'write f, 512 bytes at 1024']
        .slice(0, Number(point))
        .map((event) => `    ${event}`),
      `  left: ${files}`,
      `  again: powerCuts(test, { seed: 5, replay: '${violation.replay}' })`,
    ]);
  });

  it('is made again, byte for byte, by its seed and its replay, and nothing else is', async () => {
    for (const seed of [1, 2, 3]) {
      const first = await assertViolation(powerCuts(test, { seed }));
      const second = await assertViolation(powerCuts(test, { seed, replay: first.replay }));
      expect(second.message).toBe(first.message);
      expect(second.files).toEqual(first.files);
      const same = await assertViolation(powerCuts(test, { seed }));
      expect(same.files).toEqual(first.files);
    }
    expect(await powerCuts(test, { replay: '1:0:0' })).toEqual({
      uses: 1,
      points: 1,
      states: 1,
      distinct: 1,
      nested: 0,
    });
  });
});

describe('options', () => {
  const writes: PowerCutTest = {
    use: async (disk, _promise, random) => {
      const file = await makeFile(disk, 'f', `${random()}`);
      await did(file.sync());
      await did(disk.syncDir());
    },
    check: () => undefined,
  };

  it('states: stops where there are enough, and where there are no more', async () => {
    const enough = await powerCuts(writes, { states: 40, nested: 0, disk: { stale: false } });
    expect(enough.distinct).toBeGreaterThanOrEqual(40);
    expect(enough.uses).toBeGreaterThan(5);
    const same: PowerCutTest = { ...writes, use: (disk) => did(disk.open('f', 'create')) };
    expect(await powerCuts(same, { states: 1000, nested: 0 })).toMatchObject({ uses: 2, points: 4, distinct: 2 });
  });

  it('seed: another one gives other states', async () => {
    const contents = async (seed: number): Promise<Set<string>> => {
      const seen = new Set<string>();
      const check: PowerCutTest['check'] = (disk) => {
        for (const content of disk.snapshot().values()) seen.add(Buffer.from(content).toString());
      };
      await powerCuts({ ...writes, check }, { seed, states: 10 });
      return seen;
    };
    expect(await contents(1)).toEqual(await contents(1));
    expect(await contents(1)).not.toEqual(await contents(2));
  });

  it('disk: what use begins with, and what its files can do', async () => {
    const began: string[][] = [];
    const files = filesOf(segmentBytes(1, []));
    await powerCuts(
      {
        use: async (disk) => {
          began.push([...(await did(disk.list()))]);
          expect((await did(disk.open('wal_00000000.log', 'write'))).writeDurable).toBeDefined();
        },
        check: async (disk) => {
          expect(await did(disk.list())).toEqual(['wal_00000000.log']);
          expect((await did(disk.open('wal_00000000.log', 'write'))).writeDurable).toBeDefined();
        },
      },
      { disk: { files, durableWrites: true } },
    );
    expect(began).toEqual([['wal_00000000.log'], ['wal_00000000.log']]);
  });

  it('signal: stops it', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let checks = 0;
    const check = (): void => {
      checks += 1;
      if (checks === 5) controller.abort(reason);
    };
    await expect(powerCuts({ ...writes, check }, { states: 1e6, signal: controller.signal })).rejects.toBe(reason);
    expect(checks).toBeLessThan(30);
  });

  it.each([
    [{ states: 0 }, RangeError, 'states must be an integer of at least 1, not 0'],
    [{ seed: -1 }, RangeError, 'seed must be an integer of at least 0, not -1'],
    [{ nested: 1.5 }, RangeError, 'nested must be an integer of at least 0, not 1.5'],
    [{ replay: '7:x' }, TypeError, "replay must be like '1:133:2' or '1:133:2/5:0', not '7:x'"],
    [{ replay: '1:99:0' }, RangeError, 'point must be an integer from 0 to 4, not 99'],
  ])('%j: %p', async (options, type, message) => {
    const refused: unknown = await powerCuts(writes, options).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(type);
    expect(refused).toMatchObject({ message });
  });

  it('a use that fails is no violation', async () => {
    const broken = new Error('no use');
    await expect(powerCuts({ ...writes, use: () => Promise.reject(broken) })).rejects.toBe(broken);
  });
});

describe('steps', () => {
  it('may be plain, promises, or Observables', async () => {
    const order: string[] = [];
    await powerCuts(
      {
        use: (disk, promise) =>
          concat(
            disk.open('a', 'create'),
            defer(() => {
              order.push('used');
              promise('made');
              return EMPTY;
            }),
          ),
        check: (disk) =>
          disk.list().pipe(
            map((names) => order.push(`checked ${names.join()}`)),
            ignoreElements(),
          ),
      },
      { nested: 0 },
    );
    expect(order.slice(0, 4)).toEqual(['used', 'checked ', 'checked ', 'checked a']);
    const failing = powerCuts({
      use: () => undefined,
      check: () =>
        defer(() => {
          throw new Error('from within');
        }),
    });
    await assertViolation(failing);
  });

  it('work on a log with bytes', async () => {
    let most = 0;
    await powerCuts<number>(
      {
        async use(disk, promise) {
          const wal = await lastValueFrom(recoverWal<Uint8Array>(disk, RAW));
          wal.acks$.subscribe(({ lsn }) => promise(lsn));
          for (let lsn = 1; lsn <= 10; lsn += 1) wal.next(Uint8Array.of(lsn));
          await wal.close();
        },
        async check(disk, promises) {
          const wal = await lastValueFrom(recoverWal<Uint8Array>(disk, RAW));
          const read = await lastValueFrom(wal.read().pipe(toArray()));
          assert.deepEqual(
            read.map(({ value }) => value[0]),
            read.map((_, index) => index + 1),
          );
          assert.ok(read.length >= promises.length);
          most = Math.max(most, promises.length);
          await wal.close();
        },
      },
      { states: 11, disk: { files: filesOf(segmentBytes(1, [])), stale: false } },
    );
    expect(most).toBe(10);
  });
});
