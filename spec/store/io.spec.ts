import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { openWal, readWal } from '../../src/index';
import { nodeStore, type NodeStoreOptions } from '../../src/store/nodeStore';
import { storeContract } from './contract';
import { did, makeFile } from './operations';

const IO = ['pool', 'thread', 'blocking'] as const;

const dirs: string[] = [];
function emptyDirectory(): string {
  const dir = fs.mkdtempSync(join(tmpdir(), 'rxwal-io-'));
  dirs.push(dir);
  return dir;
}

afterAll(() => {
  for (const dir of dirs) fs.rmSync(dir, { recursive: true, force: true });
});

for (const io of ['thread', 'blocking'] as const) {
  storeContract(`nodeStore with io '${io}'`, () => nodeStore(emptyDirectory(), { io }));
}

describe.each(IO)("io: '%s'", (io) => {
  it('keeps a log over rotations, checkpoints and openings', async () => {
    const dir = emptyDirectory();
    const values = Array.from({ length: 300 }, (_, index) => `value ${index}`);
    for (const part of [values.slice(0, 100), values.slice(100)]) {
      await using wal = await openWal<string>(dir, { io, maxSegmentBytes: 2048 });
      for (const value of part) await wal.append(value);
    }
    await using wal = await openWal<string>(dir, { io });
    await wal.checkpoint({ lsn: 150 });
    const entries = await lastValueFrom(wal.read({ after: 150 }).pipe(toArray()));
    expect(entries.map(({ value }) => value)).toEqual(values.slice(150));
    expect(wal.recovery.clean).toBe(true);
  });

  it('gives the errors of the system as they are', async () => {
    const store = nodeStore(emptyDirectory(), { io });
    await expect(did(store.open('missing', 'write'))).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open' });
    await expect(did(store.rename('missing', 'other'))).rejects.toMatchObject({ code: 'ENOENT', syscall: 'rename' });
    await expect(did(store.remove('missing'))).rejects.toMatchObject({ code: 'ENOENT', syscall: 'unlink' });
    const file = await did(store.open('a', 'create'));
    await did(file.close());
    await expect(did(file.sync())).rejects.toMatchObject({ code: 'EBADF' });
  });

  it('writes what stands in many pieces, and leaves the pieces as they are', async () => {
    const store = nodeStore(emptyDirectory(), { io });
    const file = await makeFile(store, 'a', '');
    const arena = Buffer.from('0123456789'.repeat(300));
    const pieces = Array.from({ length: 1500 }, (_, index) => arena.subarray(index, index + 2));
    await did(file.write(pieces, 5));
    const written = Buffer.from(await did(file.read(5, 5000)));
    await did(file.close());
    expect(written.toString()).toBe(pieces.map(String).join(''));
    expect(arena.toString()).toBe('0123456789'.repeat(300));
  });
});

it('refuses an io that there is none of', async () => {
  const io = 'uring' as unknown as NonNullable<NodeStoreOptions['io']>;
  await expect(openWal(emptyDirectory(), { io })).rejects.toThrow(
    new TypeError(`io must be 'pool', 'thread' or 'blocking', not "uring"`),
  );
});

describe("io: 'thread'", () => {
  /** Counts what the pool is done with: as many hashes as it has threads, and as many again behind them, on their way at any time. */
  function keepThePoolBusy(): { readonly done: () => number; readonly stop: () => Promise<unknown> } {
    let hashes = 0;
    let stopped = false;
    const worker = async (): Promise<void> => {
      while (!stopped) {
        await new Promise<void>((resolve) => {
          pbkdf2('password', 'salt', 20_000, 32, 'sha512', () => {
            resolve();
          });
        });
        hashes += 1;
      }
    };
    const workers = Promise.all(Array.from({ length: 8 }, worker));
    return {
      done: () => hashes,
      stop: () => {
        stopped = true;
        return workers;
      },
    };
  }

  it('does not stand in the queue of a busy pool', async () => {
    const hashesAnAppend = async (io: 'pool' | 'thread'): Promise<number> => {
      await using wal = await openWal<number>(emptyDirectory(), { io });
      const pool = keepThePoolBusy();
      const before = pool.done();
      for (let index = 0; index < 20; index += 1) await wal.append(index);
      const passed = pool.done() - before;
      await pool.stop();
      return passed / 20;
    };
    // In the pool's queue four hashes stand before every write; beside it the disk alone is waited for.
    expect(await hashesAnAppend('thread')).toBeLessThan((await hashesAnAppend('pool')) / 2);
  });

  it('lets the process end when nothing is on its way, and not before', () => {
    const dir = emptyDirectory();
    const program = `
      const { openWal } = require(${JSON.stringify(join(__dirname, '../../src/index.ts'))});
      void openWal(${JSON.stringify(dir)}, { io: 'thread' }).then((wal) => {
        wal.append('kept').subscribe(({ lsn }) => process.stdout.write('acknowledged ' + lsn));
      });`;
    const told = execFileSync(process.execPath, ['-r', 'tsx/cjs', '-e', program], { encoding: 'utf8' });
    expect(told).toBe('acknowledged 1');
  });

  it('ends with the last file', async () => {
    const threads = (): number => fs.readdirSync('/proc/self/task').length;
    const before = threads();
    const wal = await openWal<number>(emptyDirectory(), { io: 'thread' });
    await wal.append(1);
    expect(threads()).toBeGreaterThan(before);
    await wal.close();
    for (let round = 0; round < 5000 && threads() > before; round += 1) await fs.promises.stat('/');
    expect(threads()).toBeLessThanOrEqual(before);
  });

  it('reads back what another io has written', async () => {
    const dir = emptyDirectory();
    for (const io of IO) {
      await using wal = await openWal<string>(dir, { io });
      await wal.append(io);
    }
    const entries = await lastValueFrom(readWal<string>(dir).pipe(toArray()));
    expect(entries.map(({ value }) => value)).toEqual(IO);
  });
});
