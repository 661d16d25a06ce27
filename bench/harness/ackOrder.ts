/** Whether records were on the disk before their acks, judged by the order of system calls. */
import { basename } from 'node:path';
import { ACK, BEGIN, COUNT, COUNTED, markIn, tokensIn } from './honestyMarks';
import { fileOf, fileOpened, straceReader, type StraceCall } from './straceCall';

/** Bytes on their way to a file. */
interface Written {
  readonly begin: number;
  readonly call: string;
  readonly records: readonly number[];
}

/** Bytes that are there, and the call that made sure. */
interface Durable extends Written {
  /** Absent where the write itself was durable when it returned. */
  readonly sync?: string;
}

interface JudgedAck {
  readonly record: number;
  /** The write with the record's own bytes, which some sync has followed before the ack. */
  readonly byBytes: Durable | undefined;
  /** Any write that began after the append, and that some sync has followed before the ack. */
  readonly byOrder: Durable | undefined;
  /** The write with the record's own bytes, synced or not. */
  readonly written: Written | undefined;
}

export interface AckOrder {
  readonly acks: readonly JudgedAck[];
  /** Records whose bytes were found in a write at any time. */
  readonly found: ReadonlySet<number>;
  /** io_uring was used: what it wrote is not to be seen. */
  readonly hidden: boolean;
  /** Of the records that were counted. */
  readonly counted: {
    readonly records: number;
    readonly syncs: number;
    readonly calls: number;
    readonly bytes: number;
  };
}

const WRITES = new Set(['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']);
const SYNCS = new Set(['fsync', 'fdatasync', 'msync', 'sync', 'syncfs']);
/** What has to be traced for this. */
export const TRACED_CALLS = [...WRITES, ...SYNCS, 'sync_file_range', 'io_uring_enter', 'open', 'openat', 'mmap'];

const ZEROS = /^[^"]*"(?:\\0)+"/;

/**
 * A record is durable where its bytes were written to a file and
 *
 * - the descriptor was opened with `O_DSYNC` or `O_SYNC`, or the call says `RWF_DSYNC` or `RWF_SYNC`; or
 * - an `fsync`, `fdatasync`, `msync(MS_SYNC)` of the file, or a `sync`, began after the write had returned, and succeeded.
 *
 * That is what an honest ack cannot do without, and not all that a recovery needs: nobody looks whether the page that leads to the
 * record, or the directory that leads to the file, is durable as well.
 *
 * The output of strace is in the order of time: a thread goes on only when strace has noted what it stopped for.
 */
export function ackOrder(): { line(line: string): void; result(): AckOrder } {
  const durableDescriptors = new Set<string>();
  const mapped = new Set<string>();
  const unsynced = new Map<string, Written[]>();
  const syncing = new Map<string, readonly Written[]>();
  const durable = new Map<number, Durable>();
  const written = new Map<number, Written>();
  const begun = new Map<number, number>();
  const acks: JudgedAck[] = [];
  const counted = { records: 0, syncs: 0, calls: 0, bytes: 0 };
  let counting = false;
  let hidden = false;
  let latest: Durable | undefined;

  function keep(bytes: Durable): void {
    if (latest === undefined || bytes.begin > latest.begin) latest = bytes;
    for (const record of bytes.records) if (!durable.has(record)) durable.set(record, bytes);
  }

  function listOf(path: string): Written[] {
    const there = unsynced.get(path);
    if (there !== undefined) return there;
    const made: Written[] = [];
    unsynced.set(path, made);
    return made;
  }

  /** What a sync that begins now covers: writes that have returned, and what was stored through a mapping of the file. */
  function covered(call: StraceCall): readonly Written[] {
    const path = call.name === 'fsync' || call.name === 'fdatasync' ? fileOf(call)?.path : undefined;
    const everywhere = path === undefined;
    const writes = everywhere ? [...unsynced.values()].flat() : (unsynced.get(path) ?? []);
    const throughMapping = everywhere ? mapped.size > 0 : mapped.has(path);
    return throughMapping ? [...writes, { begin: call.begin, call: 'store to a mapping', records: [] }] : [...writes];
  }

  function wrote(call: StraceCall): void {
    const file = fileOf(call);
    if (file === undefined || !(call.result > 0)) return;
    const atOnce = durableDescriptors.has(file.descriptor) || /\bRWF_D?SYNC\b/.test(call.args);
    if (counting) {
      counted.calls += 1;
      counted.bytes += call.result;
      if (atOnce) counted.syncs += 1;
    }
    if (ZEROS.test(call.args)) return;
    const how = `${call.name} ${basename(file.path)} ${call.result} B`;
    const bytes = { begin: call.begin, call: atOnce ? `${how} (O_DSYNC)` : how, records: tokensIn(call.args) };
    for (const record of bytes.records) if (!written.has(record)) written.set(record, bytes);
    if (atOnce) keep(bytes);
    else listOf(file.path).push(bytes);
  }

  function synced(call: StraceCall): void {
    const writes = syncing.get(call.thread) ?? [];
    syncing.delete(call.thread);
    if (call.name === 'msync' && !call.args.includes('MS_SYNC')) return;
    // A sync that fails may have lost what it was asked for: no later one makes that durable.
    const done = new Set(writes);
    for (const [file, waiting] of unsynced) {
      unsynced.set(
        file,
        waiting.filter((bytes) => !done.has(bytes)),
      );
    }
    if (counting) counted.calls += 1;
    if (call.result !== 0) return;
    if (counting) counted.syncs += 1;
    const path = fileOf(call)?.path;
    const sync = path === undefined ? call.name : `${call.name} ${basename(path)}`;
    for (const bytes of writes) keep({ ...bytes, sync });
  }

  const read = straceReader({
    begun(call) {
      if (SYNCS.has(call.name)) syncing.set(call.thread, covered(call));
      const mark = call.name === 'write' ? markIn(call.args) : undefined;
      if (mark?.word === COUNTED) counting = false;
      if (mark?.word !== ACK) return;
      const record = mark.number;
      const since = begun.get(record) ?? Infinity;
      const byOrder = latest !== undefined && latest.begin > since ? latest : undefined;
      acks.push({ record, byBytes: durable.get(record), byOrder, written: written.get(record) });
    },
    ended(call) {
      const mark = call.name === 'write' ? markIn(call.args) : undefined;
      if (mark?.word === BEGIN) begun.set(mark.number, call.end);
      else if (mark?.word === COUNT) {
        counting = true;
        counted.records = mark.number;
      } else if (WRITES.has(call.name)) wrote(call);
      else if (SYNCS.has(call.name)) synced(call);
      else if (call.name === 'sync_file_range' && counting) counted.calls += 1;
      else if (call.name === 'io_uring_enter') hidden = true;
      else if (call.name === 'mmap' && call.args.includes('PROT_WRITE') && /\bMAP_SHARED/.test(call.args)) {
        const [, path] = /<(\/[^>]*)>, \w+$/.exec(call.args) ?? [];
        if (path !== undefined) mapped.add(path);
      } else if (call.name === 'open' || call.name === 'openat') {
        const file = fileOpened(call);
        if (file === undefined) return;
        if (/\bO_D?SYNC\b/.test(call.args)) durableDescriptors.add(file.descriptor);
        else durableDescriptors.delete(file.descriptor);
      }
    },
  });

  return { line: read, result: () => ({ acks, found: new Set(written.keys()), hidden, counted }) };
}
