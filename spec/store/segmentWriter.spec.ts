import { EMPTY, concat, defer, ignoreElements, map, mergeMap, of, tap, type Observable } from 'rxjs';
import { HEADER_BYTES, decodeHeader, encodeHeader } from '../../src/format/header';
import { SegmentWriter, type SegmentWriterOptions } from '../../src/store/segmentWriter';
import type { SegmentFile, SegmentStore } from '../../src/store/segmentStore';
import {
  fault,
  marblePlan,
  memoryStore,
  memoryWal,
  virtualTime,
  type MemoryStore,
  type StoreOperation,
} from '../../src/testing';

const NAME = 'wal_00000007.log';
const HEADER = { firstLsn: 42, logId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
const NO_ZEROS = { preallocateBytes: 0, maxSegmentBytes: 1 << 20 };
const ZEROS = { preallocateBytes: 1024, maxSegmentBytes: 1 << 20 };

type Plan = NonNullable<NonNullable<Parameters<typeof memoryStore>[0]>['plan']>;

/** A segment with a header, in a store whose plan begins when it is there. */
function segment(options: SegmentWriterOptions, plan?: Plan): { writer: SegmentWriter; store: MemoryStore } {
  let writer: SegmentWriter | undefined;
  const store = memoryStore({ plan: (operation) => (writer ? plan?.(operation) : undefined) });
  SegmentWriter.create(store, 7, HEADER, options).subscribe((made) => (writer = made));
  return { writer: writer!, store };
}

function piece(length: number, fill = 1): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

/** What was asked of the store behind the making of the segment. */
function asked({ operations }: MemoryStore): string[] {
  return operations.slice(4).map(shown);
}

function shown({ kind, position, bytes }: StoreOperation): string {
  return position === undefined ? kind : `${kind} ${bytes}@${position}`;
}

/** The file without its header, and without the zeros at its end. */
function content(files: Map<string, Uint8Array>): number[] {
  const bytes = files.get(NAME)!.subarray(HEADER_BYTES);
  return [...bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1)];
}

function size(files: Map<string, Uint8Array>): number {
  return files.get(NAME)!.length;
}

/** The writes of zeros laid ahead. */
function zerosIn(store: MemoryStore): string[] {
  return asked(store).filter((operation) => operation.startsWith(`write ${ZEROS.preallocateBytes}@`));
}

/** Gives the laying of zeros its time, the write and the fsync behind it. What else there is takes none. */
function zerosTake(timelines: Parameters<typeof marblePlan>[0], failure?: unknown): Plan {
  const plan = marblePlan(timelines, failure);
  let written = false;
  return (operation) => {
    const isZeros = operation.kind === 'write' && operation.bytes === ZEROS.preallocateBytes;
    if (isZeros) {
      return (plan(operation) ?? EMPTY).pipe(tap({ complete: () => (written = true) }));
    }
    if (operation.kind !== 'sync' || !written) return undefined;
    written = false;
    return plan(operation);
  };
}

/** What becomes of an operation that takes no time. */
function outcome(operation: Observable<unknown>): unknown {
  let seen: unknown = 'pending';
  operation.subscribe({ error: (error: unknown) => (seen = error), complete: () => (seen = 'done') });
  return seen;
}

/** A batch as it is committed where one call cannot do both. */
function commit(writer: SegmentWriter, bytes: number, fill?: number): Observable<void> {
  return concat(writer.write([piece(bytes, fill)], bytes).pipe(ignoreElements()), writer.sync());
}

function at(source: Observable<unknown>, value: string): Observable<string> {
  return concat(source.pipe(ignoreElements()), of(value));
}

describe('SegmentWriter', () => {
  describe('create', () => {
    it('makes the file, writes its header, fsyncs it, then the directory, and only then is there', () => {
      virtualTime(({ expectObservable }) => {
        const plan = marblePlan({ create: '-|', write: '--|', sync: '---|', syncDir: '----|' });
        const store = memoryStore({ plan });
        const made = SegmentWriter.create(store, 7, HEADER, NO_ZEROS).pipe(
          map(({ sequence, position }) => [sequence, position]),
        );
        expectObservable(made).toBe('1ms 2ms 3ms 4ms (m|)', { m: [7, HEADER_BYTES] });
        expectObservable(defer(() => of(store.operations.map(shown)))).toBe('(a|)', { a: ['create'] });
      });
    });

    it('asks for nothing more than that', () => {
      const { writer, store } = segment(ZEROS);
      expect(store.operations).toEqual([
        { kind: 'create', file: NAME },
        { kind: 'write', file: NAME, position: 0, bytes: HEADER_BYTES },
        { kind: 'sync', file: NAME },
        { kind: 'syncDir', file: '' },
      ]);
      expect(decodeHeader(store.durableSnapshot().get(NAME)!, NAME)).toEqual({ ...HEADER, groups: true });
      expect([writer.sequence, writer.position]).toEqual([7, HEADER_BYTES]);
    });

    it('is cold, and begins with an empty file each time', () => {
      const store = memoryStore({ files: new Map([[NAME, piece(100)]]) });
      const made = SegmentWriter.create(store, 7, HEADER, NO_ZEROS);
      expect(store.operations).toEqual([]);
      made.subscribe();
      made.subscribe();
      expect(store.snapshot().get(NAME)).toEqual(encodeHeader(HEADER));
    });

    it.each([
      ['create', 0, []],
      ['write', 1, ['close']],
      ['sync', 2, ['close']],
      ['syncDir', 3, ['close']],
    ])('fails where its %s does, does nothing more, and closes the file', (kind, before, after) => {
      virtualTime(({ expectObservable, flush }) => {
        const store = memoryStore({ plan: marblePlan({ [kind]: '-#' }, fault('ENOSPC')) });
        expectObservable(SegmentWriter.create(store, 7, HEADER, NO_ZEROS)).toBe('-#', {}, fault('ENOSPC'));
        flush();
        const kinds = store.operations.map((operation) => operation.kind);
        expect(kinds).toEqual([...['create', 'write', 'sync', 'syncDir'].slice(0, before), kind, ...after]);
      });
    });

    it('fails with what failed first where the file cannot be closed either', () => {
      virtualTime(({ expectObservable }) => {
        const plan = ({ kind }: StoreOperation): Observable<never> | undefined => {
          if (kind === 'sync') return marblePlan({ sync: '-#' }, fault('EIO'))({ kind, file: '' }) as Observable<never>;
          if (kind === 'close')
            return marblePlan({ close: '-#' }, fault('EBADF'))({ kind, file: '' }) as Observable<never>;
          return undefined;
        };
        const store = memoryStore({ plan });
        expectObservable(SegmentWriter.create(store, 7, HEADER, NO_ZEROS)).toBe('--#', {}, fault('EIO'));
      });
    });
  });

  describe('write', () => {
    it('puts each behind the last', () => {
      const { writer, store } = segment(NO_ZEROS);
      writer.write([piece(2, 1), piece(1, 2)], 3).subscribe();
      writer.write([piece(4, 3)], 4).subscribe();
      expect(asked(store)).toEqual(['write 3@32', 'write 4@35']);
      expect(content(store.snapshot())).toEqual([1, 1, 2, 3, 3, 3, 3]);
      expect(writer.position).toBe(39);
    });

    it('is cold: takes its place when it is subscribed', () => {
      const { writer, store } = segment(NO_ZEROS);
      const second = writer.write([piece(1, 2)], 1);
      writer.write([piece(1, 1)], 1).subscribe();
      second.subscribe();
      expect(content(store.snapshot())).toEqual([1, 2]);
    });

    it('goes on where it is told to', () => {
      const store = memoryStore({ files: new Map([[NAME, piece(50, 9)]]) });
      let file: SegmentFile | undefined;
      store.open(NAME, 'write').subscribe((opened) => (file = opened));
      const writer = new SegmentWriter(7, file!, 48, NO_ZEROS);
      writer.write([piece(4, 1)], 4).subscribe();
      expect([...store.snapshot().get(NAME)!.subarray(46)]).toEqual([9, 9, 1, 1, 1, 1]);
    });

    it('makes nothing durable; sync does', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { writer, store } = segment(NO_ZEROS, marblePlan({ write: '-|', sync: '---|' }));
        const both = concat(at(writer.write([piece(3)], 3), 'w'), at(writer.sync(), 's'));
        expectObservable(both).toBe('-w--(s|)');
        const looks = cold('-----a|').pipe(map(() => content(store.durableSnapshot())));
        const early = cold('---a|').pipe(map(() => content(store.durableSnapshot())));
        expectObservable(looks).toBe('-----a|', { a: [1, 1, 1] });
        expectObservable(early).toBe('---a|', { a: [] });
      });
    });

    it('fails as the file does', () => {
      virtualTime(({ expectObservable, flush }) => {
        const { writer, store } = segment(ZEROS, marblePlan({ write: '--#' }, fault('ENOSPC')));
        expectObservable(writer.write([piece(3)], 3)).toBe('--#', {}, fault('ENOSPC'));
        flush();
        expect(asked(store)).toEqual(['write 3@32']);
      });
    });

    it('is durable by itself exactly where a write of the file is', () => {
      expect(segment(NO_ZEROS).writer.writeDurable).toBeUndefined();

      const { writer, store } = durableSegment(NO_ZEROS);
      writer.writeDurable!([piece(2, 5)], 2).subscribe();
      writer.write([piece(1, 6)], 1).subscribe();
      writer.writeDurable!([piece(1, 7)], 1).subscribe();
      expect(content(store.durableSnapshot())).toEqual([5, 5, 6, 7]);
      expect(asked(store)).toEqual(['write 2@32', 'sync', 'write 1@34', 'write 1@35', 'sync']);
    });
  });

  describe('zeros', () => {
    it('are laid ahead behind the first small batch, in the background, and made durable', () => {
      virtualTime(({ expectObservable, flush }) => {
        const { writer, store } = durableSegment(ZEROS, zerosTake({ write: '-----|', sync: '---|' }));
        expectObservable(at(writer.writeDurable!([piece(8)], 8), 'w')).toBe('(w|)');
        flush();
        expect(zerosIn(store)).toEqual(['write 1024@40']);
        expect(asked(store).at(-1)).toBe('sync');
        expect(size(store.durableSnapshot())).toBe(40 + 1024);
        expect(content(store.durableSnapshot())).toEqual([...piece(8)]);
      });
    });

    it('are laid behind a write and its fsync too', () => {
      const { writer, store } = segment(ZEROS);
      commit(writer, 8).subscribe();
      expect(zerosIn(store)).toEqual(['write 1024@40']);
      expect(size(store.durableSnapshot())).toBe(40 + 1024);
    });

    it('are not laid where none are asked for', () => {
      const { writer, store } = segment(NO_ZEROS);
      for (let n = 0; n < 10; n += 1) commit(writer, 8).subscribe();
      expect(asked(store).filter((operation) => operation !== 'sync')).toHaveLength(10);
    });

    it('are not laid behind the last mark of a log, to be trimmed at once', async () => {
      const { wal, store } = memoryWal<string>({ preallocateBytes: ZEROS.preallocateBytes });
      await wal.close();
      expect(zerosIn(store)).toEqual([]);
      expect(store.operations.slice(-5).map(({ kind }) => kind)).toEqual([
        'write',
        'truncate',
        'sync',
        'close',
        'unlock',
      ]);
    });

    it('are laid a step further when less than half a step is left', () => {
      const { writer, store } = segment(ZEROS);
      for (let n = 0; n < 16; n += 1) commit(writer, 64).subscribe();
      // 512 of the first 1,024 are used up behind the ninth batch.
      expect(zerosIn(store)).toEqual([`write 1024@${32 + 64}`, `write 1024@${32 + 64 + 1024}`]);
      expect(writer.position).toBe(32 + 16 * 64);
    });

    it('let a batch that overwrites the last ones go on while the next are laid', () => {
      virtualTime(({ cold, expectObservable, flush }) => {
        // The first 1,024 zeros at once; the next ones take 20 to write.
        const { writer, store } = durableSegment(ZEROS, zerosTake({ write: ['|', '20ms |'] }));
        const put = (): Observable<void> => writer.writeDurable!([piece(64)], 64);
        for (let n = 0; n < 9; n += 1) put().subscribe();
        expect(asked(store).at(-1)).toBe(`write 1024@${32 + 64 + 1024}`);
        const two = cold('-a----b|').pipe(mergeMap((name) => at(put(), name)));
        expectObservable(two).toBe('-a----b|');
        flush();
        expect(size(store.snapshot())).toBe(32 + 64 + 2048);
      });
    });

    it.each([
      ['write', segment],
      ['durable write', durableSegment],
    ])('make a %s that reaches into the space being filled wait, and never come down on top of it', (_, make) => {
      virtualTime(({ cold, expectObservable, flush }) => {
        // The zeros behind the first batch take 8 + 2. b and c wait for those.
        const { writer, store } = make(ZEROS, zerosTake({ write: '--------|', sync: '--|' }));
        const put = (): Observable<void> => writer.writeDurable?.([piece(4)], 4) ?? writer.write([piece(4)], 4);
        commit(writer, 4).subscribe();
        const writes = cold('   ---b-----------c|').pipe(mergeMap((name) => at(put(), name)));
        expectObservable(writes).toBe('----------b----c|');
        flush();
        expect(zerosIn(store)).toEqual(['write 1024@36']);
        expect(content(store.snapshot())).toEqual([...piece(12)]);
      });
    });

    it.each([
      ['a write and an fsync', segment],
      ['durable writes', durableSegment],
    ])('whatever the sizes and times, with %s: nothing that was written is ever zero again', (_, make) => {
      virtualTime(({ flush }) => {
        const { writer, store } = make(
          { preallocateBytes: 128, maxSegmentBytes: 1 << 20 },
          marblePlan({ write: ['-|', '---|', '|', '-----|', '--|'], sync: ['-|', '---|', '|', '-----|', '--|'] }),
        );
        const sizes = Array.from({ length: 100 }, (_each, index) => 1 + ((index * 7) % 20));
        concat(...sizes.map((bytes, index) => commit(writer, bytes, 1 + index))).subscribe();
        flush();
        expect(writer.position).toBe(HEADER_BYTES + sizes.reduce((sum, bytes) => sum + bytes, 0));
        expect(asked(store).filter((operation) => operation.startsWith('write 128@')).length).toBeGreaterThan(5);
        expect(content(store.durableSnapshot())).toEqual(sizes.flatMap((bytes, index) => [...piece(bytes, 1 + index)]));
      });
    });

    it('are not laid behind a large batch, which would write every byte twice', () => {
      const { writer, store } = segment(ZEROS);
      commit(writer, 129).subscribe();
      commit(writer, 5000).subscribe();
      expect(zerosIn(store)).toEqual([]);
      commit(writer, 128).subscribe();
      expect(zerosIn(store)).toEqual(['write 1024@5289']);
    });

    it('are laid behind the bytes, where a large batch has gone past those there were', () => {
      const { writer, store } = segment(ZEROS);
      commit(writer, 8).subscribe();
      commit(writer, 3000, 2).subscribe();
      commit(writer, 8, 3).subscribe();
      expect(zerosIn(store)).toEqual(['write 1024@40', 'write 1024@3048']);
      expect(content(store.snapshot())).toEqual([...piece(8), ...piece(3000, 2), ...piece(8, 3)]);
    });

    it('end at maxSegmentBytes', () => {
      const { writer, store } = segment({ preallocateBytes: 1024, maxSegmentBytes: 1500 });
      for (let n = 0; n < 30; n += 1) commit(writer, 64).subscribe();
      const zeros = asked(store).filter((operation) => operation !== 'sync' && !operation.startsWith('write 64@'));
      expect(zeros).toEqual(['write 1024@96', 'write 380@1120']);
    });

    it.each(['ENOSPC', 'EDQUOT', 'EFBIG'])(
      'that find no space (%s) are no failure: the log goes on without them',
      (code) => {
        const { writer, store } = segment(ZEROS, zerosTake({ write: '#' }, fault(code)));
        for (let n = 0; n < 3; n += 1) expect(outcome(commit(writer, 8))).toBe('done');
        expect(zerosIn(store)).toEqual(['write 1024@40']);
        expect(content(store.durableSnapshot())).toEqual([...piece(24)]);
        expect(outcome(writer.seal())).toBe('done');
      },
    );

    it('that find no space let the write go on that waits for them', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { writer } = segment(ZEROS, zerosTake({ write: '-----#' }, fault('ENOSPC')));
        commit(writer, 4).subscribe();
        const writes = cold('---b|').pipe(mergeMap((name) => at(writer.write([piece(4)], 4), name)));
        expectObservable(writes).toBe('-----(b|)');
      });
    });

    // It is an fsync of the segment: the kernel reports a lost page once for each descriptor, and calls it clean from then on.
    // What was lost may be the log's own bytes, and the next fsync would say that they are durable.
    describe.each([
      ['whose fsync fails', { sync: '#' }],
      ['that cannot be written, and not for want of space,', { write: '#' }],
    ])('%s', (_, timelines) => {
      it.each<[string, (writer: SegmentWriter) => Observable<void>]>([
        ['write', (writer) => writer.write([piece(8)], 8)],
        ['durable write, which has no fsync of its own,', (writer) => writer.writeDurable!([piece(8)], 8)],
        ['fsync', (writer) => writer.sync()],
        ['seal', (writer) => writer.seal()],
      ])('make the next %s fail, and no fsync is tried', (_operation, next) => {
        const { writer, store } = durableSegment(ZEROS, zerosTake(timelines, fault('EIO')));
        expect(outcome(writer.writeDurable!([piece(8)], 8))).toBe('done');
        const fsyncs = (): number => asked(store).filter((operation) => operation === 'sync').length;
        const before = fsyncs();
        expect(outcome(next(writer))).toEqual(fault('EIO'));
        expect(outcome(next(writer))).toEqual(fault('EIO'));
        expect(fsyncs()).toBe(before);
        expect(outcome(writer.abandon())).toBe('done');
      });
    });

    it.each<['write' | 'sync']>([['write'], ['sync']])(
      'of which %s throws where it should give an Observable, too',
      (call) => {
        const store = memoryStore();
        let writer: SegmentWriter | undefined;
        store.open(NAME, 'create').subscribe((file) => {
          const throwing: SegmentFile = {
            ...file,
            writeDurable: (pieces, position) => file.write(pieces, position),
            [call]: () => {
              throw fault('EIO');
            },
          };
          writer = new SegmentWriter(7, throwing, HEADER_BYTES, ZEROS);
        });
        // The record has its space; the zeros behind it have not.
        expect(outcome(writer!.writeDurable!([piece(8)], 8))).toBe('done');
        expect(outcome(writer!.writeDurable!([piece(8)], 8))).toEqual(fault('EIO'));
        expect(outcome(writer!.seal())).toEqual(fault('EIO'));
        expect(store.operations.filter(({ kind }) => kind === 'truncate')).toEqual([]);
      },
    );

    it('whose fsync fails while another is on its way make that fail too, though it went well itself', () => {
      virtualTime(({ cold, expectObservable }) => {
        const { writer } = durableSegment(ZEROS, zerosTake({ write: '--|', sync: '-----#' }, fault('EIO')));
        writer.writeDurable!([piece(8)], 8).subscribe();
        // The zeros are written at 2, and their fsync fails at 7.
        const next = cold('   ---b|').pipe(mergeMap(() => writer.sync()));
        expectObservable(next).toBe('-------#', {}, fault('EIO'));
      });
    });
  });

  describe('seal', () => {
    it('trims the zeros, fsyncs and closes, in that order', () => {
      virtualTime(({ expectObservable, flush }) => {
        const { writer, store } = segment(ZEROS, marblePlan({ truncate: '-|', close: '---|' }));
        commit(writer, 8).subscribe();
        expectObservable(at(writer.seal(), 's')).toBe('----(s|)');
        flush();
        expect(zerosIn(store)).toHaveLength(1);
        expect(asked(store).slice(-3)).toEqual(['truncate', 'sync', 'close']);
        expect(size(store.durableSnapshot())).toBe(40);
        expect(content(store.durableSnapshot())).toEqual([...piece(8)]);
      });
    });

    it('waits for zeros that are being laid', () => {
      virtualTime(({ expectObservable, flush }) => {
        const { writer, store } = segment(ZEROS, zerosTake({ write: '----|', sync: '-|' }));
        commit(writer, 8).subscribe();
        expectObservable(at(writer.seal(), 's')).toBe('-----(s|)');
        flush();
        expect(asked(store).slice(-3)).toEqual(['truncate', 'sync', 'close']);
        expect(size(store.durableSnapshot())).toBe(40);
      });
    });

    it.each([
      ['truncate', ['truncate']],
      ['sync', ['truncate', 'sync']],
    ])('that fails at its %s stops there; the file is then closed by abandon, once', (kind, before) => {
      const { writer, store } = segment(NO_ZEROS, marblePlan({ [kind]: ['#', '|'] }, fault('EIO')));
      const failed = jest.fn();
      writer.seal().subscribe({ error: failed });
      expect(failed).toHaveBeenCalledWith(fault('EIO'));
      expect(asked(store)).toEqual(before);
      writer.abandon().subscribe();
      writer.abandon().subscribe();
      expect(asked(store)).toEqual([...before, 'close']);
    });

    it.each(['done', 'failed'])('closes once: abandon afterwards does nothing, close had %s', (how) => {
      const { writer, store } = segment(NO_ZEROS, marblePlan({ close: how === 'done' ? '|' : '#' }, fault('EIO')));
      writer.seal().subscribe({ error: () => undefined });
      const ended = jest.fn();
      writer.abandon().subscribe({ complete: ended });
      expect(ended).toHaveBeenCalledTimes(1);
      expect(asked(store)).toEqual(['truncate', 'sync', 'close']);
    });
  });

  describe('abandon', () => {
    it('closes the file as it is, once', () => {
      const { writer, store } = segment(ZEROS);
      commit(writer, 8).subscribe();
      writer.abandon().subscribe();
      writer.abandon().subscribe();
      expect(asked(store).filter((operation) => operation === 'close')).toHaveLength(1);
      expect(asked(store)).not.toContain('truncate');
      expect(size(store.snapshot())).toBe(40 + 1024);
    });

    it('waits for zeros that are being laid: their descriptor is in use', () => {
      virtualTime(({ expectObservable, flush }) => {
        const { writer, store } = segment(ZEROS, zerosTake({ write: '----|', sync: '-|' }));
        commit(writer, 8).subscribe();
        expectObservable(at(writer.abandon(), 'a')).toBe('-----(a|)');
        flush();
        expect(asked(store).at(-1)).toBe('close');
      });
    });

    it('waits for the close that another has begun', () => {
      virtualTime(({ cold, expectObservable, flush }) => {
        const { writer, store } = segment(NO_ZEROS, marblePlan({ close: '-----|' }));
        const closes = cold('a-b|').pipe(mergeMap((name) => at(writer.abandon(), name)));
        expectObservable(closes).toBe('-----(ab|)');
        flush();
        expect(asked(store)).toEqual(['close']);
      });
    });

    it('is cold', () => {
      const { writer, store } = segment(NO_ZEROS);
      void writer.abandon();
      void writer.seal();
      expect(asked(store)).toEqual([]);
    });
  });
});

/** As {@link segment}, on a store whose files write durably: a write and an fsync, seen as one by the writer. */
function durableSegment(options: SegmentWriterOptions, plan?: Plan): { writer: SegmentWriter; store: MemoryStore } {
  let writer: SegmentWriter | undefined;
  const store = memoryStore({ plan: (operation) => (writer ? plan?.(operation) : undefined) });
  const durable: SegmentStore = {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
    open: (name, access) =>
      store.open(name, access).pipe(
        map((file) => ({
          ...file,
          writeDurable: (pieces: readonly Uint8Array[], position: number) =>
            concat(file.write(pieces, position).pipe(ignoreElements()), file.sync()),
        })),
      ),
  };
  SegmentWriter.create(durable, 7, HEADER, options).subscribe((made) => (writer = made));
  return { writer: writer!, store };
}
