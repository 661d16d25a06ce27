/** Reads what `strace -f -y` wrote, and holds the order of a log's system calls against what design.md promises. */
import {
  claimedPayloadBytes,
  frameKind,
  frameLsn,
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
} from '../../src/format/frame';
import { HEADER_BYTES, decodeHeader } from '../../src/format/header';
import { segmentName, segmentSequence } from '../../src/store/segmentStore';

/** One system call of the trace. */
export interface SystemCall {
  readonly name: string;
  /** Its arguments, as strace shows them. */
  readonly args: string;
  /** What it returned, as strace shows it. */
  readonly result: string;
  /** Numbers of the lines in which it was seen to begin and to return. It has happened at `end`; it has not at `start`. */
  readonly start: number;
  readonly end: number;
}

const LINE = /^(\d+) +(.*)$/;
const WHOLE = /^(\w+)\((.*)\) += (.*)$/s;
const BEGUN = /^(\w+)\((.*?),? *<unfinished \.\.\.>$/s;
const RESUMED = /^<\.\.\. (\w+) resumed>,? ?(.*)\) += (.*)$/s;

/** The calls of a trace, in the order in which they returned. One that never did is left out. */
export function parseTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const begun = new Map<string, { readonly name: string; readonly args: string; readonly start: number }>();
  for (const [line, content] of text.split('\n').entries()) {
    const [, pid, what] = LINE.exec(content) ?? [];
    // Signals, exits, and the calls that an exit cut off before strace knew what they were.
    if (pid === undefined || what === undefined || /^(---|\+\+\+|\?\?\?)/.test(what)) continue;
    const unfinished = BEGUN.exec(what);
    if (unfinished) {
      begun.set(pid, { name: unfinished[1]!, args: unfinished[2]!, start: line });
      continue;
    }
    const resumed = RESUMED.exec(what);
    if (resumed) {
      const call = begun.get(pid);
      if (!call || call.name !== resumed[1])
        throw new Error(`Line ${line + 1} resumes what was not begun: ${content.slice(0, 200)}`);
      begun.delete(pid);
      const args = [call.args, resumed[2]!].filter((part) => part !== '').join(', ');
      calls.push({ name: call.name, args, result: resumed[3]!, start: call.start, end: line });
      continue;
    }
    const whole = WHOLE.exec(what);
    if (!whole) throw new Error(`Line ${line + 1} is no system call: ${content.slice(0, 200)}`);
    calls.push({ name: whole[1]!, args: whole[2]!, result: whole[3]!, start: line, end: line });
  }
  return calls;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** What the log did, and what its program said. */
export type TraceEvent = Span &
  (
    | { readonly kind: 'create' | 'fsync' | 'truncate' | 'unlink'; readonly file: string }
    | {
        readonly kind: 'write';
        readonly file: string;
        readonly position: number;
        readonly data: Uint8Array;
        /** Made durable by the call itself. */
        readonly durable: boolean;
      }
    | { readonly kind: 'rename'; readonly file: string; readonly to: string }
    | { readonly kind: 'say'; readonly text: string }
  );

/** The name by which the directory itself goes. */
export const DIRECTORY = '.';

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, a: 7, b: 8, '"': 34, '\\': 92 };

/** The bytes of a C string as strace writes it. */
function unescape(text: string): Buffer {
  const bytes: number[] = [];
  for (const [, octal, hex, other, plain] of text.matchAll(/\\([0-7]{1,3})|\\x([0-9a-f]{2})|\\(.)|([^\\])/gs)) {
    if (octal !== undefined) bytes.push(parseInt(octal, 8));
    else if (hex !== undefined) bytes.push(parseInt(hex, 16));
    else if (other !== undefined) bytes.push(ESCAPES[other]!);
    else bytes.push(plain!.charCodeAt(0));
  }
  return Buffer.from(bytes);
}

function strings(args: string): Buffer[] {
  return [...args.matchAll(/"((?:[^"\\]|\\.)*)"(\.\.\.)?/gs)].map(([shown, text, cut]) => {
    if (cut) throw new Error(`strace has cut a string: ${shown.slice(0, 100)}`);
    return unescape(text!);
  });
}

/** What the calls did in a directory, and what was written to the standard output; failed calls did nothing. */
export function eventsOf(calls: readonly SystemCall[], dir: string): TraceEvent[] {
  const durable = new Map<string, boolean>();
  const inDir = (path: string | undefined): string | undefined => {
    if (path === dir) return DIRECTORY;
    return path?.startsWith(`${dir}/`) ? path.slice(dir.length + 1) : undefined;
  };
  return calls.flatMap(({ name, args, result, start, end }): TraceEvent[] => {
    if (result.startsWith('-1')) return [];
    const span = { start, end };
    const [, descriptor, path] = /^(\d+)<(.*?)>/.exec(args) ?? [];
    const file = inDir(path);
    switch (name) {
      case 'openat': {
        const [, opened, openedPath] = /^(\d+)<(.*?)>/.exec(result) ?? [];
        const openedFile = inDir(openedPath);
        if (opened === undefined || openedFile === undefined) return [];
        durable.set(`${opened} ${openedFile}`, args.includes('O_DSYNC') || args.includes('O_SYNC'));
        return args.includes('O_CREAT') ? [{ kind: 'create', file: openedFile, ...span }] : [];
      }
      case 'write':
        if (descriptor === '1' && file === undefined) {
          return [{ kind: 'say', text: Buffer.concat(strings(args)).toString().trim(), ...span }];
        }
        return file === undefined ? [] : refuse(`a write without a position to ${file}`);
      case 'writev':
        return file === undefined ? [] : refuse(`a write without a position to ${file}`);
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2': {
        if (file === undefined) return [];
        const data = Buffer.concat(strings(args)).subarray(0, Number(result));
        const position = Number((name === 'pwritev2' ? /(\d+), [\w|]+$/ : /(\d+)$/).exec(args)?.[1]);
        return [
          { kind: 'write', file, position, data, durable: durable.get(`${descriptor} ${file}`) ?? false, ...span },
        ];
      }
      case 'fsync':
      case 'fdatasync':
        return file === undefined ? [] : [{ kind: 'fsync', file, ...span }];
      case 'ftruncate':
        return file === undefined ? [] : [{ kind: 'truncate', file, ...span }];
      case 'rename':
      case 'renameat':
      case 'renameat2': {
        const [from, to] = strings(args).map((bytes) => inDir(bytes.toString()));
        return from === undefined || to === undefined ? [] : [{ kind: 'rename', file: from, to, ...span }];
      }
      case 'unlink':
      case 'unlinkat': {
        const removed = inDir(strings(args)[0]?.toString());
        return removed === undefined ? [] : [{ kind: 'unlink', file: removed, ...span }];
      }
      default:
        return [];
    }
  });
}

function refuse(what: string): never {
  throw new Error(`The trace shows ${what}, which this reader does not know how to place`);
}

type Write = Extract<TraceEvent, { kind: 'write' }>;

/** LSNs of the records whose frames are in a write. Every write of a log begins with a header, a frame, or is zeros. */
function recordsIn({ file, data, position }: Write): number[] {
  if (segmentSequence(file) === undefined) return [];
  const lsns: number[] = [];
  let at = position === 0 ? HEADER_BYTES : 0;
  while (at + FRAME_HEAD_BYTES <= data.length) {
    const lsn = frameLsn(data, at);
    if (lsn === 0 && claimedPayloadBytes(data, at) === 0 && frameKind(data, at) === 'record') break;
    if (frameKind(data, at) === 'record') lsns.push(lsn);
    at += FRAME_OVERHEAD_BYTES + claimedPayloadBytes(data, at);
  }
  return lsns;
}

export interface TraceRules {
  /** An ack means: written. Otherwise: durable. */
  readonly nosync?: boolean;
}

/** Everything in a trace that breaks the order in which a log has to do things. Empty: nothing does. */
export function violations(events: readonly TraceEvent[], { nosync = false }: TraceRules = {}): string[] {
  return [...ackOrder(events, nosync), ...segmentOrder(events), ...renameOrder(events), ...removalOrder(events)];
}

const isSegment = (file: string): boolean => segmentSequence(file) !== undefined;
const ended = (event: TraceEvent | undefined): number => event?.end ?? Infinity;

/** The first fsync of a file that begins when `after` has returned. */
function fsyncBehind(events: readonly TraceEvent[], file: string, after: number): TraceEvent | undefined {
  return events
    .filter((event) => event.kind === 'fsync' && event.file === file && event.start > after)
    .reduce<TraceEvent | undefined>((first, event) => (first && first.end <= event.end ? first : event), undefined);
}

/** No ack is given before the call that made its record durable has returned. */
function ackOrder(events: readonly TraceEvent[], nosync: boolean): string[] {
  const keptAt = new Map<number, number>();
  for (const event of events) {
    if (event.kind !== 'write') continue;
    const lsns = recordsIn(event);
    if (lsns.length === 0) continue;
    const kept = nosync || event.durable ? event.end : ended(fsyncBehind(events, event.file, event.end));
    for (const lsn of lsns) keptAt.set(lsn, Math.min(keptAt.get(lsn) ?? Infinity, kept));
  }
  const broken: string[] = [];
  let lastAck = 0;
  for (const event of events) {
    const lsn = event.kind === 'say' ? Number(/^ack (\d+)$/.exec(event.text)?.[1]) : NaN;
    if (Number.isNaN(lsn)) continue;
    if (lsn !== lastAck + 1) broken.push(`ack ${lsn} behind ack ${lastAck}`);
    lastAck = lsn;
    if (event.start <= (keptAt.get(lsn) ?? Infinity))
      broken.push(`ack ${lsn} before its record was ${nosync ? 'written' : 'durable'}`);
  }
  return broken;
}

/** Old segment durable → new one created → its header durable → its name durable → its first frame. */
function segmentOrder(events: readonly TraceEvent[]): string[] {
  const broken: string[] = [];
  for (const created of events) {
    if (created.kind !== 'create' || !isSegment(created.file)) continue;
    const { file } = created;
    const sequence = segmentSequence(file)!;
    const before = sequence > 0 ? segmentName(sequence - 1) : undefined;
    const changes = events.filter(
      (event) =>
        (event.kind === 'write' || event.kind === 'truncate') && event.file === before && event.start < created.start,
    );
    const lastChange = Math.max(-1, ...changes.map(({ end }) => end));
    if (before !== undefined && changes.length > 0 && ended(fsyncBehind(events, before, lastChange)) >= created.start) {
      broken.push(`${file} is created before ${before} is durable`);
    }
    if (events.some((event) => event.kind === 'write' && event.file === before && event.end > created.start)) {
      broken.push(`${before} is written after ${file} was created`);
    }

    const writes = events.filter(
      (event): event is Write => event.kind === 'write' && event.file === file && event.start > created.end,
    );
    const [header, ...frames] = writes;
    if (header?.position !== 0 || header.data.length !== HEADER_BYTES) {
      broken.push(`the first write to ${file} is not its header`);
      continue;
    }
    decodeHeader(header.data, file);
    const firstFrame = Math.min(Infinity, ...frames.map(({ start }) => start));
    if (firstFrame === Infinity) continue;
    const headerKept = fsyncBehind(events, file, header.end);
    if (ended(headerKept) >= firstFrame) broken.push(`the first frame of ${file} before its header is durable`);
    const named = fsyncBehind(events, DIRECTORY, created.end);
    if (ended(named) >= firstFrame) broken.push(`the first frame of ${file} before its name is durable`);
  }
  return broken;
}

/** What is renamed into place is durable before. */
function renameOrder(events: readonly TraceEvent[]): string[] {
  return events.flatMap((renamed) => {
    if (renamed.kind !== 'rename') return [];
    const writes = events.filter(
      (event) => event.kind === 'write' && event.file === renamed.file && event.start < renamed.start,
    );
    const lastWrite = Math.max(-1, ...writes.map(({ end }) => end));
    if (writes.length > 0 && ended(fsyncBehind(events, renamed.file, lastWrite)) < renamed.start) return [];
    return [`${renamed.file} is renamed before it is durable`];
  });
}

/** A segment is removed, and a checkpoint answered, after the name of `checkpoint.meta` is durable; removals are made durable. */
function removalOrder(events: readonly TraceEvent[]): string[] {
  const broken: string[] = [];
  const savedAt = (before: number): number => {
    const renames = events.filter(
      (event) => event.kind === 'rename' && event.to === 'checkpoint.meta' && event.end < before,
    );
    const last = renames.reduce((latest, { end }) => Math.max(latest, end), -1);
    return last < 0 ? Infinity : ended(fsyncBehind(events, DIRECTORY, last));
  };
  let saidAt = -1;
  for (const event of events) {
    if (event.kind === 'say' && /^checkpoint \d+$/.test(event.text)) {
      const renamed = events.some(({ kind, start, end }) => kind === 'rename' && start > saidAt && end < event.start);
      if (!renamed || savedAt(event.start) >= event.start) broken.push(`${event.text} is answered before it is saved`);
      saidAt = event.end;
    }
    if (event.kind !== 'unlink' || !isSegment(event.file)) continue;
    if (savedAt(event.start) >= event.start) broken.push(`${event.file} is removed before the checkpoint is saved`);
    const { file } = event;
    const records = events.flatMap((write) => (write.kind === 'write' && write.file === file ? recordsIn(write) : []));
    if (Math.max(0, ...records) > checkpointBefore(events, event.start))
      broken.push(`${file} is removed and still needed`);
    if (!fsyncBehind(events, DIRECTORY, event.end)) broken.push(`the removal of ${event.file} is never made durable`);
  }
  return broken;
}

/** The LSN of the checkpoint that was last written before. */
function checkpointBefore(events: readonly TraceEvent[], before: number): number {
  const written = events.findLast(
    (event): event is Write => event.kind === 'write' && event.file === 'checkpoint.meta.tmp' && event.end < before,
  );
  return written ? decodeHeader(written.data.subarray(0, HEADER_BYTES), written.file).firstLsn - 1 : 0;
}
