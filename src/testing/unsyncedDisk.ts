import type { DiskEvent, FileRange } from './diskEvent';
import { GrowingBytes } from './growingBytes';
import { below, type Random } from './seededRandom';

/** Something a sector, or a size, has been since it was last durable. */
interface Since<T> {
  /** Number of the event that made it so. */
  readonly at: number;
  readonly is: T;
}

/** A sector with writes that no fsync has covered. */
interface DirtySector {
  /** What it has held since, oldest first: the disk may have any one of them, or none. */
  versions: Since<Uint8Array>[];
  /** The file ended before this sector when it became dirty: until it is written, the disk holds there what it held before. */
  fresh: boolean;
  /** An fsync that covered it has failed: no later one makes it durable. */
  lost: boolean;
}

interface FileState {
  /** What is on the disk for certain. */
  readonly durable: GrowingBytes;
  /** What a reader sees. */
  readonly cached: GrowingBytes;
  readonly dirty: Map<number, DirtySector>;
  /** Sizes it has had since its size was last durable. */
  sizes: Since<number>[];
}

type NameEvent = Extract<DiskEvent, { kind: 'create' | 'rename' | 'remove' }>;

/** How often a sector that grew without its data is zeros; less often it is another sector's old bytes, seldom it is noise. */
const ZEROS = 0.5;
const STALE = 0.97;

/** How often a file that has changed its size ends at a sector between the two sizes. */
const BETWEEN = 0.25;

/**
 * A disk at one moment: what is durable for certain, and what a power cut may or may not take. Goes through a journal event by
 * event, and only forwards.
 */
export class UnsyncedDisk {
  /** Events it has gone through. */
  point = 0;
  readonly #sectorBytes: number;
  readonly #zeros: Uint8Array;
  readonly #files = new Map<number, FileState>();
  /** Durable names. */
  readonly #names = new Map<string, number>();
  #unsyncedNames: Since<NameEvent>[] = [];
  /** What each sector of any file has held, by the sector's number: where stale bytes come from. */
  readonly #held = new Map<number, Uint8Array[]>();
  readonly #heldAt: number[] = [];

  /**
   * @param files durable content to begin with; file number n is the nth.
   * @param stale whether sectors that were not written may hold anything but zeros.
   */
  constructor(
    files: ReadonlyMap<string, Uint8Array>,
    sectorBytes: number,
    private readonly stale: boolean,
  ) {
    this.#sectorBytes = sectorBytes;
    this.#zeros = new Uint8Array(sectorBytes);
    this.#begin(files, 0);
  }

  /** These files are all there is, numbered from `file` on. */
  #begin(files: ReadonlyMap<string, Uint8Array>, file: number): void {
    const bytes = this.#sectorBytes;
    this.#names.clear();
    this.#files.clear();
    this.#unsyncedNames = [];
    for (const [name, content] of files) {
      const state = newFile(content);
      this.#names.set(name, file + this.#files.size);
      this.#files.set(file + this.#files.size, state);
      for (let number = 0; number * bytes < content.length; number += 1) {
        this.#hold(number, state.durable.padded(number * bytes, (number + 1) * bytes));
      }
    }
  }

  /** The next event. */
  apply(event: DiskEvent): void {
    const at = this.point;
    this.point += 1;
    switch (event.kind) {
      case 'create':
        this.#files.set(event.file, newFile());
        this.#unsyncedNames.push({ at, is: event });
        break;
      case 'rename':
      case 'remove':
        this.#unsyncedNames.push({ at, is: event });
        break;
      case 'syncDir':
        for (const { is } of until(this.#unsyncedNames, event.begun)) take(this.#names, is);
        this.#unsyncedNames = since(this.#unsyncedNames, event.begun);
        break;
      case 'write':
        this.#write(this.#file(event.file), at, event.position, event.bytes);
        break;
      case 'truncate':
        this.#truncate(this.#file(event.file), at, event.size);
        break;
      case 'sync':
        this.#sync(this.#file(event.file), event.begun, event.range);
        break;
      case 'powerCut':
        this.#begin(event.files, event.file);
        break;
      case 'syncFailed':
        for (const [, sector] of this.#dirtyIn(this.#file(event.file), event.range)) {
          if (until(sector.versions, event.begun).length > 0) sector.lost = true;
        }
        break;
    }
  }

  /**
   * What a power cut at this moment may leave. Every draw is ordered: a low number is nearer to "lost", a high one to "kept". So
   * `() => 0` keeps nothing unsynced, and numbers just below 1 keep everything.
   */
  powerCut(random: Random): Map<string, Uint8Array> {
    const names = new Map(this.#names);
    for (const { is } of this.#unsyncedNames) if (random() >= 0.5) take(names, is);
    return new Map([...names].map(([name, file]) => [name, this.#contentOf(this.#file(file), random)]));
  }

  #write(file: FileState, at: number, position: number, bytes: Uint8Array): void {
    const size = file.cached.length;
    file.cached.write(position, bytes);
    if (file.cached.length !== size) file.sizes.push({ at, is: file.cached.length });
    this.#touch(file, at, position, position + bytes.length);
  }

  #truncate(file: FileState, at: number, size: number): void {
    const old = file.cached.length;
    file.cached.resize(size);
    if (size !== old) file.sizes.push({ at, is: size });
    this.#touch(file, at, size, old);
    // What is written there again goes to new blocks.
    for (const [number, sector] of file.dirty) if (number * this.#sectorBytes >= size) sector.lost = false;
  }

  /** Gives every sector of `[start, end)` a version: what the page cache holds of it now. */
  #touch(file: FileState, at: number, start: number, end: number): void {
    const bytes = this.#sectorBytes;
    for (let number = Math.floor(start / bytes); number * bytes < end; number += 1) {
      const from = number * bytes;
      const is = from >= file.cached.length ? this.#zeros : file.cached.padded(from, from + bytes);
      const sector = file.dirty.get(number) ?? { versions: [], fresh: from >= file.durable.length, lost: false };
      sector.versions.push({ at, is });
      file.dirty.set(number, sector);
      this.#hold(number, is);
    }
  }

  #sync(file: FileState, begun: number, range: FileRange | undefined): void {
    this.#syncSize(file, begun, range);
    const size = file.durable.length;
    for (const [number, sector] of this.#dirtyIn(file, range)) {
      const newest = until(sector.versions, begun).at(-1);
      if (sector.lost || newest === undefined) continue;
      const start = number * this.#sectorBytes;
      if (start < size) file.durable.write(start, newest.is.subarray(0, size - start));
      sector.versions = since(sector.versions, begun);
      sector.fresh = start >= size;
      if (sector.versions.length === 0) file.dirty.delete(number);
    }
  }

  /** An fsync makes the size durable; one of a part of the file, that it reaches to the end of that part. */
  #syncSize(file: FileState, begun: number, range: FileRange | undefined): void {
    const sizes = until(file.sizes, begun);
    const newest = sizes.at(-1);
    if (newest === undefined) return;
    const end = range ? range.position + range.bytes : Infinity;
    const shrank = sizes.some(({ is }) => is < file.durable.length);
    if (shrank || newest.is <= end) {
      file.durable.resize(newest.is);
      file.sizes = since(file.sizes, begun);
    } else if (end > file.durable.length) {
      file.durable.resize(end);
      file.sizes = file.sizes.filter(({ is }) => is > end);
    }
  }

  #dirtyIn(file: FileState, range: FileRange | undefined): readonly (readonly [number, DirtySector])[] {
    if (!range) return [...file.dirty];
    const first = Math.floor(range.position / this.#sectorBytes);
    const end = Math.ceil((range.position + range.bytes) / this.#sectorBytes);
    const dirty: [number, DirtySector][] = [];
    for (let number = first; number < end; number += 1) {
      const sector = file.dirty.get(number);
      if (sector) dirty.push([number, sector]);
    }
    return dirty;
  }

  #contentOf(file: FileState, random: Random): Uint8Array {
    const content = new Uint8Array(this.#sizeOf(file, random));
    file.durable.copyTo(content);
    if (file.dirty.size === 0) return content;
    // Some cuts keep nearly everything of a file, and some nearly nothing.
    const kept = random();
    for (const [number, { versions, fresh }] of file.dirty) {
      const start = number * this.#sectorBytes;
      if (start >= content.length) continue;
      const bytes =
        random() + kept > 1
          ? versions[below(versions.length, random)]?.is
          : fresh
            ? this.#unwritten(number, random)
            : undefined;
      if (bytes) content.set(bytes.subarray(0, content.length - start), start);
    }
    return content;
  }

  #sizeOf({ durable, sizes }: FileState, random: Random): number {
    if (sizes.length === 0) return durable.length;
    const size = sizes[below(sizes.length + 1, random) - 1]?.is ?? durable.length;
    if (size === durable.length || random() >= BETWEEN) return size;
    const low = Math.floor(Math.min(size, durable.length) / this.#sectorBytes) + 1;
    const high = Math.ceil(Math.max(size, durable.length) / this.#sectorBytes);
    return low >= high ? size : (low + below(high - low, random)) * this.#sectorBytes;
  }

  /** What the disk holds at a sector that is part of a file and was not written: zeros, or what it was for another file. */
  #unwritten(number: number, random: Random): Uint8Array {
    const what = random();
    if (!this.stale || what < ZEROS) return this.#zeros;
    if (what >= STALE) return this.#zeros.map(() => below(256, random));
    const there = this.#held.get(number);
    // As often as not the bytes of the same place: a frame of an older file that fits exactly.
    const from =
      there && random() < 0.5 ? there : this.#held.get(this.#heldAt[below(this.#heldAt.length, random)] ?? 0);
    return from?.[below(from.length, random)] ?? this.#zeros;
  }

  #hold(number: number, bytes: Uint8Array): void {
    const held = this.#held.get(number);
    if (held) {
      held.push(bytes);
    } else {
      this.#held.set(number, [bytes]);
      this.#heldAt.push(number);
    }
  }

  #file(file: number): FileState {
    const state = this.#files.get(file);
    if (!state) throw new Error(`no event has made file ${file}`);
    return state;
  }
}

function newFile(content?: Uint8Array): FileState {
  return { durable: new GrowingBytes(content), cached: new GrowingBytes(content), dirty: new Map(), sizes: [] };
}

/** A rename moves the file, whether or not its old name had reached the disk; a removal takes that file's name only. */
function take(names: Map<string, number>, event: NameEvent): void {
  if (event.kind !== 'create' && names.get(event.name) === event.file) names.delete(event.name);
  if (event.kind === 'create') names.set(event.name, event.file);
  if (event.kind === 'rename') names.set(event.to, event.file);
}

function until<T>(changes: readonly Since<T>[], point: number): Since<T>[] {
  return changes.filter(({ at }) => at < point);
}

function since<T>(changes: readonly Since<T>[], point: number): Since<T>[] {
  return changes.filter(({ at }) => at >= point);
}
