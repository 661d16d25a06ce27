import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { WalLockedError } from '../../src/errors';
import { openWal } from '../../src/openWal';
import { nodeStore } from '../../src/store/nodeStore';
import { Child, killChildren, nodeCommand } from '../disk/childProcess';
import { did } from './operations';

interface Answer {
  readonly opened?: number;
  readonly closed?: number;
  readonly spawned?: number;
  readonly refused?: string;
  readonly holder?: number;
}

describe('the lock of a log, between real processes', () => {
  let dir: string;
  /** Processes that were started by a child. */
  let grandchildren: number[];

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-lock-'));
    grandchildren = [];
  });

  afterEach(async () => {
    for (const pid of grandchildren) process.kill(pid, 'SIGKILL');
    await killChildren();
    rmSync(dir, { recursive: true, force: true });
  });

  async function start(): Promise<Child> {
    const child = new Child(nodeCommand(require.resolve('./lockHolder'), dir));
    expect(await child.nextJson()).toEqual({ ready: child.pid });
    return child;
  }

  async function ask(child: Child, command: string): Promise<Answer> {
    child.send(command);
    return child.nextJson();
  }

  async function startHolder(): Promise<Child> {
    const child = await start();
    expect(await ask(child, 'open')).toEqual({ opened: child.pid });
    return child;
  }

  /** The log can be opened, here and now. */
  async function expectFree(): Promise<void> {
    const wal = await openWal<number>(dir);
    await wal.close();
  }

  async function expectHeldBy(pid: number): Promise<void> {
    const refused = openWal(dir);
    await expect(refused).rejects.toBeInstanceOf(WalLockedError);
    await expect(refused).rejects.toMatchObject({
      code: 'WAL_LOCKED',
      dir,
      holder: { pid, host: hostname() },
      message: expect.stringContaining(`process ${pid} on`),
    });
  }

  it('refuses a second process, and names the one that holds it', async () => {
    const holder = await startHolder();
    await expectHeldBy(holder.pid);
    const second = await start();
    expect(await ask(second, 'open')).toEqual({ refused: 'WAL_LOCKED', holder: holder.pid });
  });

  it('refuses a second process while this one holds it', async () => {
    const wal = await openWal<number>(dir);
    const second = await start();
    expect(await ask(second, 'open')).toEqual({ refused: 'WAL_LOCKED', holder: process.pid });
    await wal.close();
    expect(await ask(second, 'open')).toEqual({ opened: second.pid });
  });

  it('refuses a second opening in the same process, in this one and in another', async () => {
    const holder = await startHolder();
    expect(await ask(holder, 'open')).toEqual({ refused: 'WAL_LOCKED', holder: holder.pid });
    await holder.kill();

    const wal = await openWal<number>(dir);
    await expectHeldBy(process.pid);
    // A refusal opens and closes the file once more; that must not lose the lock, as a POSIX record lock would be.
    await expectHeldBy(process.pid);
    const second = await start();
    expect(await ask(second, 'open')).toMatchObject({ refused: 'WAL_LOCKED' });
    await wal.close();
  });

  it('changes nothing in the directory when it refuses', async () => {
    const holder = await startHolder();
    const before = readFileSync(join(dir, 'LOCK'), 'utf8');
    await expectHeldBy(holder.pid);
    expect(readFileSync(join(dir, 'LOCK'), 'utf8')).toBe(before);
    expect([...(await did(nodeStore(dir).list()))].sort()).toEqual(['LOCK', 'wal_00000000.log']);
  });

  it('is free when its holder has closed the log', async () => {
    const holder = await startHolder();
    expect(await ask(holder, 'close')).toEqual({ closed: holder.pid });
    await expectFree();
    expect(await ask(holder, 'open')).toEqual({ opened: holder.pid });
  });

  it('is free when its holder was killed, whatever its file says', async () => {
    const holder = await startHolder();
    await expectHeldBy(holder.pid);
    expect(await holder.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(JSON.parse(readFileSync(join(dir, 'LOCK'), 'utf8'))).toMatchObject({ pid: holder.pid });
    await expectFree();
  });

  it('is held as long as its holder is only stopped', async () => {
    const holder = await startHolder();
    holder.signal('SIGSTOP');
    while (!/^\d+ \(.*\) T/.test(readFileSync(`/proc/${holder.pid}/stat`, 'latin1'))) {
      await new Promise(setImmediate);
    }
    await expectHeldBy(holder.pid);
    holder.signal('SIGCONT');
    expect(await ask(holder, 'close')).toEqual({ closed: holder.pid });
    await expectFree();
  });

  it('is not kept by a process that its holder has started', async () => {
    const holder = await startHolder();
    const { spawned } = await ask(holder, 'spawn');
    grandchildren.push(spawned!);
    await holder.kill();
    expect(process.kill(spawned!, 0)).toBe(true);
    await expectFree();
  });

  it('lets exactly one of 8 processes in, and after its death exactly one of those that are left', async () => {
    const children = await Promise.all(Array.from({ length: 8 }, start));
    const winners: number[] = [];
    for (let left = children; left.length > 0;) {
      for (const child of left) child.send('open');
      const answers = await Promise.all(left.map((child) => child.nextJson<Answer>()));
      const opened = answers.flatMap((answer) => answer.opened ?? []);
      const refused = answers.filter((answer) => answer.refused === 'WAL_LOCKED');
      expect([opened.length, refused.length]).toEqual([1, left.length - 1]);
      winners.push(...opened);
      await left.find(({ pid }) => pid === opened[0])!.kill();
      left = left.filter(({ pid }) => pid !== opened[0]);
    }
    expect(winners.sort()).toEqual(children.map(({ pid }) => pid).sort());
    await expectFree();
  });
});
