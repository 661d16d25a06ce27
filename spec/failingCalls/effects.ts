import { constants } from 'node:os';
import { LOCK_FILE, isLeftover, segmentSequence } from '../../src/store/segmentStore';
import type { Event, Refusal } from './events';
import { endOf, type Run } from './runner';
import type { SeenCall } from './shim';

/**
 * What a call that fails must lead to:
 *
 * - `mute`: nobody hears of it.
 * - `refuse`: this opening fails with `WAL_IO`; the next one does not.
 * - `stop`: the log is poisoned; whatever is asked of it from then on fails with `WAL_POISONED`.
 * - `fail`: the one call of the log that needed it fails with `WAL_IO`; the log goes on.
 */
export type Effect = 'mute' | 'refuse' | 'stop' | 'fail';

const NO_SPACE = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The error in a fault; undefined in one that is only short. */
function errorIn({ fault = '' }: SeenCall): string | undefined {
  return fault.split('+').find((word) => word in constants.errno);
}

/** What the log calls it. */
const causeOf = errorIn;

/** What the promises in README.md, ARCHITECTURE.md and src/errors.ts say of a call that was made to fail. */
function effectOf(call: SeenCall): Effect {
  const { kind, file, phase } = call;
  const error = errorIn(call);
  // libuv goes on after a short call, and after one that a signal came into; but it does not read again.
  if (error === undefined || (error === 'EINTR' && kind !== 'read')) return 'mute';
  // Who holds the lock is for people to read: the lock holds without it.
  if (file === LOCK_FILE && (kind === 'truncate' || kind === 'write')) return 'mute';
  // All that was in it is durable by then, or was only read.
  if (/^close/.test(kind) && file !== LOCK_FILE) return 'mute';
  if (phase === 'open') return 'refuse';
  if (phase === 'read') return 'fail';
  // Closing gives the lock back too.
  if (kind === 'unlock') return 'mute';
  if (file === LOCK_FILE) return 'fail';
  // A place for zeros is a favour, and no failure where there is none.
  if (kind === 'zeros' && NO_SPACE.has(error)) return 'mute';
  const ofSegment = segmentSequence(file) !== undefined;
  if (phase === 'checkpoint') return ofSegment && kind !== 'unlink' ? 'stop' : 'fail';
  return 'stop';
}

/** What of a run with one fault, of one call, is not as {@link effectOf} has it. */
export function complaintsOfOne(run: Run): string[] {
  const { calls } = endOf(run);
  const [faulty, ...more] = faultsIn(calls);
  if (!faulty) return ['the fault was never reached'];
  if (more.length > 0) return [`${1 + more.length} calls failed where one should`];
  const effect = effectOf(faulty);
  const cause = causeOf(faulty);
  const complaints = effect === 'mute' ? [] : [...afterFailure(faulty, calls)];

  for (const [session, events] of sessionsOf(run.events).entries()) {
    const refusals = refusalsIn(events);
    const stopped = events.some((event) => event.is === 'state' && event.state === 'poisoned');
    const expected = session === faulty.session ? effect : 'mute';
    const code = expected === 'stop' ? 'WAL_POISONED' : 'WAL_IO';
    const told = expected === 'mute' ? refusals.length === 0 : refusals.length > 0;
    const alike = refusals.every((refusal) => refusal.code === code && refusal.cause === cause);
    const once = expected === 'stop' || refusals.length <= 1;
    const where = expected !== 'refuse' || events.some(({ is }) => is === 'refused');
    if (!told || !alike || !once || !where || stopped !== (expected === 'stop')) {
      const was = `${stopped ? 'stopped, ' : ''}${unlike(refusals).join()}`;
      complaints.push(
        `session ${session}: ${expected} (${cause}) expected after ${faulty.kind} ${faulty.file}, and it was: ${was}`,
      );
    }
    if (expected === 'refuse') complaints.push(...changesOf(events, faulty, calls));
  }
  return complaints;
}

/**
 * What of a run whose faults go on is not as it should be: where nobody is to hear of them nobody does; else something fails, and all that
 * does has this cause.
 */
export function complaintsOfMany(run: Run, leadsTo: 'a failure' | 'nothing'): string[] {
  const faulty = faultsIn(endOf(run).calls);
  const causes = new Set(faulty.filter((call) => effectOf(call) !== 'mute').map(causeOf));
  const refusals = refusalsIn(run.events);
  if (faulty.length === 0) return ['the fault was never reached'];
  if (leadsTo === 'nothing' || causes.size === 0) return unlike(refusals).map((refusal) => `told of: ${refusal}`);
  if (refusals.length === 0) return ['nothing was told'];
  const wrong = refusals.filter(
    ({ code, cause }) => !(code === 'WAL_POISONED' || code === 'WAL_IO') || !causes.has(cause),
  );
  return unlike(wrong).map((refusal) => `not ${[...causes].join()}: ${refusal}`);
}

function faultsIn(calls: readonly SeenCall[]): SeenCall[] {
  return calls.filter(({ fault }) => fault !== undefined);
}

/** No write and no fsync is tried again on a descriptor on which one has failed. */
function* afterFailure(faulty: SeenCall, calls: readonly SeenCall[]): Iterable<string> {
  if (!/^(write|writesync|zeros|sync|truncate)$/.test(faulty.kind)) return;
  const later = calls.slice(calls.indexOf(faulty) + 1).filter(({ descriptor }) => descriptor === faulty.descriptor);
  const again = later.filter(({ kind }) => kind !== 'close' && kind !== 'closedir');
  if (again.length > 0)
    yield `after a failed ${faulty.kind}, on the same descriptor: ${again.map(({ kind }) => kind).join()}`;
}

/** An opening that was refused before it had begun to mend anything has changed nothing. */
function changesOf(events: readonly Event[], faulty: SeenCall, calls: readonly SeenCall[]): string[] {
  const before = calls.slice(0, calls.indexOf(faulty)).filter(({ session }) => session === faulty.session);
  const mending = before.some(({ kind, file }) => /^(create|rename|unlink)$/.test(kind) && file !== LOCK_FILE);
  const refused = events.find((event) => event.is === 'refused');
  if (mending || faulty.fault?.startsWith('land') || !refused) return [];
  // A file is closed while the next step begins: half a new one may be there, which every opening makes anew or removes.
  const changed = refused.changed.filter((name) => faulty.kind !== 'close' || !isLeftover(name));
  return changed.length > 0 ? [`refused at ${faulty.kind} ${faulty.file}, and changed are ${changed.join()}`] : [];
}

function sessionsOf(events: readonly Event[]): Event[][] {
  const sessions: Event[][] = [];
  for (const event of events) {
    if (event.is === 'opening') sessions.push([]);
    sessions.at(-1)?.push(event);
  }
  return sessions;
}

/** Each kind of refusal once. */
function unlike(refusals: readonly Refusal[]): string[] {
  return [...new Set(refusals.map((refusal) => JSON.stringify(refusal)))];
}

function refusalsIn(events: readonly Event[]): Refusal[] {
  return events.flatMap((event) => ('refusal' in event ? [event.refusal] : []));
}
