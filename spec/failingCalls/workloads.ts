import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Job } from './events';
import { Session, readOnly, type Say } from './session';

/** A log from its first opening on: everything that it calls the system for, at least once, in two sessions. */
async function live(job: Job, say: Say): Promise<void> {
  const first = await Session.open(job, 0, say);
  await first?.append();
  await first?.append(4);
  await first?.rotate();
  await first?.append();
  // Past the segment's size.
  for (let turn = 0; turn < 3; turn += 1) await first?.append(2);
  await first?.sync();
  await first?.read();
  await first?.checkpoint(3);
  await first?.append(2);
  await first?.close();

  const second = await Session.open(job, 1, say);
  await second?.read();
  await second?.append(2);
  await second?.rotate();
  await second?.append();
  await second?.checkpoint(1);
  await second?.append();
  await second?.close();
}

/** A directory that is there: open, look, go on, close. A second time, since a failure may have come in between. */
async function reopen(job: Job, say: Say): Promise<void> {
  for (const number of [0, 1]) {
    const session = await Session.open(job, number, say);
    await session?.read();
    await session?.append();
    await session?.close();
  }
}

/** A call that takes its time, while whoever appends does not wait. */
async function slow(job: Job, say: Say): Promise<void> {
  const session = await Session.open(job, 0, say);
  await session?.append();
  await session?.appendWhileHeld(2000);
  await session?.append();
  await session?.read();
  await session?.close();
}

/** The directory goes while the log is open; each thing that a log can be asked for then; a new log in its place. */
async function removed(job: Job, say: Say): Promise<void> {
  const asks: ((session: Session) => Promise<void>)[] = [
    (session) => session.append(),
    (session) => session.sync(),
    (session) => session.read(),
    (session) => session.checkpoint(0),
    (session) => session.rotate(),
  ];
  for (const [number, ask] of asks.entries()) {
    const session = await Session.open(job, number, say);
    await session?.append();
    rmSync(job.dir, { recursive: true });
    if (session) await ask(session);
    await session?.append();
    await session?.close();
    rmSync(job.dir, { recursive: true, force: true });
  }
}

function mount(...args: string[]): void {
  execFileSync('mount', args, { stdio: 'pipe' });
}

/** The file system fails under an open log and is read-only from then on, as after `errors=remount-ro`; then it is mounted anew. */
async function abortedMount(job: Job, say: Say): Promise<void> {
  const disk = dirname(job.dir);
  const image = `${disk}.image`;
  const first = await Session.open(job, 0, say);
  await first?.append(3);
  await first?.rotate();
  await first?.append(3);
  mount('-o', 'remount,abort', disk);
  await first?.append(3);
  await first?.rotate();
  await first?.checkpoint(0);
  await first?.sync();
  await first?.read();
  await first?.close();
  await Session.open(job, 1, say);
  await readOnly(job, say);
  // Refused where a descriptor is still open.
  execFileSync('umount', [disk], { stdio: 'pipe' });
  mount('-o', 'loop', image, disk);
  const second = await Session.open(job, 2, say);
  await second?.read();
  await second?.append(2);
  await second?.close();
}

/** A closed log on a file system that has been made read-only, and then writable again. */
async function readOnlyMount(job: Job, say: Say): Promise<void> {
  const disk = dirname(job.dir);
  const first = await Session.open(job, 0, say);
  await first?.append(3);
  await first?.close();
  mount('-o', 'remount,ro', disk);
  await Session.open(job, 1, say);
  await readOnly(job, say);
  mount('-o', 'remount,rw', disk);
  const second = await Session.open(job, 2, say);
  await second?.append(2);
  await second?.close();
}

export const WORKLOADS: Readonly<Record<Job['workload'], (job: Job, say: Say) => Promise<void>>> = {
  live,
  reopen,
  slow,
  removed,
  abortedMount,
  readOnlyMount,
};
