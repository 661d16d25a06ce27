import { constants, chmodSync, closeSync, openSync, readdirSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { WalError, openWal, readWal, type Wal } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { RAW, allOf, filesOf, open, segmentBytes } from '../support/logs';
import type { Files } from '../support/reference';
import { readCorpus } from './corpus';
import { ALL_THINGS, Neighbourhood, type Thing } from './disk';
import { inputOf } from './inputs';
import { Random } from './random';

const SEED = 20_260_102;
const INPUTS = 300;

const NEWS = Uint8Array.of(0xaa, 0xbb);
const LOG = filesOf(segmentBytes(1, [['record', 1, 'one']]), segmentBytes(2, [['record', 2, 'two']]));

let place: Neighbourhood | undefined;
afterEach(() => {
  place?.remove();
});

function neighbourhood(files: Files): Neighbourhood {
  place = new Neighbourhood(files);
  return place;
}

async function codeOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
    return 'opened';
  } catch (error) {
    return error instanceof WalError ? error.code : `untyped: ${String(error)}`;
  }
}

/** Appends and closes; opens again, where the new record is the last one. */
async function goesOn(wal: Wal<Uint8Array>, dir: string): Promise<void> {
  const { lsn } = await firstValueFrom(wal.append(NEWS));
  await wal.close();
  const again = await openWal<Uint8Array>(dir, RAW);
  const last = await allOf(again.read({ after: lsn - 1 }));
  await again.close();
  expect(last.map((entry) => ({ ...entry, value: Uint8Array.from(entry.value) }))).toEqual([{ lsn, value: NEWS }]);
}

describe('on the real disk', () => {
  it(`${INPUTS} inputs among strangers do as they do in memory, and leave the strangers alone`, async () => {
    const corpus = readCorpus();
    const outcomes = new Map<string, number>();
    for (let number = 0; number < INPUTS; number += 1) {
      const random = new Random(SEED, number);
      // Two names that a store in memory keeps apart may be one on the disk, and a name with a slash is none.
      const files: Files = new Map(
        [...inputOf(SEED, number, corpus).files].filter(([name]) => name !== '' && !/^\.\.?$|\//.test(name)),
      );
      const around = neighbourhood(files);
      for (let strangers = random.below(4); strangers > 0; strangers -= 1) {
        around.place(random.pick(ALL_THINGS), `stranger-${strangers}`);
      }
      const strangers = around.look({ own: false });
      const everything = around.look({ own: true });
      const expected = open(memoryStore({ files }));
      const opening = openWal<Uint8Array>(around.dir, RAW);
      const code = await codeOf(opening);
      expect(`${number}: ${code}`).toBe(
        `${number}: ${'error' in expected ? (expected.error as WalError).code : 'opened'}`,
      );
      // A refusal changes no byte; an opening has gone on from here.
      const untouched = code === 'opened' ? everything : around.look({ own: true });
      expect(untouched).toEqual(everything);
      if (code === 'opened') await goesOn(await opening, around.dir);
      expect(around.look({ own: false })).toEqual(strangers);
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      around.remove();
    }
    expect(outcomes.get('opened')).toBeGreaterThan(INPUTS / 10);
    expect(outcomes.get('WAL_CORRUPT')).toBeGreaterThan(INPUTS / 10);
  });

  const places = ['LOCK', 'wal_00000000.log', 'wal_00000001.log', 'checkpoint.meta'].flatMap((name) =>
    ALL_THINGS.map((thing): [Thing, string] => [thing, name]),
  );

  it.each(places)('a %s in the place of %s is refused with WAL_IO, and left alone', async (thing, name) => {
    const around = neighbourhood(LOG);
    around.place(thing, name);
    const before = around.look({ own: true });
    expect(await codeOf(cameBack(openWal<Uint8Array>(around.dir, RAW), join(around.dir, name)))).toBe('WAL_IO');
    expect(around.look({ own: true })).toEqual(before);
    if (name === 'LOCK') return;
    expect(await codeOf(cameBack(allOf(readWal(around.dir, RAW)), join(around.dir, name)))).toBe('WAL_IO');
    expect(around.look({ own: true })).toEqual(before);
  });

  const halfMade = ['wal_00000001.log.tmp', 'checkpoint.meta.tmp', 'wal_00000002.log'].flatMap((name) =>
    ALL_THINGS.map((thing): [Thing, string] => [thing, name]),
  );

  it.each(halfMade)('a %s where %s is to be made is left alone, and told of', async (thing, name) => {
    const around = neighbourhood(LOG);
    around.place(thing, name);
    const path = join(around.dir, name);
    const before = around.look({ own: false });
    const failures: unknown[] = [];
    const tell = (error: unknown): void => {
      failures.push(error);
    };
    const opening = cameBack(openWal<Uint8Array>(around.dir, RAW), path);
    const wal = await opening.catch(tell);
    if (wal) {
      wal.acks$.subscribe({ error: () => undefined });
      wal.append(NEWS).subscribe({ error: tell });
      await cameBack(wal.checkpoint(), path).catch(tell);
      await cameBack(wal.rotate(), path).catch(tell);
      await wal.close().catch(tell);
    }
    expect(failures).not.toEqual([]);
    expect(failures.filter((error) => !(error instanceof WalError))).toEqual([]);
    expect(around.look({ own: false })).toEqual(before);
  });

  it('a file that may only be read is told of, or written where the user may do anything', async () => {
    const around = neighbourhood(LOG);
    const path = join(around.dir, 'wal_00000001.log');
    chmodSync(path, 0o400);
    const expected = process.getuid?.() === 0 ? 'opened' : 'WAL_IO';
    const opening = openWal<Uint8Array>(around.dir, RAW);
    expect(await codeOf(opening)).toBe(expected);
    if (expected === 'opened') await (await opening).close();
  });

  it.each([
    ['by default', {}, 0o700, 0o600],
    ['as asked for', { fileMode: 0o640, directoryMode: 0o750 }, 0o750, 0o640],
  ])('a new log has its modes %s, in every file it ever makes', async (_how, modes, directory, file) => {
    const around = neighbourhood(new Map());
    const dir = join(around.root, 'new', 'log');
    const options = { ...RAW, preallocateBytes: 4096, maxSegmentBytes: 64, ...modes };
    const umask = process.umask(0o022);
    try {
      const wal = await openWal<Uint8Array>(dir, options);
      for (let count = 0; count < 3; count += 1) await firstValueFrom(wal.append(NEWS));
      await wal.checkpoint({ lsn: 1 });
      await wal.close();
      // Cut short, so that opening writes the last segment anew.
      const again = await openWal<Uint8Array>(dir, options);
      await again.close();
    } finally {
      process.umask(umask);
    }
    const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);
    expect([modeOf(dir), modeOf(join(around.root, 'new'))]).toEqual([directory.toString(8), directory.toString(8)]);
    const names = readdirSync(dir);
    expect(names).toEqual(expect.arrayContaining(['LOCK', 'checkpoint.meta']));
    expect(new Set(names.map((name) => modeOf(join(dir, name))))).toEqual(new Set([file.toString(8)]));
  });
});

/** Other calls that come back before one is taken to wait for the other end of a pipe. */
const PATIENCE = 20_000;

/**
 * What a call that may have opened a pipe comes back with. One that waits at its other end is let go, and that is an error: told by other
 * calls that come back meanwhile, not by a clock.
 */
async function cameBack<T>(call: Promise<T>, path: string): Promise<T> {
  const progress = { back: false };
  const settled = call.finally(() => (progress.back = true));
  settled.catch(() => undefined);
  for (let other = 0; other < PATIENCE && !progress.back; other += 1) await stat('/');
  if (!progress.back) {
    try {
      closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    } catch {
      return settled;
    }
    await settled.catch(() => undefined);
    throw new Error(`it waited at ${path}`);
  }
  return settled;
}
