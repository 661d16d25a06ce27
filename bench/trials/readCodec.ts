/**
 * Faster codecs: what it would take to read records faster than `JSON.parse`, and what each way costs.
 *
 *     npx tsx bench/trials/readCodec.ts [--rounds 15] [--records 20000]
 *
 * Records of four kinds, encoded and decoded in turns: bare cbor-x with plain maps, cbor-x with its records inline, cbor-x with shared
 * structures (a dictionary that stands elsewhere), JSON, and the codec of the log, which recognises the keys of plain maps. Medians of the
 * rounds, in nanoseconds a record; in brackets how many times as fast as bare cbor-x, round by round.
 */
import { Encoder, type Options } from 'cbor-x';
import Table from 'cli-table3';
import { Command } from 'commander';
import { cborCodec } from '../../src/codec/cborCodec';
import { order } from '../order';
import { median, turns } from './readTurns';

const { records, rounds } = new Command()
  .option('--records <number>', 'records of each kind', Number, 20_000)
  .option('--rounds <number>', 'rounds', Number, 15)
  .parse()
  .opts<{ records: number; rounds: number }>();

/** Numbers that are the same each time and follow no pattern that a cache could learn. */
function scattered(id: number): number {
  return Math.imul(id, 0x9e37_79b1) >>> 0;
}

const KINDS: Readonly<Record<string, (id: number) => unknown>> = {
  order: (id) => order(scattered(id)),
  tiny: (id) => ({ id, key: `k${scattered(id)}`, on: id % 2 === 0 }),
  document: (id) => ({
    ...order(scattered(id)),
    title: `An order of ${scattered(id)} things`,
    text: 'Some text that somebody has written, grün und größer. '.repeat(20),
    tags: ['red', 'green', `blue-${scattered(id)}`],
    address: { street: `Street ${scattered(id) % 300}`, city: 'Köln', zip: String(scattered(id) % 99_999) },
  }),
  'keys of their own': (id) => ({ [`user-${scattered(id)}`]: { seen: id, at: 1.5 * id }, [`other-${id}`]: id }),
  'with a date': (id) => ({ ...order(scattered(id)), at: new Date(1.7e12 + id) }),
};

const PLAIN: Options = { useRecords: false, mapsAsObjects: true, copyBuffers: true, tagUint8Array: true };

interface Way {
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
}

function ways(): Record<string, Way> {
  const plain = new Encoder(PLAIN);
  const inline = new Encoder({ useRecords: true });
  const shared = new Encoder({ structures: [] });
  const log = cborCodec();
  return {
    'cbor-x, plain maps': { encode: (value) => plain.encode(value), decode: (bytes) => plain.decode(bytes) as unknown },
    'cborCodec()': { encode: (value) => log.encode(value), decode: (bytes) => log.decode(bytes) },
    'cbor-x, records inline': {
      encode: (value) => inline.encode(value),
      decode: (bytes) => inline.decode(bytes) as unknown,
    },
    'cbor-x, shared structures': {
      encode: (value) => shared.encode(value),
      decode: (bytes) => shared.decode(bytes) as unknown,
    },
    JSON: {
      encode: (value) => Buffer.from(JSON.stringify(value)),
      decode: (bytes) => JSON.parse((bytes as Buffer).toString()) as unknown,
    },
  };
}

/** What is computed is used, so that no compiler leaves it out. */
let used = 0;

async function main(): Promise<void> {
  const table = new Table({
    head: ['records', 'codec', 'bytes', 'encode ns', 'decode ns'],
    style: { head: [], border: [], compact: true },
  });
  for (const [kind, make] of Object.entries(KINDS)) {
    const values = Array.from({ length: records }, (_, id) => make(id + 1));
    const all = Object.entries(ways()).map(([name, way]) => {
      const payloads = values.map((value) => Buffer.from(way.encode(value)));
      const bytes = Buffer.concat(payloads);
      let end = 0;
      return { name, way, bytes, ends: payloads.map(({ length }) => (end += length)) };
    });
    const encoding = await turns(
      Object.fromEntries(
        all.map(({ name, way }) => [
          name,
          () => {
            for (const value of values) used += way.encode(value).length;
          },
        ]),
      ),
      rounds,
    );
    const decoding = await turns(
      Object.fromEntries(
        all.map(({ name, way, bytes, ends }) => [
          name,
          () => {
            let start = 0;
            for (const end of ends) {
              used += way.decode(bytes.subarray(start, end)) === undefined ? 1 : 0;
              start = end;
            }
          },
        ]),
      ),
      rounds,
    );
    for (const { name, bytes } of all) {
      table.push([kind, name, (bytes.length / records).toFixed(0), shown(encoding, name), shown(decoding, name)]);
    }
  }
  console.log(`${records} records of each kind, ${rounds} rounds, node ${process.version}`);
  console.log(table.toString());
  console.log(`used: ${used}`);
}

function shown(times: ReadonlyMap<string, readonly number[]>, name: string): string {
  const own = times.get(name) ?? [];
  const [bare = []] = times.values();
  const ratio = median(bare.map((ms, round) => ms / (own[round] ?? NaN)));
  return `${((median(own) * 1e6) / records).toFixed(0)} (${ratio.toFixed(2)})`;
}

void main();
