import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, throwError, toArray } from 'rxjs';
import { openWal, readWal, type Ack, type Codec, type OpenWalOptions } from 'rxwal';
import { fault, memoryWal } from 'rxwal/testing';

const MANY = 3000;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rxwal-told-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** A codec with one buffer for all its payloads, which `Codec` allows. */
const frugalCodec = (): Codec<string> => {
  const memory = Buffer.alloc(64);
  return {
    encode: (value) => memory.subarray(0, memory.write(value)),
    decode: (payload) => Buffer.from(payload).toString(),
  };
};

describe.each(['pool', 'thread', 'blocking'] as const)("more acks than one turn hands out, io '%s'", (io) => {
  const open = <T>(options: OpenWalOptions<T> = {}) => openWal<T>(dir, { io, ...options });

  it('are all given before a log ends that is closed from within one of them', async () => {
    const wal = await open<number>();
    const own: number[] = [];
    const all: number[] = [];
    wal.acks$.subscribe(({ lsn }) => all.push(lsn));
    let closed: Promise<void> | undefined;
    for (const value of numbers(MANY)) {
      wal.append(value).subscribe(({ lsn }) => {
        own.push(lsn);
        if (lsn === 1500) closed = wal.close();
      });
    }
    await lastValueFrom(wal.state$);
    await closed;
    expect(own).toEqual(numbers(MANY));
    expect(all).toEqual(numbers(MANY));
  });

  it('are all given when sync, flush and close have done', async () => {
    const wal = await open<number>();
    const all: number[] = [];
    wal.acks$.subscribe(({ lsn }) => all.push(lsn));
    for (const value of numbers(MANY)) wal.next(value);
    await wal.sync();
    expect(all).toEqual(numbers(MANY));
    for (const value of numbers(MANY)) wal.next(value);
    await wal.flush();
    expect(all).toHaveLength(2 * MANY);
    for (const value of numbers(MANY)) wal.next(value);
    await wal.close();
    expect(all).toEqual(numbers(3 * MANY));
  });

  it('keep what was appended, though who is told of one appends with the memory of the codec', async () => {
    const wal = await open<string>({ codec: frugalCodec(), maxPendingRecords: 2 });
    const promised: [number, string][] = [];
    const append = (value: string): void => {
      wal.append(value).subscribe({
        next: ({ lsn }) => {
          promised.push([lsn, value]);
          if (lsn === 1) append('XXXX');
        },
        error: () => undefined,
      });
    };
    for (const value of ['aaaa', 'bbbb', 'cccc']) append(value);
    await wal.sync();
    await wal.close();
    const kept = await lastValueFrom(readWal<string>(dir, { codec: frugalCodec() }).pipe(toArray()));
    expect(kept.map(({ lsn, value }) => [lsn, value])).toEqual(promised.sort(([a], [b]) => a - b));
    expect(promised).toContainEqual([1, 'aaaa']);
  });
});

it('a log that stops while acks are handed out gives those that are due, and fails the others', async () => {
  let broken = false;
  const { wal } = memoryWal<number>({
    plan: ({ kind }) => (kind === 'write' && broken ? throwError(() => fault('EIO')) : undefined),
  });
  const given: number[] = [];
  const all: number[] = [];
  wal.acks$.subscribe({ next: ({ lsn }: Ack) => all.push(lsn), error: () => undefined });
  const refused: Promise<PromiseSettledResult<unknown>[]>[] = [];
  for (const value of numbers(MANY)) {
    wal.append(value).subscribe(({ lsn }) => {
      given.push(lsn);
      if (lsn !== 1500) return;
      broken = true;
      refused.push(Promise.allSettled([wal.append(0), wal.flush()]));
    });
  }
  await expect(lastValueFrom(wal.durable$)).rejects.toMatchObject({ code: 'WAL_POISONED' });
  expect(given).toEqual(numbers(MANY));
  expect(all).toEqual(numbers(MANY));
  const reason = expect.objectContaining({ code: 'WAL_POISONED' });
  expect(await refused[0]).toEqual([
    { status: 'rejected', reason },
    { status: 'rejected', reason },
  ]);
});
