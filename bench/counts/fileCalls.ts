/** The calls of the file system that one section of a traced process has made on the files of a log. */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { markIn } from '../harness/honestyMarks';
import { fileOf, fileOpened, straceReader, type StraceCall } from '../harness/straceCall';
import { NO_SECTION } from './marks';
import { isSegment } from './openSections';

export interface FileCalls {
  /** All but those that lay zeros and make them durable. */
  calls: number;
  /** Calls that make something durable, `O_DSYNC` writes included; but for those that lay zeros. */
  syncs: number;
  writes: number;
  writtenBytes: number;
  /** Of these, what went to segments. */
  segmentBytes: number;
  /** Writes of nothing but zeros: space laid ahead. */
  zeroWrites: number;
  zeroBytes: number;
  /** Reads, and the bytes that they gave, by the name of the file. */
  readonly reads: Map<string, { calls: number; bytes: number }>;
  /** All calls, zeros included, by the name of the call. */
  readonly byName: Map<string, number>;
}

const WRITES = new Set(['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2']);
const READS = new Set(['read', 'pread64', 'readv', 'preadv', 'preadv2']);
const SYNCS = new Set(['fsync', 'fdatasync', 'sync', 'syncfs', 'sync_file_range']);
const HIDING = new Set(['io_uring_setup', 'io_uring_enter']);
/** Whatever is about a file or a descriptor, so that no new kind of call escapes. */
export const TRACED = ['%file', '%desc', 'sync', 'io_uring_setup'];

const ZEROS = /^[^"]*"(?:\\0)+"/;

/**
 * @param dir what is asked of files elsewhere is left out.
 * @throws Error where the process has used io_uring, which shows no calls.
 */
export async function readFileCalls(trace: string, dir: string): Promise<ReadonlyMap<string, FileCalls>> {
  const sections = new Map<string, FileCalls>();
  const sectionOf = new Map<string, string>();
  const durableDescriptors = new Set<string>();
  const zeroedDescriptors = new Set<string>();
  let now = NO_SECTION;
  const state = { hidden: false };

  const reader = straceReader({
    begun(call) {
      const mark = call.name === 'write' ? markIn(call.args) : undefined;
      if (mark) now = mark.word;
      // A call belongs where it began.
      sectionOf.set(call.thread, now);
    },
    ended(call) {
      state.hidden ||= HIDING.has(call.name);
      const opened = call.name === 'open' || call.name === 'openat' ? fileOpened(call) : undefined;
      if (opened) {
        if (/\bO_D?SYNC\b/.test(call.args)) durableDescriptors.add(opened.descriptor);
        else durableDescriptors.delete(opened.descriptor);
      }
      if (!call.args.includes(dir) && !call.resultPath?.startsWith(dir) && call.name !== 'sync') return;
      const name = sectionOf.get(call.thread) ?? NO_SECTION;
      const section = sections.get(name) ?? none();
      sections.set(name, section);
      tally(section, call, durableDescriptors, zeroedDescriptors);
    },
  });
  for await (const line of createInterface({ input: createReadStream(trace), crlfDelay: Infinity })) reader(line);
  if (state.hidden) throw new Error('io_uring was used, and shows no calls');
  return sections;
}

export function none(): FileCalls {
  return {
    calls: 0,
    syncs: 0,
    writes: 0,
    writtenBytes: 0,
    segmentBytes: 0,
    zeroWrites: 0,
    zeroBytes: 0,
    reads: new Map(),
    byName: new Map(),
  };
}

/** @param zeroedDescriptors to which zeros were written that no fsync has made durable yet: the next one is theirs. */
function tally(
  section: FileCalls,
  call: StraceCall,
  durableDescriptors: ReadonlySet<string>,
  zeroedDescriptors: Set<string>,
): void {
  const { name, args, result } = call;
  const file = fileOf(call);
  section.byName.set(name, (section.byName.get(name) ?? 0) + 1);
  if (WRITES.has(name) && ZEROS.test(args)) {
    section.zeroWrites += 1;
    section.zeroBytes += result;
    if (file && !durableDescriptors.has(file.descriptor)) zeroedDescriptors.add(file.descriptor);
    return;
  }
  if (SYNCS.has(name) && file && zeroedDescriptors.delete(file.descriptor)) return;
  section.calls += 1;
  if (SYNCS.has(name)) section.syncs += 1;
  if (WRITES.has(name)) {
    section.writes += 1;
    section.writtenBytes += result;
    if (file && isSegment(basename(file.path))) section.segmentBytes += result;
    if (file && (durableDescriptors.has(file.descriptor) || /\bRWF_D?SYNC\b/.test(args))) section.syncs += 1;
  }
  if (READS.has(name) && file) {
    const reads = section.reads.get(basename(file.path)) ?? { calls: 0, bytes: 0 };
    section.reads.set(basename(file.path), { calls: reads.calls + 1, bytes: reads.bytes + result });
  }
}
