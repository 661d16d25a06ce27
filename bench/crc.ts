/**
 * Which CRC-32 is faster at which size: `crc-32` (JavaScript, no call into native code) or `zlib.crc32`. The answer is
 * `NATIVE_FROM_BYTES` in `src/format/crc.ts`.
 *
 *     npx tsx bench/crc.ts
 *
 * Rounds of the two are interleaved, so that a noisy machine is noisy for both; the median of the rounds is printed. Each call gets
 * a view of a large Buffer, as `sealFrame` and `isSealed` do, at an offset that is no multiple of anything.
 */
import { buf } from 'crc-32';
import { crc32 } from 'node:zlib';

const SIZES = [
  16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 480, 512, 640, 768, 1024, 1536, 2048,
  4096, 8192, 16_384, 32_768, 65_536,
];
const ROUNDS = 41;
/** Bytes that a round works through: long enough for the clock, short enough for many rounds. */
const ROUND_BYTES = 1 << 19;
const VIEWS = 64;

type Crc = (bytes: Uint8Array, start: number) => number;
const CONTENDERS = [
  { name: 'crc-32', crc: ((bytes, start) => buf(bytes, start) >>> 0) satisfies Crc },
  { name: 'zlib.crc32', crc: ((bytes, start) => crc32(bytes, start)) satisfies Crc },
] as const;

const memory = Buffer.allocUnsafeSlow(1 << 20).map((_, at) => (at * 167 + (at >>> 8) * 13) & 0xff);
/** What is computed is used, so that no compiler leaves it out. */
let sum = 0;

/** Nanoseconds a call. */
function measure(crc: Crc, views: readonly Uint8Array[], calls: number): number {
  const started = process.hrtime.bigint();
  let value = 0;
  for (let call = 0; call < calls; call += 1) value = crc(views[call % VIEWS] as Uint8Array, value);
  sum += value;
  return Number(process.hrtime.bigint() - started) / calls;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

console.log(`node ${process.version}, ${process.platform} ${process.arch}, ${ROUNDS} interleaved rounds, medians`);
console.log(`${'bytes'.padStart(6)}  ${'crc-32 ns'.padStart(10)}  ${'zlib ns'.padStart(10)}  crc-32 / zlib`);

const ratios = SIZES.map((size) => {
  const views = Array.from({ length: VIEWS }, (_, view) => memory.subarray(view * 13 + 1, view * 13 + 1 + size));
  const calls = Math.max(64, Math.round(ROUND_BYTES / Math.max(size, 128)));
  const times: [number[], number[]] = [[], []];
  for (let round = -5; round < ROUNDS; round += 1) {
    const order = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    for (const which of order) {
      const time = measure(CONTENDERS[which].crc, views, calls);
      if (round >= 0) times[which].push(time);
    }
  }
  const [javascript, native] = times.map(median) as [number, number];
  const ratio = javascript / native;
  console.log(
    `${String(size).padStart(6)}  ${javascript.toFixed(0).padStart(10)}  ${native.toFixed(0).padStart(10)}  ${ratio.toFixed(2)}`,
  );
  return { size, ratio };
});

// zlib works in blocks, so its times are a saw and the lines may cross more than once.
const first = ratios.find(({ ratio }) => ratio >= 1);
const lastLoss = ratios.findLastIndex(({ ratio }) => ratio < 1);
console.log(
  `zlib.crc32 is faster from ${first?.size ?? 'no'} bytes on, and always from ${ratios[lastLoss + 1]?.size ?? 'no'}`,
);
console.log(`sum of all: ${sum}`);
