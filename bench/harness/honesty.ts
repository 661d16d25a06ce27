/** Whether a contender has a record on the disk before it acknowledges it: not what it says, but what it asks of the kernel, and when. */
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { ackOrder, TRACED_CALLS, type AckOrder } from './ackOrder';
import type { HonestyJob } from './honestyJob';
import { WORK } from './places';
import { strace } from './strace';

export interface Honesty {
  /** Successful fsync, fdatasync, msync; a write that is durable when it returns (O_DSYNC) is one. */
  readonly fsyncsPerRecord: number;
  /** Calls that write to files, or sync them. Not counted: sockets, pipes, what goes through a memory mapping. */
  readonly syscallsPerRecord: number;
  readonly bytesWrittenPerRecord: number;
  readonly ack: 'fsync before ack' | 'no fsync before ack' | 'unknown';
  /** The calls that decide it, in their order; or why it is not known. */
  readonly evidence: string;
}

/** @param contenderName as in `contenders/`, or the path of a contender's file. */
export async function honesty(contenderName: string, producers = 1): Promise<Honesty> {
  await mkdir(WORK, { recursive: true });
  const work = await mkdtemp(join(WORK, 'honesty-'));
  try {
    const dir = join(work, 'log');
    await mkdir(dir);
    const job: HonestyJob = {
      contender: contenderName,
      dir,
      producers,
      warmUp: Math.max(50, producers * 10),
      counted: Math.max(200, producers * 20),
      judged: Math.max(100, producers * 6),
    };
    const trace = join(work, 'calls');
    const failed = await strace(nodeWords(job), TRACED_CALLS, trace);
    if (failed !== undefined) return unknown(failed);
    return judge(await read(trace), job.judged);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The job beside this file: compiled, or as it is with the loader that understands it. */
function nodeWords(job: HonestyJob): string[] {
  const ending = extname(__filename);
  const loader = ending === '.ts' ? ['--import', require.resolve('tsx')] : [];
  return [process.execPath, ...loader, join(__dirname, `honestyJob${ending}`), JSON.stringify(job)];
}

async function read(trace: string): Promise<AckOrder> {
  const order = ackOrder();
  for await (const line of createInterface({ input: createReadStream(trace), crlfDelay: Infinity })) order.line(line);
  return order.result();
}

function judge({ acks, found, hidden, counted }: AckOrder, expected: number): Honesty {
  const perRecord = {
    fsyncsPerRecord: counted.syncs / counted.records,
    syscallsPerRecord: counted.calls / counted.records,
    bytesWrittenPerRecord: counted.bytes / counted.records,
  };
  if (acks.length !== expected) return unknown(`${acks.length} of ${expected} acks in the trace`);
  // Where a record's bytes are nowhere to be found (made ready beforehand, compressed, stored through a mapping), the order of calls decides.
  const judged = acks.map((ack) => ({ ...ack, durable: found.has(ack.record) ? ack.byBytes : ack.byOrder }));
  const how = found.size > 0 ? '' : ', by the order of calls alone';
  const early = judged.filter(({ durable }) => durable === undefined);
  const [first] = early;
  if (first === undefined) {
    const durable = judged[judged.length >> 1]?.durable;
    const calls = [durable?.call, durable?.sync].filter((call) => call !== undefined).join(', ');
    return { ...perRecord, ack: 'fsync before ack', evidence: `append, ${calls}, ack${how}` };
  }
  if (hidden && found.size === 0)
    return { ...perRecord, ...UNKNOWN, evidence: 'io_uring was used, and shows no writes' };
  const calls = first.written === undefined ? 'ack, nothing of it written' : `${first.written.call}, ack, not synced`;
  const evidence = `append, ${calls}${how} (${early.length} of ${acks.length} acks)`;
  return { ...perRecord, ack: 'no fsync before ack', evidence };
}

const UNKNOWN = { ack: 'unknown' } as const;

function unknown(evidence: string): Honesty {
  return { fsyncsPerRecord: NaN, syscallsPerRecord: NaN, bytesWrittenPerRecord: NaN, ...UNKNOWN, evidence };
}
