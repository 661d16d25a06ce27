import { spawnSync } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { WalPoisonedError, WalRecordError, type Wal, type WalDiagnostics } from 'rxwal';
import { marblePlan, memoryWal, virtualTime } from 'rxwal/testing';
import { Diagnostics } from '../src/diagnostics';

type Name = keyof WalDiagnostics;
const NAMES: readonly Name[] = [
  ...(['rxwal:commit', 'rxwal:rotate', 'rxwal:recover'] as const),
  ...(['rxwal:checkpoint', 'rxwal:reject', 'rxwal:error'] as const),
];

/** What was published, and where. */
let published: { readonly name: Name; readonly message: unknown }[] = [];
const listen = (message: unknown, name: string | symbol): void => {
  published.push({ name: name as Name, message });
};
const of = <N extends Name>(name: N): WalDiagnostics[N][] =>
  published.filter((each) => each.name === name).map(({ message }) => message as WalDiagnostics[N]);

beforeEach(() => {
  published = [];
  for (const name of NAMES) subscribe(name, listen);
});
afterEach(() => {
  for (const name of NAMES) unsubscribe(name, listen);
});

describe('the channels', () => {
  it('tell of a commit what commits$ tells, once a batch, before commits$ and the acks', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '--|' }) });
      const heard: string[] = [];
      const told: unknown[] = [];
      wal.commits$.subscribe((commit) => {
        told.push(commit);
        heard.push(`commits$, ${of('rxwal:commit').length} published`);
      });
      wal.acks$.subscribe(() => heard.push('ack'));
      for (const value of ['a', 'b', 'c']) wal.next(value);
      flush();
      expect(of('rxwal:commit')).toEqual([{ dir: 'memory', commit: told[0] }]);
      expect(of('rxwal:commit')[0]).toMatchObject({ commit: { records: 3, firstLsn: 1, lastLsn: 3 } });
      expect(heard).toEqual(['commits$, 1 published', 'ack', 'ack', 'ack']);
    });
  });

  it('tell when a log has been opened, with the log', () => {
    const { wal } = memoryWal<string>();
    expect(of('rxwal:recover')).toEqual([{ dir: 'memory', recovery: wal.recovery, wal }]);
    expect(of('rxwal:recover')[0]!.wal).toBe(wal);
  });

  it('tell of a rotation and of a checkpoint when they are done', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      wal.next('a');
      void wal.rotate();
      void wal.checkpoint({ lsn: 1, epoch: 7 });
      flush();
      expect(of('rxwal:rotate')).toEqual([{ dir: 'memory', segment: { sequence: 1, firstLsn: 2 } }]);
      expect(of('rxwal:checkpoint')).toEqual([
        { dir: 'memory', checkpoint: { lsn: 1, epoch: 7 }, saved: true, removed: 1, error: undefined },
      ]);
    });
  });

  it('tell of a refusal its error, and not the value', () => {
    const { wal } = memoryWal<unknown>();
    wal.append(Symbol('secret')).subscribe({ error: () => undefined });
    expect(of('rxwal:reject')).toEqual([{ dir: 'memory', error: expect.any(WalRecordError) }]);
  });

  it('tell that a log has stopped, and from there it can be closed', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>({ plan: marblePlan({ sync: '--#' }) });
      const states: string[] = [];
      wal.state$.subscribe((state) => states.push(state));
      const close = (): void => {
        wal.complete();
      };
      subscribe('rxwal:error', close);
      const errors: unknown[] = [];
      wal.append('a').subscribe({ error: (error: unknown) => errors.push(error) });
      flush();
      unsubscribe('rxwal:error', close);
      expect(of('rxwal:error')).toEqual([{ dir: 'memory', error: expect.any(WalPoisonedError) }]);
      expect(of('rxwal:error')[0]!.error.cause).toMatchObject({ code: 'EIO' });
      expect(errors).toEqual([expect.objectContaining({ code: 'WAL_POISONED', outcome: 'unknown' })]);
      expect(states).toEqual(['open', 'poisoned']);
    });
  });

  it('let a subscriber append: it takes its turn', () => {
    virtualTime(({ flush }) => {
      const { wal } = memoryWal<string>();
      const acks: number[] = [];
      wal.acks$.subscribe(({ lsn }) => acks.push(lsn));
      const again = (): void => {
        if (wal.lastLsn < 3) wal.next('again');
      };
      subscribe('rxwal:commit', again);
      wal.next('a');
      flush();
      unsubscribe('rxwal:commit', again);
      expect(acks).toEqual([1, 2, 3]);
    });
  });

  it('do not let what a subscriber throws reach the log', () => {
    // In a process of its own: an uncaught exception is one, whatever a test runner does with it.
    const program = `
      const { subscribe } = require('node:diagnostics_channel');
      const { memoryWal } = require('./src/testing/memoryWal');
      process.on('uncaughtException', (error) => console.log('uncaught: ' + error.message));
      subscribe('rxwal:commit', () => { throw new Error('a bad subscriber'); });
      memoryWal().wal.append({ type: 'Noise' }).subscribe(({ lsn }) => console.log('acknowledged: ' + lsn));`;
    const { stdout } = spawnSync(process.execPath, ['--require', 'tsx/cjs', '--eval', program], {
      cwd: join(__dirname, '..'),
      encoding: 'utf8',
    });
    expect(stdout.trim().split('\n').sort()).toEqual(['acknowledged: 1', 'uncaught: a bad subscriber']);
  });
});

describe('without a subscriber', () => {
  it('no message is made: nothing is looked at that it would hold', () => {
    let looks = 0;
    const watched = new Proxy({} as Wal<unknown> & WalDiagnostics['rxwal:checkpoint'], {
      get: () => (looks += 1),
      ownKeys: () => {
        looks += 1;
        return [];
      },
    });
    const diagnostics = new Diagnostics('dir');
    const publish = (): void => {
      diagnostics.recover(watched);
      diagnostics.checkpoint(watched);
    };
    publish();
    expect([looks, published.length]).toEqual([2, 2]);
    for (const name of NAMES) unsubscribe(name, listen);
    publish();
    expect([looks, published.length]).toEqual([2, 2]);
  });
});
