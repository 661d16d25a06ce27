import { isEmpty, lastValueFrom, map, toArray } from 'rxjs';
import { WalIoError, WalTruncatedError, type Wal } from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime, type MemoryStore } from 'rxwal/testing';

const filesOf = (store: MemoryStore): string[] => [...store.snapshot().keys()].sort();

const lsnsOf = (wal: Wal<string>): Promise<number[]> =>
  lastValueFrom(
    wal.read().pipe(
      map(({ lsn }) => lsn),
      toArray(),
    ),
  );

/** A log of two records a segment: 1 and 2, 3 and 4, 5. */
const logOf5 = async (options: Parameters<typeof memoryWal<string>>[0] = {}) => {
  const made = memoryWal<string>(options);
  for (const [index, value] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    made.wal.next(value);
    if (index % 2 === 1) await made.wal.rotate();
  }
  return made;
};

describe('wal.checkpoint', () => {
  it('says that nothing appended so far is needed any more', async () => {
    const { wal } = await logOf5();
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 5, epoch: 1 });
    expect(wal.lastCheckpoint).toEqual({ lsn: 5, epoch: 1 });
  });

  it('counts its epochs from 1', async () => {
    const { wal } = memoryWal<string>();
    expect(wal.checkpointEpoch).toBeUndefined();
    await wal.checkpoint();
    await wal.checkpoint();
    expect(wal.checkpointEpoch).toBe(2);
  });

  it('takes a mark of the application: LSN, epoch and transaction', async () => {
    const { wal } = await logOf5();
    const mark = { lsn: 3, epoch: 40, transactionId: 7 };
    await expect(wal.checkpoint(mark)).resolves.toEqual(mark);
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 5, epoch: 41 });
  });

  it('takes no LSN', async () => {
    const { wal } = await logOf5();
    await wal.checkpoint();
    wal.next('f');
    await wal.sync();
    expect(wal.lastLsn).toBe(6);
  });

  it('is saved before it is answered: a power cut right after keeps it', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 3 });
    const { wal: again } = memoryWal<string>({ files: store.durableSnapshot() });
    expect(again.lastCheckpoint).toEqual({ lsn: 3, epoch: 1 });
  });

  it('is behind what was appended before it: that is durable when it is answered', async () => {
    const { wal } = memoryWal<string>({ isCommit: () => false });
    wal.next('a');
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 1, epoch: 1 });
    expect(wal.durableLsn).toBe(1);
  });

  it('of an empty log is one of LSN 0', async () => {
    const { wal } = memoryWal<string>();
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 0, epoch: 1 });
  });

  it('may be called again before the last one is done: each is answered, in order', async () => {
    const { wal } = await logOf5();
    const all = [wal.checkpoint({ lsn: 2 }), wal.checkpoint({ lsn: 2 }), wal.checkpoint({ lsn: 4 })];
    await expect(Promise.all(all)).resolves.toEqual([
      { lsn: 2, epoch: 1 },
      { lsn: 2, epoch: 2 },
      { lsn: 4, epoch: 3 },
    ]);
  });

  it('does not hold up the commits behind it', () => {
    virtualTime(({ cold, expectObservable }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ rename: '500ms |', sync: '--|' }) });
      wal.next('a');
      cold('              ---x').subscribe(() => void wal.checkpoint());
      cold('              ------b').subscribe((value) => wal.next(value));
      expectObservable(wal.durable$).toBe('0-1-----2', [0, 1, 2]);
    });
  });
});

describe('the removal of segments', () => {
  it('takes those that lie wholly at or below the checkpoint, oldest first', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 4 });
    expect(filesOf(store)).toEqual(['checkpoint.meta', 'wal_00000002.log']);
    expect(store.operations.filter(({ kind }) => kind === 'remove').map(({ file }) => file)).toEqual([
      'wal_00000000.log',
      'wal_00000001.log',
    ]);
    await expect(wal.logFiles()).resolves.toEqual(['memory/wal_00000002.log']);
  });

  it('leaves a segment with a record above the checkpoint, and all of its records readable', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 3 });
    expect(filesOf(store)).toEqual(['checkpoint.meta', 'wal_00000001.log', 'wal_00000002.log']);
    await expect(lsnsOf(wal)).resolves.toEqual([3, 4, 5]);
  });

  it('leaves the segment that is being written, also where all of it is below', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 5 });
    expect(filesOf(store)).toEqual(['checkpoint.meta', 'wal_00000002.log']);
    await expect(lsnsOf(wal)).resolves.toEqual([5]);
  });

  it('takes nothing where nothing lies wholly below', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 1 });
    expect(filesOf(store)).toHaveLength(4);
  });

  it('comes after checkpoint.meta is durable, and is made durable itself', async () => {
    const { wal, store } = await logOf5();
    const before = store.operations.length;
    await wal.checkpoint({ lsn: 2 });
    const steps = store.operations.slice(before).map(({ kind, file }) => `${kind} ${file}`.trim());
    expect(steps).toEqual([
      'write wal_00000002.log',
      'sync wal_00000002.log',
      'create checkpoint.meta.tmp',
      'write checkpoint.meta.tmp',
      'sync checkpoint.meta.tmp',
      'close checkpoint.meta.tmp',
      'rename checkpoint.meta.tmp',
      'syncDir',
      'remove wal_00000000.log',
      'syncDir',
    ]);
  });

  it('makes a read that asks for what is gone fail with WalTruncatedError', async () => {
    const { wal } = await logOf5();
    await wal.checkpoint({ lsn: 4 });
    const read = lastValueFrom(wal.read({ after: 1 }).pipe(isEmpty()));
    await expect(read).rejects.toEqual(new WalTruncatedError(2, 5));
  });
});

describe('after a reopening', () => {
  const reopened = async (mark?: { lsn?: number; epoch?: number; transactionId?: number }) => {
    const before = await logOf5();
    await before.wal.checkpoint(mark);
    await before.wal.close();
    return memoryWal<string>({ files: before.store.snapshot() });
  };

  it('the checkpoint is there, with its epoch and its transaction', async () => {
    const { wal } = await reopened({ lsn: 3, epoch: 12, transactionId: 99 });
    expect(wal.lastCheckpoint).toEqual({ lsn: 3, epoch: 12, transactionId: 99 });
    expect(wal.checkpointEpoch).toBe(12);
    expect(wal.recovery.checkpoint).toEqual({ lsn: 3, epoch: 12, transactionId: 99 });
  });

  it('epochs go on from it', async () => {
    const { wal } = await reopened({ epoch: 12 });
    await expect(wal.checkpoint()).resolves.toMatchObject({ epoch: 13 });
  });

  it('a mark still does not go back', async () => {
    const { wal } = await reopened({ lsn: 3, epoch: 12 });
    await expect(wal.checkpoint({ lsn: 2 })).rejects.toThrow(RangeError);
    await expect(wal.checkpoint({ epoch: 11 })).rejects.toThrow(RangeError);
  });

  it('LSNs go on, although the segments of the first are gone', async () => {
    const { wal } = await reopened();
    wal.next('f');
    await wal.sync();
    expect(wal.lastLsn).toBe(6);
    await expect(lsnsOf(wal)).resolves.toEqual([5, 6]);
  });
});

describe('a mark that makes no sense', () => {
  it.each([
    [{ lsn: 6 }, 'lsn must be an integer from 2 to 5, not 6'],
    [{ lsn: 1 }, 'lsn must be an integer from 2 to 5, not 1'],
    [{ lsn: 2.5 }, 'lsn must be an integer from 2 to 5, not 2.5'],
    [{ lsn: NaN }, 'lsn must be an integer from 2 to 5, not NaN'],
    [{ epoch: 9 }, 'epoch must be an integer of at least 10, not 9'],
    [{ transactionId: -1 }, 'transactionId must be an integer of at least 0, not -1'],
  ])('%o rejects with a RangeError that names it', async (mark, message) => {
    const { wal } = await logOf5();
    await wal.checkpoint({ lsn: 2, epoch: 10 });
    await expect(wal.checkpoint(mark)).rejects.toThrow(new RangeError(message));
  });

  it('of the wrong type rejects with a TypeError that names it', async () => {
    const { wal } = await logOf5();
    await expect(wal.checkpoint({ lsn: '3' as never })).rejects.toThrow(new TypeError("lsn must be a number, not '3'"));
  });

  it('changes nothing', async () => {
    const { wal, store } = await logOf5();
    await wal.checkpoint({ lsn: 2, epoch: 10 });
    const files = filesOf(store);
    await expect(wal.checkpoint({ lsn: 1, epoch: 11 })).rejects.toThrow(RangeError);
    await expect(wal.checkpoint({ lsn: 5, epoch: 9 })).rejects.toThrow(RangeError);
    expect(filesOf(store)).toEqual(files);
    expect(wal.lastCheckpoint).toEqual({ lsn: 2, epoch: 10 });
    await expect(wal.checkpoint()).resolves.toEqual({ lsn: 5, epoch: 11 });
  });

  it('may repeat the last one', async () => {
    const { wal } = await logOf5();
    await wal.checkpoint({ lsn: 2, epoch: 10 });
    await expect(wal.checkpoint({ lsn: 2, epoch: 10 })).resolves.toEqual({ lsn: 2, epoch: 10 });
  });
});

describe('a failure', () => {
  it('to save it rejects with WalIoError; the log goes on, and the next one does the rest', async () => {
    const failures = ['ENOSPC'];
    const made = await logOf5({
      plan: ({ kind }) => {
        const code = kind === 'rename' ? failures.pop() : undefined;
        return code === undefined ? undefined : marblePlan({ rename: '#' }, fault(code))({ kind, file: '' });
      },
    });
    const { wal, store } = made;
    await expect(wal.checkpoint({ lsn: 2 })).rejects.toMatchObject({ code: 'WAL_IO', cause: { code: 'ENOSPC' } });
    expect(wal.lastCheckpoint).toBeUndefined();
    expect(filesOf(store)).toContain('wal_00000000.log');
    wal.next('f');
    await expect(wal.checkpoint({ lsn: 2 })).resolves.toMatchObject({ lsn: 2 });
    expect(filesOf(store)).toEqual(['checkpoint.meta', 'wal_00000001.log', 'wal_00000002.log']);
    expect(wal.durableLsn).toBe(6);
  });

  it('to remove a segment rejects with WalIoError; the next one removes it', async () => {
    let failures = 1;
    const { wal, store } = await logOf5({
      plan: (operation) => {
        if (operation.kind !== 'remove' || failures === 0) return undefined;
        failures -= 1;
        return marblePlan({ remove: '#' }, fault('EBUSY'))(operation);
      },
    });
    await expect(wal.checkpoint({ lsn: 4 })).rejects.toThrow(WalIoError);
    expect(filesOf(store)).toContain('wal_00000000.log');
    await wal.checkpoint({ lsn: 4 });
    expect(filesOf(store)).toEqual(['checkpoint.meta', 'wal_00000002.log']);
  });

  it('to remove a segment says which file that was, and that the checkpoint is saved', async () => {
    const { wal, store } = await logOf5({ plan: marblePlan({ remove: '#' }, fault('EBUSY')) });
    await expect(wal.checkpoint({ lsn: 4 })).rejects.toMatchObject({ file: 'wal_00000000.log' });
    expect(wal.lastCheckpoint).toEqual({ lsn: 4, epoch: 1 });
    expect(memoryWal<string>({ files: store.snapshot() }).wal.lastCheckpoint).toEqual({ lsn: 4, epoch: 1 });
  });
});
