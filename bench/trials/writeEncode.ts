/**
 * From a value to a sealed frame: encode and copy into the arena, or straight into it; and the checksum of the frame by a view of it, or in the
 * same pass over its bytes.
 *
 *     npx tsx bench/trials/writeEncode.ts [--rounds 15] [--records 20000]
 *
 * Medians of rounds in turns, in nanoseconds a record; in brackets the share of `encode, copy, crc of a view`, round by round.
 */
import { buf } from 'crc-32';
import Table from 'cli-table3';
import { Command } from 'commander';
import { cborCodec } from '../../src/codec/cborCodec';
import { CborPlain } from '../../src/codec/cborPlain';
import { order } from '../order';
import { median, turns } from './readTurns';

const { records, rounds } = new Command()
  .option('--records <number>', 'records of each kind', Number, 20_000)
  .option('--rounds <number>', 'rounds', Number, 15)
  .parse()
  .opts<{ records: number; rounds: number }>();

const KINDS: Readonly<Record<string, (id: number) => unknown>> = {
  order,
  tiny: (id) => ({ type: 'SetNodeProperty', id, key: 'name', value: `n${id}` }),
  document: (id) => ({
    ...order(id),
    title: `An order of ${id} things`,
    text: 'Some text that somebody has written, grün und größer. '.repeat(20),
    tags: ['red', 'green', `blue-${id}`],
    address: { street: `Street ${id % 300}`, city: 'Köln', zip: String(id % 99_999) },
  }),
};

const HEAD_BYTES = 12;
const ROOM_BYTES = 4096;
const arena = Buffer.allocUnsafeSlow(1024 * 1024);

/** The usual table of CRC-32, for a pass over a range of bytes that makes no view of it. */
const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let entry = byte;
  for (let bit = 0; bit < 8; bit += 1) entry = entry & 1 ? (entry >>> 1) ^ 0xedb8_8320 : entry >>> 1;
  return entry;
});

function crcOfRange(bytes: Uint8Array, start: number, end: number): number {
  let register = -1;
  for (let at = start; at < end; at += 1) {
    register = (register >>> 8) ^ (TABLE[(register ^ (bytes[at] as number)) & 0xff] as number);
  }
  return ~register;
}

const crcOfView = (bytes: Uint8Array, start: number, end: number): number => buf(bytes.subarray(start, end));

/** Lays a frame at `at`, all but its checksum; gives the offset behind the payload. */
type Lay = (value: unknown, at: number) => number;
type Crc = (bytes: Uint8Array, start: number, end: number) => number;

function ways(values: readonly unknown[]): Record<string, () => void> {
  const codec = cborCodec();
  const plain = new CborPlain();
  const copied: Lay = (value, at) => {
    const payload = codec.encode(value);
    arena.set(payload, at + HEAD_BYTES);
    return at + HEAD_BYTES + payload.length;
  };
  const straight: Lay = (value, at) => plain.encode(value, arena, at + HEAD_BYTES);
  const frames = (lay: Lay, crc: Crc) => () => {
    let at = 0;
    for (const value of values) {
      if (at > arena.length - ROOM_BYTES) at = 0;
      const end = lay(value, at);
      if (end < 0) throw new Error('a value is not plain');
      arena.writeUInt32LE(end - at - HEAD_BYTES, at);
      arena.writeInt32LE(crc(arena, at, end), end);
      at = end + 4;
    }
  };
  return {
    'encode, copy, crc of a view': frames(copied, crcOfView),
    'straight into the arena, crc of a view': frames(straight, crcOfView),
    'straight, crc in a pass without a view': frames(straight, crcOfRange),
    'straight, no crc': frames(straight, () => 0),
  };
}

async function main(): Promise<void> {
  const table = new Table({ head: ['records', 'way', 'ns a record'], style: { head: [], border: [], compact: true } });
  for (const [kind, make] of Object.entries(KINDS)) {
    const values = Array.from({ length: records }, (_, id) => make(id));
    const times = await turns(ways(values), rounds);
    const [first = []] = times.values();
    for (const [way, own] of times) {
      const share = median(own.map((ms, round) => ms / (first[round] ?? NaN)));
      table.push([kind, way, `${((median(own) * 1e6) / records).toFixed(0)} (${share.toFixed(2)})`]);
    }
  }
  console.log(`${records} records of each kind, ${rounds} rounds, node ${process.version}`);
  console.log(table.toString());
}

void main();
