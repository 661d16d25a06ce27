import { config } from 'rxjs';
import { fault, marblePlan, memoryWal, virtualTime } from 'rxwal/testing';

/** A frame around the CBOR of one letter. */
const FRAME_BYTES = 18;

describe('stats', () => {
  it('are those of a new log', () => {
    const { wal } = memoryWal<string>();
    expect(wal.stats).toEqual({
      ...{ pendingRecords: 0, pendingBytes: 0, segments: 1 },
      ...{ rotations: 0, checkpoints: 0, rejected: 0 },
    });
  });

  it('count what waits, and what is on its way, until its commit has returned', () => {
    virtualTime(({ cold, expectObservable, flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '---|' }) });
      const pending: string[] = [];
      const look = (ms: number): void => {
        cold(`${ms}ms (x|)`).subscribe(() => {
          const { pendingRecords, pendingBytes } = wal.stats;
          pending.push(`${pendingRecords} records, ${pendingBytes} bytes`);
        });
      };
      cold('-ab').subscribe((value) => wal.next(value));
      // `a` is on its way at 1, `b` waits at 2; `a` is done at 4, `b` at 7.
      for (const ms of [1, 2, 5, 8]) look(ms);
      expectObservable(wal.durable$).toBe('0---a--b', { 0: 0, a: 1, b: 2 });
      flush();
      expect(pending).toEqual([
        ...[`1 records, ${FRAME_BYTES} bytes`, `2 records, ${2 * FRAME_BYTES} bytes`],
        ...[`1 records, ${FRAME_BYTES} bytes`, '0 records, 0 bytes'],
      ]);
    });
  });

  it('have changed when a commit is told', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      const told: unknown[] = [];
      wal.commits$.subscribe(() => told.push(wal.stats.pendingRecords, wal.stats.pendingBytes));
      wal.next('a');
      flush();
      expect(told).toEqual([0, 0]);
    });
  });

  it('count refusals by append and by next, and not what a Writable keeps until there is room', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ maxPendingRecords: 1, plan: marblePlan({ sync: '--|' }) });
      wal.rejected$.subscribe();
      wal.next('a');
      wal.next('no room');
      wal.append('no room').subscribe({ error: () => undefined });
      expect(wal.stats.rejected).toBe(2);
      const writable = wal.writable();
      writable.write('waits');
      expect(wal.stats.rejected).toBe(2);
      writable.on('error', () => undefined);
      writable.destroy();
      flush();
    });
  });

  it('keep, of a log that has stopped, what is not durable', () => {
    const reported: unknown[] = [];
    config.onUnhandledError = (error) => reported.push(error);
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '#' }, fault('EIO')) });
      wal.append('a').subscribe({ error: () => undefined });
      flush();
      expect(wal.stats).toMatchObject({ pendingRecords: 1, pendingBytes: FRAME_BYTES });
    });
    config.onUnhandledError = null;
    expect(reported).toEqual([]);
  });

  it('count segments as they come and go', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      wal.next('a');
      void wal.rotate();
      flush();
      expect(wal.stats).toMatchObject({ segments: 2, rotations: 1, checkpoints: 0 });
      void wal.checkpoint();
      flush();
      expect(wal.stats).toMatchObject({ segments: 1, rotations: 1, checkpoints: 1 });
    });
  });

  it('count a checkpoint that is not saved as none', async () => {
    const { wal } = memoryWal<string>({ plan: marblePlan({ rename: '#' }, fault('ENOSPC')) });
    await wal.append('a');
    await expect(wal.checkpoint()).rejects.toThrow('ENOSPC');
    expect(wal.stats.checkpoints).toBe(0);
  });
});
