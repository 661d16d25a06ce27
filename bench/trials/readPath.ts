/**
 * Where the time of a replay goes: the log as JSON lines, as bare bytes, as frames, as records, and decoding alone.
 *
 *     npm run build && npx tsx bench/trials/readPath.ts [--records 200000] [--rounds 9] [--builds dist,../other/dist] [--only name,name]
 *
 * All contenders read the same orders, page cache warm, and take turns in each round, forwards and then backwards, so that a noisy
 * machine is noisy for all. What is printed is the median of the rounds, and the median of the ratios within a round. It measures what
 * was built, not the sources: what runs them from source gives each inner function a name at run time, which costs more than a frame.
 * More than one build may be given: `rxwal` is then measured for each, in the same rounds.
 */
import { Command } from 'commander';
import { Encoder } from 'cbor-x';
import {
  createReadStream,
  openSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { crc32 } from 'node:zlib';
import { lastValueFrom, type Observable } from 'rxjs';
import type * as headerModule from '../../src/format/header';
import type * as indexModule from '../../src/index';
import type * as framesModule from '../../src/reading/segmentFrames';
import { order, type Order } from '../order';
import { median, turns } from './readTurns';

const root = resolve(__dirname, '../..');
const { records, rounds, builds, only, dir, chunkBytes } = new Command()
  .option('--records <number>', 'orders in the log', Number, 200_000)
  .option('--rounds <number>', 'rounds', Number, 9)
  .option('--builds <dirs>', 'builds of rxwal, by their dist directories', 'dist')
  .option('--only <names>', 'contenders to run, by parts of their names')
  .option('--chunk-bytes <bytes>', 'size of a read, for frames and runs', Number, 131_072)
  .option('--dir <directory>', 'where the log is made', join(root, 'bench/.work'))
  .parse()
  .opts<{ records: number; rounds: number; builds: string; only?: string; dir: string; chunkBytes: number }>();

/** What of a build is measured: its public names, and one segment's frames, which is no public name. */
interface Build {
  readonly index: typeof indexModule;
  readonly frames: typeof framesModule;
  readonly header: typeof headerModule;
}

async function load(dist: string): Promise<Build> {
  const from = (name: string): Promise<unknown> => import(join(resolve(root, dist), name));
  const [index, frames, header] = await Promise.all([
    from('index.js'),
    from('segmentFrames.js'),
    from('format/header.js'),
  ]);
  return { index, frames, header } as Build;
}

const plain = new Encoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true, tagUint8Array: true });
const CHUNK_BYTES = 1024 * 1024;

/** Counts, and uses what it counts, so that nothing is left out by a compiler. */
class Sum {
  records = 0;
  total = 0;
  readonly take = (value: Order): void => {
    this.records += 1;
    this.total += value.id;
  };
}

/** Counts what an Observable emits; the sum is of what `weigh` makes of each. */
async function drained<T>(source$: Observable<T>, weigh: (value: T) => number): Promise<Sum> {
  const sum = new Sum();
  await new Promise<void>((done, fail) => {
    source$.subscribe({
      next: (value) => {
        sum.records += 1;
        sum.total += weigh(value);
      },
      error: fail,
      complete: done,
    });
  });
  return sum;
}

async function main(): Promise<void> {
  const all = await Promise.all(builds.split(',').map(load));
  const [first] = all as [Build];
  mkdirSync(dir, { recursive: true });
  const work = mkdtempSync(join(dir, 'readPath-'));
  try {
    const log = join(work, 'log');
    const wal = await first.index.openWal<Order>(log, { durability: { mode: 'nosync' }, maxPendingBytes: 2 ** 30 });
    for (let id = 1; id <= records; id += 1) {
      wal.next(order(id));
      if (id % 10_000 === 0) await wal.flush();
    }
    await wal.close();
    const segments = (await readdir(log)).filter((name) => name.endsWith('.log')).map((name) => join(log, name));
    const lines = join(work, 'orders.jsonl');
    writeFileSync(lines, Array.from({ length: records }, (_, at) => `${JSON.stringify(order(at + 1))}\n`).join(''));
    const payloads = packed(records);

    const contenders: Record<string, () => Promise<Sum> | Sum> = {
      'JSON lines, chunks split by hand': () => jsonLines(lines),
      'JSON lines, readline': () => jsonReadline(lines),
      'file read': () => fileRead(segments, false),
      'file read + one crc': () => fileRead(segments, true),
      'decode alone, bare cbor-x': () => decodeAlone(payloads, (bytes) => plain.decode(bytes) as Order),
    };
    for (const [at, build] of all.entries()) {
      const tag = all.length > 1 ? ` [${String(at)}]` : '';
      const { cborCodec, rawCodec, nodeStore, readWal } = build.index;
      const codec = cborCodec<Order>();
      contenders[`decode alone, cborCodec${tag}`] = () => decodeAlone(payloads, (bytes) => codec.decode(bytes));
      contenders[`frames, checked${tag}`] = () => frames(build, log, segments);
      if ('segmentRuns' in build.frames) contenders[`runs, checked${tag}`] = () => runs(build, log, segments);
      contenders[`readWal, rawCodec${tag}`] = () =>
        drained(readWal(nodeStore(log), { codec: rawCodec() }), ({ value }) => value.length);
      contenders[`readWal, decoded${tag}`] = () => drained(readWal<Order>(nodeStore(log)), ({ value }) => value.id);
    }
    const names = Object.keys(contenders).filter(
      (name) => !only || only.split(',').some((part) => name.includes(part)),
    );
    const times = await turns(
      Object.fromEntries(
        names.map((name) => [
          name,
          async () => {
            const sum = await contenders[name]?.();
            if (sum && sum.records !== records && isDecoded(name))
              throw new Error(`${name}: ${String(sum.records)} records`);
          },
        ]),
      ),
      rounds,
    );
    print(times);
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** Frames are more than records, chunks and runs are fewer. */
function isDecoded(name: string): boolean {
  return !/^(file|frames|runs)/.test(name);
}

function print(times: ReadonlyMap<string, readonly number[]>): void {
  const against = ['JSON lines, chunks', 'file read + one crc', 'decode alone, bare'];
  const bases = against.map((base) => [...times].find(([name]) => name.startsWith(base)));
  console.log(`${records} orders, ${rounds} rounds, node ${process.version}`);
  console.log(
    `${''.padEnd(36)} ${'ns a record'.padStart(12)} ${'min'.padStart(7)}   as fast as: JSON / read+crc / bare decode`,
  );
  for (const [name, values] of times) {
    const ns = values.map((ms) => (ms * 1e6) / records);
    const ratios = bases.map((base) =>
      base ? median(base[1].map((ms, round) => ms / (values[round] ?? NaN))).toFixed(2) : '-',
    );
    console.log(
      `${name.padEnd(36)} ${median(ns).toFixed(0).padStart(12)} ${Math.min(...ns)
        .toFixed(0)
        .padStart(7)}   ${ratios.join(' / ')}`,
    );
  }
}

/** The payloads side by side in one buffer, with their ends: as they lie in a file. */
function packed(count: number): { readonly bytes: Buffer; readonly ends: readonly number[] } {
  const parts = Array.from({ length: count }, (_, at) => Buffer.from(plain.encode(order(at + 1))));
  let end = 0;
  const ends = parts.map(({ length }) => (end += length));
  return { bytes: Buffer.concat(parts), ends };
}

function decodeAlone({ bytes, ends }: ReturnType<typeof packed>, decode: (payload: Uint8Array) => Order): Sum {
  const sum = new Sum();
  let start = 0;
  for (const end of ends) {
    sum.take(decode(bytes.subarray(start, end)));
    start = end;
  }
  return sum;
}

/** As fast as JSON lines get: big chunks, split at the line feeds, parsed. */
async function jsonLines(path: string): Promise<Sum> {
  const sum = new Sum();
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: CHUNK_BYTES })) {
    const text = rest + (chunk as string);
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      sum.take(JSON.parse(text.slice(at, end)) as Order);
      at = end + 1;
    }
    rest = text.slice(at);
  }
  return sum;
}

/** As most programs do it. */
async function jsonReadline(path: string): Promise<Sum> {
  const sum = new Sum();
  for await (const line of createInterface({ input: createReadStream(path) })) sum.take(JSON.parse(line) as Order);
  return sum;
}

async function fileRead(paths: readonly string[], withCrc: boolean): Promise<Sum> {
  const sum = new Sum();
  for (const path of paths) {
    const file = await open(path);
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES);
      if (bytesRead === 0) break;
      if (withCrc) sum.total = crc32(buffer.subarray(0, bytesRead), sum.total);
      sum.records += 1;
    }
    await file.close();
  }
  return sum;
}

/** Whole segments: each frame is checked, and none decoded. */
function frames(build: Build, log: string, segments: readonly string[]): Promise<Sum> {
  return inSegments(build, log, segments, (file, options) =>
    drained(build.frames.segmentFrames(file, options), ({ start, end }) => end - start),
  );
}

/** As `frames`, many at a time: what ships a log, or verifies it, needs no more. */
function runs(build: Build, log: string, segments: readonly string[]): Promise<Sum> {
  return inSegments(build, log, segments, (file, options) =>
    drained(build.frames.segmentRuns(file, options), ({ start, end }) => end - start),
  );
}

async function inSegments(
  { index, header }: Build,
  log: string,
  segments: readonly string[],
  read: (...args: Parameters<Build['frames']['segmentRuns']>) => Promise<Sum>,
): Promise<Sum> {
  const store = index.nodeStore(log);
  const sum = new Sum();
  for (const path of segments) {
    const head = Buffer.alloc(header.HEADER_BYTES);
    const fd = openSync(path, 'r');
    readSync(fd, head, 0, head.length, 0);
    closeSync(fd);
    const { logId, firstLsn, groups } = header.decodeHeader(head, basename(path));
    const file = await lastValueFrom(store.open(basename(path), 'read'));
    const size = await lastValueFrom(file.size());
    const one = await read(file, { logId, after: firstLsn - 1, maxRecordBytes: 2 ** 24, groups, size, chunkBytes });
    sum.records += one.records;
    sum.total += one.total;
    await lastValueFrom(file.close(), { defaultValue: undefined });
  }
  return sum;
}

void main();
