import { map } from 'rxjs';
import { rawCodec, type Durability, type Wal } from 'rxwal';
import { marblePlan, memoryWal, virtualTime, type MemoryStore } from 'rxwal/testing';

/** A record of 100 bytes on disk: a frame takes 16 and the payload 84. */
const record = () => new Uint8Array(84);
/** A header takes 32 bytes, and each batch but the first of a log may begin with a mark of 16. */
const room = (batches: number) => 32 + batches * (100 + 16);

const open = (maxSegmentBytes: number, files?: ReadonlyMap<string, Uint8Array>) =>
  memoryWal<Uint8Array>({ codec: rawCodec(), maxSegmentBytes, files });

const segmentsOf = (store: MemoryStore): string[] =>
  [...store.snapshot().keys()].filter((name) => name.startsWith('wal_')).sort();

const lsnsOf = (wal: Wal<Uint8Array>): number[] => {
  const lsns: number[] = [];
  wal.read().subscribe(({ lsn }) => lsns.push(lsn));
  return lsns;
};

describe('rotation by size', () => {
  it('ends a segment with the batch that takes it to maxSegmentBytes', async () => {
    const { wal, store } = open(room(2));
    await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(1);
    await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(2);
    await wal.append(record());
    await wal.append(record());
    expect(segmentsOf(store)).toEqual(['wal_00000000.log', 'wal_00000001.log', 'wal_00000002.log']);
    expect(lsnsOf(wal)).toEqual([1, 2, 3, 4]);
  });

  it('never splits a batch: the one that crosses the limit is whole in its segment', () => {
    virtualTime(({ flush, cold, expectObservable }) => {
      const { wal, store } = memoryWal<Uint8Array>({
        codec: rawCodec(),
        maxSegmentBytes: room(1),
        plan: marblePlan({ sync: '---|' }),
      });
      cold('a(bcdef)').subscribe(() => wal.next(record()));
      const where$ = wal.commits$.pipe(map(({ segment, records }) => `${records} in ${segment}`));
      // Between: the fsync of the full segment, and that of the new one's header.
      expectObservable(where$).toBe('---a--------b', { a: '1 in 0', b: '5 in 1' });
      flush();
      expect(segmentsOf(store)).toHaveLength(3);
    });
  });

  it('counts what an earlier opening wrote', async () => {
    const limit = 32 + 3 * 100;
    const before = open(limit);
    before.wal.next(record());
    await before.wal.close();
    const { wal, store } = open(limit, before.store.snapshot());
    await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(1);
    await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(2);
    expect(lsnsOf(wal)).toEqual([1, 2, 3]);
  });

  it('gives each record larger than the limit a segment of its own', async () => {
    const { wal, store } = open(64);
    for (let i = 0; i < 3; i += 1) await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(4);
    expect(lsnsOf(wal)).toEqual([1, 2, 3]);
  });

  it('may be set otherwise from one opening to the next', async () => {
    const before = open(room(1));
    for (let i = 0; i < 3; i += 1) await before.wal.append(record());
    await before.wal.close();
    const { wal, store } = open(room(100), before.store.snapshot());
    for (let i = 0; i < 3; i += 1) await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(4);
    expect(lsnsOf(wal)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  const modes: Durability[] = [
    { mode: 'sync' },
    { mode: 'batch', maxDelayMs: 2, maxRecords: 4 },
    { mode: 'adaptive', targetIntervalMs: 2 },
    { mode: 'nosync' },
  ];

  it.each(modes)('$mode: loses nothing and keeps the order over many segments', (durability) => {
    virtualTime(({ cold, flush }) => {
      const { wal, store } = memoryWal<string>({
        durability,
        maxSegmentBytes: 100,
        plan: marblePlan({ write: '-|', sync: '--|', create: '---|', syncDir: '-|' }),
      });
      const values = 'abcdefghijklmnopqrstuvwxyz';
      const lsns: number[] = [];
      wal.acks$.subscribe(({ lsn }) => lsns.push(lsn));
      cold(`${values.replace('m', '(mmm)')}|`).subscribe(wal);
      flush();
      expect(segmentsOf(store).length).toBeGreaterThan(3);
      const again = memoryWal<string>({ files: store.durableSnapshot() }).wal;
      const read: string[] = [];
      again.read().subscribe(({ value }) => read.push(value));
      expect(read.join('')).toBe(values.replace('m', 'mmm'));
      expect(lsns).toEqual(read.map((_, index) => index + 1));
    });
  });

  it('nosync: what a full segment holds is durable before the next one is there', async () => {
    const { wal, store } = memoryWal<Uint8Array>({
      codec: rawCodec(),
      maxSegmentBytes: room(2),
      durability: { mode: 'nosync' },
    });
    await wal.append(record());
    expect(wal.durableLsn).toBe(0);
    await wal.append(record());
    expect(segmentsOf(store)).toHaveLength(2);
    expect(wal.durableLsn).toBe(2);
    expect(memoryWal({ codec: rawCodec(), files: store.durableSnapshot() }).wal.lastLsn).toBe(2);
  });
});

describe('logFiles()', () => {
  it('names the segments, oldest first, as paths', async () => {
    const { wal } = open(room(1));
    await wal.append(record());
    await wal.append(record());
    await expect(wal.logFiles()).resolves.toEqual([
      'memory/wal_00000000.log',
      'memory/wal_00000001.log',
      'memory/wal_00000002.log',
    ]);
  });

  it('of a new log has one segment already', async () => {
    await expect(memoryWal().wal.logFiles()).resolves.toEqual(['memory/wal_00000000.log']);
  });
});

describe('recordCount', () => {
  it('counts the records over all segments', () => {
    const { wal } = open(room(1));
    expect(wal.recordCount).toBe(0);
    for (let i = 1; i <= 5; i += 1) {
      wal.next(record());
      expect(wal.recordCount).toBe(i);
    }
  });

  it('counts what an earlier opening left', async () => {
    const before = open(room(1));
    for (let i = 0; i < 5; i += 1) await before.wal.append(record());
    await before.wal.close();
    expect(open(room(1), before.store.snapshot()).wal.recordCount).toBe(5);
  });

  it('goes down by what a checkpoint removed', async () => {
    const { wal } = open(room(2));
    for (let i = 0; i < 5; i += 1) await wal.append(record());
    await wal.checkpoint({ lsn: 4 });
    expect(wal.recordCount).toBe(1);
  });
});
