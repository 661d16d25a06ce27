import { complaintsOfMany, complaintsOfOne } from './effects';
import type { Event, Refusal } from './events';
import type { Run } from './runner';
import type { SeenCall } from './shim';

const POISONED: Refusal = { code: 'WAL_POISONED', cause: 'EIO', outcome: 'unknown' };
const IO: Refusal = { code: 'WAL_IO', cause: 'EIO', outcome: undefined };
const STOPPED: Event = { is: 'state', state: 'poisoned' };
const OPENED: Event = { is: 'opened', lastLsn: 0, checkpointLsn: 0 };
const lost = (refusal: Refusal): Event => ({ is: 'lost', id: 1, refusal });
const failed = (name: string, refusal: Refusal): Event => ({ is: 'failed', name, refusal });
const refused = (refusal: Refusal, ...changed: string[]): Event => ({ is: 'refused', refusal, changed });

function call(kind: string, phase: string, more: Partial<SeenCall> = {}): SeenCall {
  return { kind, file: 'wal_00000000.log', descriptor: 3, phase, session: 0, fault: 'EIO', ...more };
}

function run(calls: readonly SeenCall[], ...events: readonly Event[]): Run {
  const settings = { durability: { mode: 'sync' }, preallocateBytes: 0, maxSegmentBytes: 512 } as const;
  const job = { dir: '', workload: 'live', settings, rules: '', firstId: 1 } as const;
  return { job, events: [{ is: 'opening' }, ...events, { is: 'end', calls, open: 0 }], exit: undefined };
}

describe('what one failing call must lead to', () => {
  it.each<[string, Run]>([
    ['a failed write that stops the log', run([call('write', 'append')], OPENED, lost(POISONED), STOPPED)],
    ['a failed fsync that stops the log', run([call('sync', 'rotate')], OPENED, failed('rotate', POISONED), STOPPED)],
    ['an interrupted write of which nobody hears', run([call('write', 'append', { fault: 'EINTR' })], OPENED)],
    ['a full disk where zeros were to be', run([call('zeros', 'append', { fault: 'ENOSPC' })], OPENED)],
    ['a read that refuses the opening', run([call('read', 'open')], refused(IO))],
    ['an unlink that fails its checkpoint', run([call('unlink', 'checkpoint')], OPENED, failed('checkpoint', IO))],
    ['a segment that cannot be closed', run([call('close', 'rotate')], OPENED)],
  ])('is content with %s', (_, done) => {
    expect(complaintsOfOne(done)).toEqual([]);
  });

  it.each<[string, Run]>([
    ['a fault that was never reached', run([call('write', 'append', { fault: undefined })], OPENED)],
    ['two faults', run([call('write', 'append'), call('write', 'append')], OPENED, lost(POISONED), STOPPED)],
    ['a failed fsync of which nobody hears', run([call('sync', 'append')], OPENED)],
    ['a failed fsync that does not stop the log', run([call('sync', 'append')], OPENED, lost(POISONED))],
    ['another cause', run([call('sync', 'append')], OPENED, lost({ ...POISONED, cause: 'ENOSPC' }), STOPPED)],
    ['another code', run([call('sync', 'append')], OPENED, lost(IO), STOPPED)],
    [
      'an fsync that is tried again',
      run([call('sync', 'append'), call('sync', 'append', { fault: undefined })], OPENED, lost(POISONED), STOPPED),
    ],
    ['an unlink that stops the log', run([call('unlink', 'checkpoint')], OPENED, lost(POISONED), STOPPED)],
    ['a read error that is taken for the end of a file', run([call('read', 'open')], OPENED)],
    ['a refusal that has changed a file', run([call('read', 'open')], refused(IO, 'wal_00000000.log'))],
    ['a short write that is told of', run([call('write', 'append', { fault: 'short=7' })], OPENED, lost(POISONED))],
    [
      'a failure in a session in which no call failed',
      run([call('read', 'open')], refused(IO), { is: 'opening' }, OPENED, failed('close', IO)),
    ],
  ])('complains of %s', (_, done) => {
    expect(complaintsOfOne(done)).not.toEqual([]);
  });
});

describe('what calls that fail from some time on must lead to', () => {
  const calls = [call('write', 'append'), call('write', 'open', { session: 1 })];

  it('is content where something fails, with that cause', () => {
    const done = run(calls, OPENED, lost(POISONED), STOPPED, { is: 'opening' }, refused(IO));
    expect(complaintsOfMany(done, 'a failure')).toEqual([]);
  });

  it.each<[string, Run, 'a failure' | 'nothing']>([
    ['silence', run(calls, OPENED), 'a failure'],
    ['another cause', run(calls, OPENED, lost({ ...POISONED, cause: 'ENOSPC' })), 'a failure'],
    ['a failure where there should be none', run(calls, OPENED, lost(POISONED)), 'nothing'],
    ['faults that were never reached', run([], OPENED), 'nothing'],
  ])('complains of %s', (_, done, leadsTo) => {
    expect(complaintsOfMany(done, leadsTo)).not.toEqual([]);
  });
});
