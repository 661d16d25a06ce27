import { setImmediate } from 'node:timers/promises';
import { mergeMap, timer, type Observable } from 'rxjs';
import {
  describeEvent,
  fault,
  marblePlan,
  seededRandom,
  simulatedDisk,
  virtualTime,
  type SimulatedDisk,
  type SimulatedDiskOptions,
} from '../../src/testing';
import type { SegmentFile } from '../../src/store/segmentStore';
import { contentOf, did, makeFile } from '../store/operations';
import { storeContract } from '../store/contract';

storeContract('simulatedDisk', () => simulatedDisk());
storeContract('simulatedDisk with durable writes', () => simulatedDisk({ durableWrites: true }));

const NOTHING = (): number => 0;
const EVERYTHING = (): number => 0.999999;

/** A file of this many sectors, each filled with one of the letters. */
function sectors(letters: string): Buffer {
  return Buffer.concat(Array.from(letters, (letter) => Buffer.alloc(512, letter)));
}

/** A file in short: a letter for each sector that holds nothing else, `0` for zeros, `?` for anything else; the last may be short. */
function short(content: Uint8Array): string {
  const letters: string[] = [];
  for (let at = 0; at < content.length; at += 512) {
    const sector = content.subarray(at, at + 512);
    const [first = 0] = sector;
    const letter = first === 0 ? '0' : String.fromCharCode(first);
    letters.push(sector.every((byte) => byte === first) && /[0-9a-zA-Z]/.test(letter) ? letter : '?');
  }
  return letters.join('');
}

/** Every outcome of many cuts now: the files by name, each in short. */
function outcomes(disk: SimulatedDisk, cuts = 600): Set<string> {
  const point = disk.journal.length;
  const drawn = new Set<string>();
  for (let seed = 0; seed < cuts; seed += 1) {
    const files = [...disk.powerCut(point, seededRandom(seed))];
    const shown = files.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, content]) => `${name}=${short(content)}`);
    drawn.add(shown.join(' '));
  }
  return drawn;
}

/** A disk with one durable file, open for writing. */
async function withFile(
  content: Uint8Array,
  options: SimulatedDiskOptions = {},
): Promise<{ disk: SimulatedDisk; file: SegmentFile }> {
  const disk = simulatedDisk({ stale: false, ...options, files: new Map([['f', content]]) });
  return { disk, file: await did(disk.open('f', 'write')) };
}

describe('a power cut', () => {
  it('keeps what was durable, whatever is drawn', async () => {
    const { disk, file } = await withFile(sectors('ab'));
    await did(file.write([sectors('X')], 512));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=aX']));
  });

  it('takes or keeps each sector of each unsynced write: they are cut, and reordered', async () => {
    const { disk, file } = await withFile(sectors('abc'));
    await did(file.write([sectors('XY')], 0));
    await did(file.write([sectors('Z')], 1024));
    expect(outcomes(disk)).toEqual(
      new Set(['abc', 'Xbc', 'aYc', 'abZ', 'XYc', 'XbZ', 'aYZ', 'XYZ'].map((content) => `f=${content}`)),
    );
  });

  it('shows a sector as it was at any moment since its last fsync, and never two of them mixed', async () => {
    const { disk, file } = await withFile(sectors('a'));
    await did(file.write([Buffer.alloc(512, 'X')], 0));
    await did(file.write([Buffer.alloc(512, 'Y')], 0));
    expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=X', 'f=Y']));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=Y']));
  });

  it('never tears a sector', async () => {
    const { disk, file } = await withFile(Buffer.alloc(512, 'a'));
    await did(file.write([Buffer.from('XXXX')], 100));
    const drawn = new Set<string>();
    for (let seed = 0; seed < 100; seed += 1) {
      drawn.add(Buffer.from(disk.powerCut(1, seededRandom(seed)).get('f')!).toString());
    }
    expect(drawn).toEqual(new Set(['a'.repeat(512), `${'a'.repeat(100)}XXXX${'a'.repeat(408)}`]));
  });

  it('tears smaller sectors where the disk has smaller ones', async () => {
    const { disk, file } = await withFile(Buffer.from('abcdef'), { sectorBytes: 2 });
    await did(file.write([Buffer.from('UVWXYZ')], 0));
    const drawn = new Set<string>();
    for (let seed = 0; seed < 200; seed += 1) {
      drawn.add(Buffer.from(disk.powerCut(1, seededRandom(seed)).get('f')!).toString());
    }
    expect([...drawn].sort()).toEqual(
      ['UVWXYZ', 'UVWXef', 'UVcdYZ', 'UVcdef', 'abWXYZ', 'abWXef', 'abcdYZ', 'abcdef'].sort(),
    );
  });

  it('may leave data without its size, size without its data, and a size in between', async () => {
    const { disk, file } = await withFile(sectors('a'));
    await did(file.write([sectors('XYZ')], 512));
    const drawn = outcomes(disk, 3000);
    for (const content of ['a', 'aX', 'a0', 'aXY', 'a0Y', 'aXYZ', 'a000', 'a0YZ', 'aX0Z', 'aXY0']) {
      expect(drawn).toContain(`f=${content}`);
    }
    expect([...drawn].every((content) => /^f=a[X0]?[Y0]?[Z0]?$/.test(content))).toBe(true);
  });

  it('may show old bytes where a file has grown without its data', async () => {
    const { disk, file } = await withFile(sectors('a'), { stale: true });
    const other = await makeFile(disk, 'other', sectors('SS').toString());
    await did(other.sync());
    await did(disk.syncDir());
    await did(disk.remove('other'));
    await did(disk.syncDir());
    await did(file.write([sectors('XY')], 512));
    const drawn = outcomes(disk, 3000);
    for (const content of ['aXY', 'a0Y', 'aSY', 'aXS', 'aSS', 'aaY']) expect(drawn).toContain(`f=${content}`);
    expect([...drawn].some((content) => content.includes('?'))).toBe(true);
  });

  it('never shows old bytes inside of what was durable', async () => {
    const { disk, file } = await withFile(sectors('ab'), { stale: true });
    await did((await makeFile(disk, 'other', sectors('SSSS').toString())).sync());
    await did(disk.syncDir());
    await did(file.write([sectors('XY')], 0));
    expect(outcomes(disk)).toEqual(new Set(['ab', 'Xb', 'aY', 'XY'].map((content) => `f=${content} other=SSSS`)));
  });

  it('may take a truncation, or keep it', async () => {
    const { disk, file } = await withFile(sectors('ab'));
    await did(file.truncate(512));
    expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=ab', 'f=a0']));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=a']));
  });

  it('may empty a file that is made again where it was', async () => {
    const disk = simulatedDisk({ stale: false, files: new Map([['f', sectors('a')]]) });
    await did((await did(disk.open('f', 'create'))).write([sectors('X')], 0));
    expect(outcomes(disk)).toEqual(new Set(['f=', 'f=0', 'f=a', 'f=X']));
  });

  it('may take a name whose content was fsync’d, and keep a name without its content', async () => {
    const disk = simulatedDisk({ stale: false });
    const file = await makeFile(disk, 'n', sectors('X').toString());
    expect(outcomes(disk)).toEqual(new Set(['', 'n=', 'n=0', 'n=X']));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['', 'n=X']));
    await did(disk.syncDir());
    expect(outcomes(disk)).toEqual(new Set(['n=X']));
  });

  it('does each creation, renaming and removal or does not, in any combination', async () => {
    const disk = simulatedDisk({ files: new Map(['a', 'b', 'c'].map((name) => [name, sectors(name)])) });
    await did(disk.rename('a', 'b'));
    await did(disk.remove('c'));
    await did((await did(disk.open('d', 'create'))).close());
    const renamed = ['a=a b=b', 'b=a'];
    const all = renamed.flatMap((ab) => ['', ' c=c'].flatMap((c) => ['', ' d='].map((d) => `${ab}${c}${d}`)));
    expect(outcomes(disk)).toEqual(new Set(all));
    await did(disk.syncDir());
    expect(outcomes(disk)).toEqual(new Set(['b=a d=']));
  });

  it('renames a file whose first name had not reached the disk, and removes no other file of that name', async () => {
    const disk = simulatedDisk({ files: new Map([['b', sectors('b')]]) });
    const file = await makeFile(disk, 'a', sectors('a').toString());
    await did(file.sync());
    await did(disk.rename('a', 'b'));
    expect(outcomes(disk)).toEqual(new Set(['b=b', 'a=a b=b', 'b=a']));
    await did(disk.remove('b'));
    expect(outcomes(disk)).toEqual(new Set(['b=b', 'a=a b=b', 'b=a', '']));
  });

  it('of nothing and of everything are the two ends of what is drawn', async () => {
    const { disk, file } = await withFile(sectors('a'), { stale: true });
    await did(file.write([sectors('XY')], 512));
    await did(file.truncate(1024));
    await did((await makeFile(disk, 'n', 'text')).close());
    await did(disk.rename('f', 'g'));
    const [none, all] = [NOTHING, EVERYTHING].map((random) => disk.powerCut(disk.journal.length, random));
    expect([...none!].map(([name, content]) => [name, short(content)])).toEqual([['f', 'a']]);
    expect(all).toEqual(disk.snapshot());
  });

  it('at an earlier point is of that moment, in any order', async () => {
    const { disk, file } = await withFile(sectors('a'));
    for (const letter of 'XYZ') {
      await did(file.write([sectors(letter)], 0));
      await did(file.sync());
    }
    const at = (point: number): string => short(disk.powerCut(point, NOTHING).get('f')!);
    expect([6, 4, 2, 0, 1, 3, 5].map(at)).toEqual(['Z', 'Y', 'X', 'a', 'a', 'X', 'Y']);
    expect(() => disk.powerCut(7, NOTHING)).toThrow(RangeError);
    expect(() => disk.powerCut(-1, NOTHING)).toThrow(RangeError);
  });

  it('gives copies', async () => {
    const { disk } = await withFile(sectors('a'));
    disk.powerCut(0, NOTHING).get('f')!.fill(0);
    disk.snapshot().get('f')!.fill(0);
    expect(outcomes(disk)).toEqual(new Set(['f=a']));
    expect(short(disk.snapshot().get('f')!)).toBe('a');
  });
});

describe('writeDurable', () => {
  it('makes its own bytes durable, and that the file reaches to their end, and nothing else', async () => {
    const { disk, file } = await withFile(sectors('a'), { durableWrites: true });
    await did(file.write([sectors('X')], 512));
    await did(file.writeDurable!([sectors('Y')], 1024));
    await did(file.write([sectors('Z')], 1536));
    const drawn = outcomes(disk, 2000);
    expect(drawn).toEqual(new Set(['a0Y', 'aXY', 'a0YZ', 'aXYZ', 'a0Y0', 'aXY0'].map((content) => `f=${content}`)));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=aXYZ']));
  });

  it('is there where it was asked for', async () => {
    expect((await withFile(sectors('a'))).file.writeDurable).toBeUndefined();
  });
});

describe('fail', () => {
  it('fails an operation, which then has no effect', async () => {
    const { disk, file } = await withFile(sectors('a'));
    for (const [kind, operation] of [
      ['write', file.write([sectors('X')], 0)],
      ['truncate', file.truncate(0)],
      ['rename', disk.rename('f', 'g')],
      ['remove', disk.remove('f')],
      ['create', disk.open('n', 'create')],
      ['syncDir', disk.syncDir()],
      ['list', disk.list()],
    ] as const) {
      disk.fail = (asked) => (asked.kind === kind ? fault('EIO') : undefined);
      await expect(did<unknown>(operation)).rejects.toMatchObject({ code: 'EIO' });
    }
    expect(disk.journal).toEqual([]);
    disk.fail = undefined;
    expect(await did(disk.list())).toEqual(['f']);
    expect(await contentOf(file)).toBe(sectors('a').toString());
  });

  it.each(['sync', 'writeDurable'])('of a %s leaves what is readable, and is never made durable', async (how) => {
    const { disk, file } = await withFile(sectors('ab'), { durableWrites: true });
    disk.fail = ({ kind }) => (kind === 'sync' ? fault('EIO') : undefined);
    const write = how === 'sync' ? file.write([sectors('X')], 0) : file.writeDurable!([sectors('X')], 0);
    await did(write).catch(() => undefined);
    await did(file.sync()).catch(() => undefined);
    disk.fail = undefined;
    expect(await contentOf(file)).toBe(sectors('Xb').toString());

    // A later fsync succeeds, and proves nothing; not for what is written again in the same place either.
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=ab', 'f=Xb']));
    await did(file.write([sectors('Y')], 0));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=ab', 'f=Xb', 'f=Yb']));

    // Other sectors are as safe as before, and so is a new file.
    await did(file.write([sectors('Z')], 512));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=aZ', 'f=XZ', 'f=YZ']));
    const copy = await makeFile(disk, 'new', await contentOf(file));
    await did(copy.sync());
    await did(disk.rename('new', 'f'));
    await did(disk.syncDir());
    expect(outcomes(disk)).toEqual(new Set(['f=YZ']));
  });

  it('of an fsync lets the size through later, without the data', async () => {
    const { disk, file } = await withFile(sectors('a'));
    await did(file.write([sectors('X')], 512));
    disk.fail = ({ kind }) => (kind === 'sync' ? fault('EIO') : undefined);
    await expect(did(file.sync())).rejects.toMatchObject({ code: 'EIO' });
    disk.fail = undefined;
    expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=a0', 'f=aX']));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=a0', 'f=aX']));
  });

  it('is healed by cutting the file before it is written again', async () => {
    const { disk, file } = await withFile(sectors('a'));
    await did(file.write([sectors('X')], 512));
    disk.fail = ({ kind }) => (kind === 'sync' ? fault('EIO') : undefined);
    await expect(did(file.sync())).rejects.toMatchObject({ code: 'EIO' });
    disk.fail = undefined;
    await did(file.truncate(512));
    await did(file.write([sectors('Y')], 512));
    await did(file.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=aY']));
  });

  it('of an operation that takes time comes at its end; a write may have happened, an fsync is lost', () => {
    virtualTime(({ expectObservable, flush }) => {
      const disk = simulatedDisk({ stale: false, files: new Map([['f', sectors('a')]]) });
      let file: SegmentFile | undefined;
      disk.open('f', 'write').subscribe((opened) => (file = opened));
      disk.plan = marblePlan({ write: '--#', sync: '---#' });
      expectObservable(file!.write([sectors('X')], 0)).toBe('--#', {}, fault('EIO'));
      expectObservable(file!.sync()).toBe('---#', {}, fault('EIO'));
      flush();
      disk.plan = undefined;
      file!.sync().subscribe();
      expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=X']));
    });
  });
});

describe('pretend', () => {
  it('reports success and does nothing', async () => {
    const pretending = new Set(['sync', 'syncDir']);
    const { disk, file } = await withFile(sectors('a'), { pretend: ({ kind }) => pretending.has(kind) });
    await did(file.write([sectors('X')], 0));
    await did(file.sync());
    await did(disk.rename('f', 'g'));
    await did(disk.syncDir());
    expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=X', 'g=a', 'g=X']));
    pretending.clear();
    for (const kind of ['write', 'truncate', 'rename', 'remove']) pretending.add(kind);
    const before = disk.journal.length;
    await did(file.write([sectors('Y')], 0));
    await did(file.truncate(0));
    await did(disk.rename('g', 'h'));
    await did(disk.remove('g'));
    expect(disk.journal).toHaveLength(before);
    expect(disk.snapshot().has('g')).toBe(true);
  });

  it('is not asked for what must give something', async () => {
    const asked = new Set<string>();
    const disk = simulatedDisk({
      pretend: ({ kind }) => {
        asked.add(kind);
        return true;
      },
    });
    const unlock = await did(disk.lock());
    const file = await makeFile(disk, 'a', 'abc');
    await did(file.size());
    await did(file.read(0, 1));
    await did(file.sync());
    await did(file.close());
    await did(disk.list());
    await did(unlock());
    expect([...asked]).toEqual(['write', 'sync']);
  });
});

describe('operations that take time', () => {
  it('are on their way to the disk from their beginning, and an fsync covers what was there when it began', () => {
    virtualTime(({ cold, flush }) => {
      const disk = simulatedDisk({ stale: false, files: new Map([['f', sectors('ab')]]) });
      let file: SegmentFile | undefined;
      disk.open('f', 'write').subscribe((opened) => (file = opened));
      disk.plan = ({ kind }) => (kind === 'sync' ? timer(3) : timer(2));
      const seen: Set<string>[] = [];
      file!.write([sectors('X')], 0).subscribe();
      seen.push(outcomes(disk));
      file!.sync().subscribe(() => {
        seen.push(outcomes(disk));
      });
      cold('-a')
        .pipe(mergeMap(() => file!.write([sectors('Y')], 512)))
        .subscribe();
      flush();
      expect(seen).toEqual([new Set(['f=ab', 'f=Xb']), new Set(['f=Xb', 'f=XY'])]);
    });
  });

  it('cover names too', () => {
    virtualTime(({ cold, flush }) => {
      const disk = simulatedDisk({ files: new Map(['a', 'b'].map((name) => [name, sectors(name)])) });
      disk.plan = ({ kind }) => (kind === 'syncDir' ? timer(3) : undefined);
      disk.remove('a').subscribe();
      disk.syncDir().subscribe();
      cold('-a')
        .pipe(mergeMap(() => disk.remove('b')))
        .subscribe();
      flush();
      expect(outcomes(disk)).toEqual(new Set(['', 'b=b']));
    });
  });
});

describe('kill', () => {
  it('frees the lock, keeps what is unsynced, and lets nothing of the killed process come back', async () => {
    const { disk, file } = await withFile(sectors('a'));
    const unlock = await did(disk.lock());
    await did(file.write([sectors('X')], 0));
    disk.kill();
    const ended = jest.fn();
    const late: Observable<unknown>[] = [file.write([sectors('Z')], 0), file.sync(), file.size(), unlock()];
    for (const operation of late) {
      operation.subscribe({ next: ended, error: ended, complete: ended });
    }
    const again = await did(disk.lock());
    expect(outcomes(disk)).toEqual(new Set(['f=a', 'f=X']));
    const reader = await did(disk.open('f', 'write'));
    expect(await contentOf(reader)).toBe(sectors('X').toString());
    await did(reader.sync());
    expect(outcomes(disk)).toEqual(new Set(['f=X']));
    await setImmediate();
    expect(ended).not.toHaveBeenCalled();
    await did(again());
  });

  it('within an operation makes that the last one, without effect', async () => {
    const { disk, file } = await withFile(sectors('a'));
    disk.fail = () => {
      disk.fail = undefined;
      disk.kill();
      return undefined;
    };
    const ended = jest.fn();
    file.write([sectors('X')], 0).subscribe({ next: ended, error: ended, complete: ended });
    expect(ended).not.toHaveBeenCalled();
    expect(disk.journal).toEqual([]);
  });

  it('does not let an fsync of the killed process end later', () => {
    virtualTime(({ cold, flush }) => {
      const disk = simulatedDisk({ files: new Map([['f', sectors('a')]]) });
      let file: SegmentFile | undefined;
      disk.open('f', 'write').subscribe((opened) => (file = opened));
      file!.write([sectors('X')], 0).subscribe();
      disk.plan = () => timer(3);
      file!.sync().subscribe();
      cold('-a').subscribe(() => {
        disk.kill();
      });
      flush();
      expect(disk.journal.map(({ kind }) => kind)).toEqual(['write']);
    });
  });
});

describe('losePower', () => {
  it('decides what is there, and goes on with that', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1) {
      const { disk, file } = await withFile(sectors('a'));
      await did(disk.lock());
      await did(file.write([sectors('X')], 0));
      await did(disk.rename('f', 'g'));
      disk.losePower(seededRandom(seed));
      const [only] = outcomes(disk, 20);
      expect(outcomes(disk)).toEqual(new Set([only]));
      seen.add(only!);
      const [name] = await did(disk.list());
      const again = await did(disk.open(name!, 'write'));
      await did(disk.lock());
      await did(again.write([sectors('Y')], 0));
      await did(again.sync());
      expect(outcomes(disk)).toEqual(new Set([`${name}=Y`]));
    }
    expect(seen).toEqual(new Set(['f=a', 'f=X', 'g=a', 'g=X']));
  });

  it('is an event, before which the disk was as it was', async () => {
    const { disk, file } = await withFile(sectors('a'));
    await did(file.write([sectors('X')], 0));
    disk.losePower(NOTHING);
    expect(disk.journal.map(describeEvent)).toEqual(['write f, 512 bytes at 0', 'power cut']);
    expect(short(disk.powerCut(2, EVERYTHING).get('f')!)).toBe('a');
    expect(short(disk.powerCut(1, EVERYTHING).get('f')!)).toBe('X');
  });
});

describe('the journal', () => {
  it('has every change, with its bytes, and no hold of the caller’s memory', async () => {
    const disk = simulatedDisk({ durableWrites: true });
    const file = await did(disk.open('a', 'create'));
    const bytes = Buffer.from('abc');
    await did(file.write([bytes, Buffer.from('d')], 0));
    bytes.fill(0);
    await did(file.writeDurable!([Buffer.from('e')], 4));
    await did(file.truncate(2));
    await did(file.truncate(2));
    await did(disk.rename('a', 'b'));
    await did(file.sync());
    await did(disk.syncDir());
    await did(disk.remove('b'));
    expect(disk.journal).toEqual([
      { kind: 'create', name: 'a', file: 0 },
      { kind: 'write', name: 'a', file: 0, position: 0, bytes: Uint8Array.from(Buffer.from('abcd')) },
      { kind: 'write', name: 'a', file: 0, position: 4, bytes: Uint8Array.from(Buffer.from('e')) },
      { kind: 'sync', name: 'a', file: 0, begun: 3, range: { position: 4, bytes: 1 } },
      { kind: 'truncate', name: 'a', file: 0, size: 2 },
      { kind: 'rename', name: 'a', to: 'b', file: 0 },
      { kind: 'sync', name: 'a', file: 0, begun: 6 },
      { kind: 'syncDir', begun: 7 },
      { kind: 'remove', name: 'b', file: 0 },
    ]);
    expect(disk.journal.map(describeEvent)).toEqual([
      'create a',
      'write a, 4 bytes at 0',
      'write a, 1 bytes at 4',
      'sync a, 1 bytes at 4',
      'truncate a to 2 bytes',
      'rename a to b',
      'sync a',
      'syncDir',
      'remove b',
    ]);
  });

  it('refuses a sector of no bytes', () => {
    expect(() => simulatedDisk({ sectorBytes: 0 })).toThrow(RangeError);
    expect(() => simulatedDisk({ sectorBytes: '512' as never })).toThrow(TypeError);
  });
});
