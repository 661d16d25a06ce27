import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { lastValueFrom, map, toArray, type Observable } from 'rxjs';
import { WalError } from '../../src/errors';
import { openWal } from '../../src/openWal';
import { rawCodec } from '../../src/codec/rawCodec';
import { readWal } from '../../src/read';
import { LOCK_FILE } from '../../src/store/segmentStore';
import type { Entry } from '../../src/types';
import type { Wal } from '../../src/wal';
import type { Event, Job, Refusal, StoredEntry } from './events';
import { idOf, payloadOf } from './payload';
import { enterPhase, heldCalls, releaseCalls } from './shim';

export type Say = (event: Event) => void;

function refusalOf(error: unknown): Refusal {
  const code = error instanceof WalError ? error.code : undefined;
  const cause = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
  const { outcome } = error as { outcome?: string };
  // Of an error without a code, all that there is: the judge refuses it.
  return code === undefined ? { code, cause, outcome, strange: inspect(error) } : { code, cause, outcome };
}

/** Waits until no call of node:fs is on its way: zeros are laid in the background, and the next call is to be the next one in every run. */
async function quiet(): Promise<void> {
  while (process.getActiveResourcesInfo().includes('FSReqCallback')) await new Promise(setImmediate);
}

/** Every file of a directory but the lock, by a hash of what is in it; what the program reads in this way, the shim does not see. */
function hashes(dir: string): ReadonlyMap<string, string> {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return new Map();
  }
  const hash = (name: string): string =>
    createHash('sha1')
      .update(readFileSync(join(dir, name)))
      .digest('hex');
  return new Map(names.filter((name) => name !== LOCK_FILE).map((name) => [name, hash(name)]));
}

function changedFiles(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((name) => before.get(name) !== after.get(name))
    .sort();
}

async function stored(entries$: Observable<Entry<Uint8Array>>): Promise<readonly StoredEntry[]> {
  return lastValueFrom(
    entries$.pipe(
      map(({ lsn, value }) => ({ lsn, id: idOf(value) })),
      toArray(),
    ),
  );
}

/** An open log, and everything it says told on. */
export class Session {
  private constructor(
    private readonly wal: Wal<Uint8Array>,
    private readonly say: Say,
    private nextId: number,
    private readonly about: (phase: string) => void,
  ) {
    wal.state$.subscribe((state) => {
      say({ is: 'state', state });
    });
    // What these end with is told by the calls too; without a listener it would be unhandled.
    for (const output$ of [wal.acks$, wal.commits$, wal.durable$] as Observable<unknown>[]) {
      output$.subscribe({ error: () => undefined });
    }
  }

  /** Opens a log; undefined where it is refused. */
  static async open({ dir, settings, firstId }: Job, number: number, say: Say): Promise<Session | undefined> {
    const about = (phase: string): void => {
      enterPhase(`${phase}#${number}`);
    };
    about('open');
    const before = hashes(dir);
    say({ is: 'opening' });
    try {
      const wal = await openWal(dir, { ...settings, codec: rawCodec() });
      await quiet();
      say({ is: 'opened', lastLsn: wal.lastLsn, checkpointLsn: wal.lastCheckpoint?.lsn ?? 0 });
      return new Session(wal, say, firstId + 100 * number, about);
    } catch (error) {
      await quiet();
      say({ is: 'refused', refusal: refusalOf(error), changed: changedFiles(before, hashes(dir)) });
      return undefined;
    }
  }

  /** Appends `count` records at once, and waits until it is known what became of each. */
  async append(count = 1): Promise<void> {
    this.about('append');
    await Promise.all(Array.from({ length: count }, () => this.#append()));
    await quiet();
  }

  /** Asks for a batch and a rotation behind it, one of whose calls is held back; presses on meanwhile; lets the call go. */
  async appendWhileHeld(attempts: number): Promise<void> {
    this.about('held');
    const told: Promise<unknown>[] = [this.#append(), this.rotate()];
    while (heldCalls() === 0) await new Promise(setImmediate);
    const before = { acks: this.#acks, lastLsn: this.wal.lastLsn, rss: process.memoryUsage.rss() };
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      told.push(this.#append());
      // Whoever has to hear of a refusal has heard of it before the next one.
      if (attempt % 16 === 0) await new Promise(setImmediate);
    }
    const taken = this.wal.lastLsn - before.lastLsn;
    this.say({
      is: 'released',
      acks: this.#acks - before.acks,
      taken,
      turnedAway: attempts - taken,
      rssGrowthBytes: process.memoryUsage.rss() - before.rss,
    });
    releaseCalls();
    await Promise.all(told);
    await quiet();
  }

  #acks = 0;

  async #append(): Promise<void> {
    const id = this.nextId;
    this.nextId += 1;
    // Said before it happens: a process that is killed in between must not have kept it to itself.
    this.say({ is: 'append', id, lsn: this.wal.lastLsn + 1 });
    try {
      const { lsn, durable } = await lastValueFrom(this.wal.append(payloadOf(id)));
      this.#acks += 1;
      this.say({ is: 'ack', id, lsn, durable });
    } catch (error) {
      const refusal = refusalOf(error);
      this.say({ is: refusal.code === 'WAL_BACKPRESSURE' ? 'turned away' : 'lost', id, refusal });
    }
  }

  rotate(): Promise<void> {
    return this.#call('rotate', () => this.wal.rotate());
  }

  sync(): Promise<void> {
    return this.#call('sync', () => this.wal.sync());
  }

  /** A checkpoint that leaves the last `keep` records needed. */
  checkpoint(keep: number): Promise<void> {
    const lsn = Math.max(this.wal.lastLsn - keep, this.wal.lastCheckpoint?.lsn ?? 0);
    return this.#call('checkpoint', () => this.wal.checkpoint({ lsn }), lsn);
  }

  read(): Promise<void> {
    return this.#call('read', async () => {
      this.say({ is: 'entries', entries: await stored(this.wal.read()) });
    });
  }

  close(): Promise<void> {
    return this.#call('close', () => this.wal.close());
  }

  async #call(name: string, call: () => Promise<unknown>, lsn?: number): Promise<void> {
    this.about(name);
    this.say({ is: 'call', name, ...(lsn === undefined ? {} : { lsn }) });
    try {
      await call();
      await quiet();
      this.say({ is: 'done', name });
    } catch (error) {
      await quiet();
      this.say({ is: 'failed', name, refusal: refusalOf(error) });
    }
  }
}

/** Reads a log without opening it. */
export async function readOnly({ dir }: Job, say: Say): Promise<void> {
  say({ is: 'call', name: 'readWal' });
  try {
    say({ is: 'entries', entries: await stored(readWal(dir, { codec: rawCodec() })) });
    say({ is: 'done', name: 'readWal' });
  } catch (error) {
    say({ is: 'failed', name: 'readWal', refusal: refusalOf(error) });
  }
}
