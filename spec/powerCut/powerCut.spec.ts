import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CutDisks } from './cutDisk';
import { readJournal } from './journal';
import { SECTOR_BYTES, behindRecords, drawCuts, powerCutAt, type PowerCut } from './powerCut';
import { Draw } from '../support/draw';
import { NEEDLE, openingOf, recordBytes } from './records';

const SECTORS = 24;
const DISK_BYTES = SECTORS * SECTOR_BYTES;

/** An entry as the recorder lays it out. */
function entryBytes(kind: number, offset = 0, bytes: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(kind);
  head.writeUInt32LE(bytes.length, 4);
  head.writeBigUInt64LE(BigInt(offset), 8);
  return Buffer.concat([head, bytes]);
}

/** A write of so many sectors, all bytes of which are `value`. */
const write = (value: number, sector: number, sectors = 1): Buffer =>
  entryBytes(1, sector * SECTOR_BYTES, Buffer.alloc(sectors * SECTOR_BYTES, value));
const flush = entryBytes(2);
const failed = entryBytes(3);

/** The value that each sector of a disk is filled with; an error where a sector is not of one write. */
function sectorsOf(disk: Buffer): number[] {
  return Array.from({ length: SECTORS }, (_, sector) => {
    const bytes = disk.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
    expect(new Set(bytes).size).toBe(1);
    return bytes[0]!;
  });
}

describe('power cuts in a journal', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-power-cut-spec-'));
  });

  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const journalOf = (...entries: readonly Buffer[]): ReturnType<typeof readJournal> => {
    const path = join(dir, 'journal');
    writeFileSync(path, Buffer.concat(entries));
    return readJournal(path);
  };
  const makeDisks = (journal: ReturnType<typeof readJournal>): ((cut: PowerCut) => number[]) => {
    const base = join(dir, 'base');
    const image = join(dir, 'cut');
    writeFileSync(base, Buffer.alloc(DISK_BYTES));
    const disks = new CutDisks(journal, base, join(dir, 'flushed'));
    return (cut) => {
      disks.make(cut, image);
      return sectorsOf(readFileSync(image));
    };
  };

  it('a journal that ends within an entry is refused', () => {
    expect(() => journalOf(flush, write(1, 0).subarray(0, 100))).toThrow('The journal makes no sense before byte 544');
    expect(() => journalOf(entryBytes(4))).toThrow('The journal makes no sense before byte 16');
  });

  it('what a flush has covered is there, and nothing that came after the cut', () => {
    const journal = journalOf(write(1, 0, 4), flush, write(2, 2, 4), failed, flush, write(3, 20), flush);
    const random = new Draw(1);
    const makeDisk = makeDisks(journal);
    for (const entries of [5, 5, 5, 5, 5, 5, 5]) {
      const disk = makeDisk(powerCutAt(journal, entries, random));
      expect(disk.slice(0, 8)).toEqual([1, 1, 2, 2, 2, 2, 0, 0]);
      expect(disk[20]).toBe(0);
    }
  });

  it('behind the last flush each sector holds what some write gave it, and every such state is drawn', () => {
    // Sector 0 is flushed; then 1 and 2 come in one write, and 2 again in another.
    const journal = journalOf(write(1, 0), flush, write(2, 1, 2), write(3, 2));
    const random = new Draw(2);
    const makeDisk = makeDisks(journal);
    const states = new Map<PowerCut['how'], Set<string>>();
    const lossless = new Set<string>();
    for (let trial = 0; trial < 400; trial += 1) {
      const cut = powerCutAt(journal, journal.length, random);
      const state = makeDisk(cut).slice(0, 3).join('');
      states.set(cut.how, (states.get(cut.how) ?? new Set()).add(state));
      if (!cut.isLossy) lossless.add(state);
    }
    const seen = [...states.values()].flatMap((some) => [...some]);
    expect([...new Set(seen)].sort()).toEqual(['100', '102', '103', '120', '122', '123']);
    expect([...states.get('all')!]).toEqual(['123']);
    expect([...states.get('none')!]).toEqual(['100']);
    expect([...states.get('some')!].sort()).toEqual(['100', '103', '122', '123']);
    expect([...lossless]).toEqual(['123']);
  });

  it('they come in the order in which their disks can be made, at every moment', () => {
    const journal = journalOf(...Array.from({ length: 12 }, (_, at) => (at % 4 === 3 ? flush : write(at + 1, at))));
    const cuts = drawCuts(journal, [], 300, new Draw(3));
    const makeDisk = makeDisks(journal);
    for (const cut of cuts) {
      const disk = makeDisk(cut);
      const flushed = [0, 1, 2, 4, 5, 6, 8, 9, 10].filter((at) => at < cut.flushed);
      expect(flushed.map((at) => disk[at])).toEqual(flushed.map((at) => at + 1));
      expect(disk.slice(cut.entries)).toEqual(disk.slice(cut.entries).fill(0));
    }
    expect(new Set(cuts.map(({ entries }) => entries)).size).toBe(13);
  });

  it('half of them are made where records were on their way', () => {
    const records = recordBytes(1, 1);
    const entries = [...Array.from({ length: 99 }, () => write(1, 0)), entryBytes(1, 0, records), flush];
    const journal = journalOf(...entries);
    const moments = behindRecords(journal);
    expect(moments).toEqual([100]);
    const cuts = drawCuts(journal, moments, 400, new Draw(4));
    expect(cuts.filter((cut) => cut.entries === 100).length).toBeGreaterThan(200);
    expect(cuts.filter((cut) => cut.entries < 100).length).toBeGreaterThan(50);
  });
});

describe('a record of the power cut check', () => {
  it('says who wrote it, and no byte of it can be changed', () => {
    for (const lsn of [1, 2, 300]) {
      const bytes = recordBytes(lsn, 7);
      expect(openingOf(lsn, bytes)).toBe(7);
      expect(openingOf(lsn + 1, bytes)).toBeUndefined();
      expect(openingOf(lsn, bytes.subarray(0, -1))).toBeUndefined();
      for (let at = 0; at < bytes.length; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1;
        expect(openingOf(lsn, changed)).not.toBe(7);
      }
    }
  });

  it('can be told from what a file system writes', () => {
    expect(recordBytes(5, 5).toString('latin1')).toContain(NEEDLE);
  });
});
