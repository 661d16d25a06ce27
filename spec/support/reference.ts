import { crc32 } from 'node:zlib';
import { KIND, fromLe, hex } from './bytes';

/**
 * A second reader of the format, written from `src/format/README.md` and without a line of `src/`: slow, whole files in memory,
 * nothing clever. Specs hand it a directory that something has been done to, and hold what the log does against what it says.
 */

export type Files = ReadonlyMap<string, Uint8Array>;

export interface ReferenceRecord {
  readonly lsn: number;
  /** In hex. */
  readonly payload: string;
}

/** A typed no: the code of the error and, for damage, its place. */
export interface Refusal {
  readonly code: 'WAL_CORRUPT' | 'WAL_VERSION' | 'WAL_RECORD';
  readonly file?: string;
  readonly offset?: number;
  readonly lsn?: number;
}

export interface Verdict {
  /** What opening the log finds: it looks at the headers, and into the last segment. */
  readonly open:
    | { readonly refusal: Refusal }
    | {
        readonly refusal: undefined;
        readonly clean: boolean;
        readonly firstLsn: number;
        readonly lastLsn: number;
        readonly bytesCut: number;
        /** The segment that the log goes on in: its first LSN, and the records in it. */
        readonly tail: { readonly firstLsn: number; readonly records: readonly ReferenceRecord[] };
      };
  /** What reading it from its first record on gives: it looks at everything. No records are named where a name or a header is refused. */
  readonly read: { readonly records: readonly ReferenceRecord[] | undefined; readonly refusal: Refusal | undefined };
}

/** Thrown inside this file only. */
class No extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.code);
  }
}

interface Header {
  readonly firstLsn: number;
  readonly groups: boolean;
  readonly logId: string;
}

interface Segment extends Header {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The frames of one segment, up to its end or to the first bytes that are none. */
interface Scan {
  readonly records: readonly ReferenceRecord[];
  readonly lastLsn: number;
  /** The last frame is a mark for the last record. */
  readonly closed: boolean;
  /** Where the first invalid frame stands. */
  readonly invalid: number | undefined;
}

const HEADER_BYTES = 32;
const MAX_RECORD_BYTES = 16 * 1024 * 1024;

export function judge(files: Files): Verdict {
  let survey: Survey;
  try {
    survey = look(files);
  } catch (error) {
    const refusal = refusalOf(error);
    return { open: { refusal }, read: { records: undefined, refusal } };
  }
  return { open: open(survey), read: read(survey) };
}

interface Survey {
  /** Without a gap, each with its header. */
  readonly segments: readonly Segment[];
  /** The last segment, where it has no header and nothing behind one. */
  readonly unborn: { readonly bytes: Uint8Array } | undefined;
  readonly checkpointLsn: number;
}

/** Steps 1 to 3: names, `checkpoint.meta`, headers. */
function look(files: Files): Survey {
  const names = [...files.keys()].filter((name) => /^wal_\d{8}\.log$/.test(name)).sort();
  const meta = files.get('checkpoint.meta');
  const checkpoint = meta && checkpointOf(meta);
  const needed = (checkpoint?.lsn ?? 0) + 1;

  const segments: Segment[] = [];
  let unborn: Survey['unborn'];
  for (const name of names) {
    const bytes = files.get(name) ?? new Uint8Array(0);
    const sequence = Number(name.slice(4, 12));
    const before = segments.at(-1);
    const follows = before ? Number(before.name.slice(4, 12)) + 1 === sequence : sequence === 0;
    let header: Header;
    try {
      header = headerOf(bytes, name);
    } catch (error) {
      const last = name === names.at(-1) && refusalOf(error).code === 'WAL_CORRUPT';
      if (!last || !follows || bytes.subarray(HEADER_BYTES).some((byte) => byte !== 0)) throw error;
      unborn = { bytes };
      break;
    }
    const logId = checkpoint?.logId ?? before?.logId ?? header.logId;
    if (header.logId !== logId) damage(name, 0, 0);
    if (before && header.firstLsn <= before.firstLsn) {
      if (name !== names.at(-1) || !follows || bytes.subarray(HEADER_BYTES).some((byte) => byte !== 0)) {
        damage(name, 0, 0);
      }
      unborn = { bytes };
      break;
    }
    if (sequence === 0 && header.firstLsn !== 1) damage(name, 0, 0);
    if (!follows) {
      if (header.firstLsn > needed) {
        const missing = before ? Number(before.name.slice(4, 12)) + 1 : 0;
        damage(`wal_${String(missing).padStart(8, '0')}.log`, 0, 0);
      }
      segments.length = 0;
    }
    segments.push({ name, bytes, ...header });
  }
  if (checkpoint && segments.length === 0) damage('checkpoint.meta', 0, needed);
  return { segments, unborn, checkpointLsn: checkpoint?.lsn ?? 0 };
}

/** Step 4 as opening does it: the last segment alone, or the one before it where the last is unborn. */
function open({ segments, unborn, checkpointLsn }: Survey): Verdict['open'] {
  const last = segments.at(-1);
  const firstLsn = segments[0]?.firstLsn ?? 1;
  try {
    if (!last || unborn) {
      const whole = last ? scan(last) : undefined;
      if (last && whole?.invalid !== undefined) damage(last.name, whole.invalid, whole.lastLsn + 1);
      const lastLsn = whole?.lastLsn ?? 0;
      if (last && lastLsn < last.firstLsn) no('WAL_CORRUPT');
      if (lastLsn < checkpointLsn) no('WAL_CORRUPT');
      // A log without any segment is a new one.
      const clean = !last && !unborn;
      const bytesCut = unborn ? lengthWithoutZeros(unborn.bytes) : 0;
      return { refusal: undefined, clean, firstLsn, lastLsn, bytesCut, tail: { firstLsn: lastLsn + 1, records: [] } };
    }
    const { lastLsn, closed, invalid, records } = scan(last);
    if (invalid !== undefined) refuseDamage(last, invalid, lastLsn);
    const clean = closed && invalid === undefined;
    const before = segments.at(-2);
    // A mark behind its header says where it begins as well as a record does.
    if (records.length === 0 && !clean && before) {
      const found = scan(before);
      if (found.invalid !== undefined) damage(before.name, found.invalid, found.lastLsn + 1);
      if (found.lastLsn < lastLsn) no('WAL_CORRUPT');
      if (found.lastLsn > lastLsn) {
        if (last.bytes.subarray(HEADER_BYTES).some((byte) => byte !== 0)) no('WAL_CORRUPT');
        return open({ segments: segments.slice(0, -1), unborn: last, checkpointLsn });
      }
    }
    if (lastLsn < checkpointLsn) no('WAL_CORRUPT');
    const bytesCut = invalid === undefined ? 0 : lengthWithoutZeros(last.bytes.subarray(invalid));
    return { refusal: undefined, clean, firstLsn, lastLsn, bytesCut, tail: { firstLsn: last.firstLsn, records } };
  } catch (error) {
    return { refusal: refusalOf(error) };
  }
}

/** Step 4 as reading does it: every segment, oldest first. */
function read({ segments, unborn, checkpointLsn }: Survey): Verdict['read'] {
  const records: ReferenceRecord[] = [];
  try {
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1];
      const found = scan(segment);
      records.push(...found.records);
      if (next ?? unborn) {
        if (found.invalid !== undefined) damage(segment.name, found.invalid, found.lastLsn + 1);
        const stale = next && next === segments.at(-1) && !unborn && next.firstLsn <= found.lastLsn;
        if (stale && scan(next).records.length === 0) return { records, refusal: undefined };
        if (stale) damage(next.name, 0, next.firstLsn);
        if (next && next.firstLsn !== found.lastLsn + 1) damage(segment.name, segment.bytes.length, found.lastLsn + 1);
      } else if (found.invalid !== undefined) {
        refuseDamage(segment, found.invalid, found.lastLsn);
      }
      if (!next && found.lastLsn < checkpointLsn) no('WAL_CORRUPT');
    }
    return { records, refusal: undefined };
  } catch (error) {
    return { records, refusal: refusalOf(error) };
  }
}

function scan({ bytes, firstLsn, logId, groups }: Segment): Scan {
  const records: ReferenceRecord[] = [];
  let lastLsn = firstLsn - 1;
  let closed = false;
  let at = HEADER_BYTES;
  const seen = (invalid: number | undefined): Scan => ({ records, lastLsn, closed, invalid });
  while (bytes.subarray(at).some((byte) => byte !== 0)) {
    if (bytes.subarray(at, at + 12).every((byte) => byte === 0)) return seen(at);
    const frame = frameAt(bytes, at, logId);
    if (!frame || frame.payload.length > (isSmall(frame.kind) ? 1024 : MAX_RECORD_BYTES)) return seen(at);
    const { kind, lsn, payload } = frame;
    if (kind === 'group') {
      const payloads = groups ? groupOf(payload) : [];
      if (lsn !== lastLsn + 1 || payloads.length === 0) return seen(at);
      records.push(...payloads.map((one, index) => ({ lsn: lsn + index, payload: hex(one) })));
      lastLsn += payloads.length;
    } else if (kind === 'record') {
      if (lsn !== lastLsn + 1) return seen(at);
      lastLsn = lsn;
      records.push({ lsn, payload: hex(payload) });
    } else if (lsn > lastLsn) {
      return seen(at);
    }
    closed = kind === 'mark' && lsn === lastLsn;
    at += 16 + payload.length;
  }
  return seen(undefined);
}

/** The payloads in a group's; none where they do not fit it. */
function groupOf(payload: Uint8Array): readonly Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let at = 4;
  while (at + 4 <= payload.length) {
    const end = at + 4 + fromLe(payload, at, 4);
    if (end > payload.length) return [];
    payloads.push(payload.subarray(at + 4, end));
    at = end;
  }
  return at === payload.length && payloads.length === fromLe(payload, 0, 4) ? payloads : [];
}

function isSmall(kind: string | undefined): boolean {
  return kind === 'mark' || kind === 'checkpoint';
}

/** Step 5: is what stands at `invalid` a torn tail, or had it been durable? */
function refuseDamage({ name, bytes, logId, groups }: Segment, invalid: number, lastLsn: number): void {
  const whole = frameAt(bytes, invalid, logId);
  const holdsRecords = whole?.kind === 'record' || (whole?.kind === 'group' && groups);
  if (holdsRecords && whole.payload.length > MAX_RECORD_BYTES) no('WAL_RECORD');
  // An earlier record is what an old block of the disk may show.
  if (whole && !(holdsRecords && whole.lsn <= lastLsn)) damage(name, invalid, lastLsn + 1);
  for (let at = invalid; at + 16 <= bytes.length; at += 1) {
    const mark = fromLe(bytes, at, 4) === 2 ** 30 && frameAt(bytes, at, logId);
    if (mark && mark.lsn > lastLsn) damage(name, invalid, lastLsn + 1);
  }
}

/** The frame at `at`, where one ends inside the file and its checksum is right. */
function frameAt(
  bytes: Uint8Array,
  at: number,
  logId: string,
): { readonly kind: string | undefined; readonly lsn: number; readonly payload: Uint8Array } | undefined {
  if (at + 16 > bytes.length) return undefined;
  const word = fromLe(bytes, at, 4);
  const length = word % 2 ** 30;
  const crcAt = at + 12 + length;
  if (crcAt + 4 > bytes.length) return undefined;
  const sealed = crc32(bytes.subarray(at, crcAt), crc32(Buffer.from(logId, 'hex')));
  if (sealed !== fromLe(bytes, crcAt, 4)) return undefined;
  const kind = Object.entries(KIND).find(([, bits]) => bits === Math.floor(word / 2 ** 30))?.[0];
  return { kind, lsn: fromLe(bytes, at + 4, 8), payload: bytes.subarray(at + 12, crcAt) };
}

function headerOf(bytes: Uint8Array, name: string): Header {
  if (bytes.length < HEADER_BYTES) damage(name, 0, 0);
  if (hex(bytes.subarray(0, 4)) !== hex(Buffer.from('RXWL'))) damage(name, 0, 0);
  const version = fromLe(bytes, 4, 2);
  if (version > 1) no('WAL_VERSION', name);
  if (crc32(bytes.subarray(0, 28)) !== fromLe(bytes, 28, 4)) damage(name, 0, 0);
  if (version === 0) damage(name, 0, 0);
  if (fromLe(bytes, 6, 2) > 1) no('WAL_VERSION', name);
  if (fromLe(bytes, 24, 4) !== 0) damage(name, 0, 0);
  const firstLsn = fromLe(bytes, 8, 8);
  if (firstLsn < 1 || firstLsn > 2 ** 52) damage(name, 0, 0);
  return { firstLsn, groups: fromLe(bytes, 6, 2) === 1, logId: hex(bytes.subarray(16, 24)) };
}

function checkpointOf(bytes: Uint8Array): { readonly lsn: number; readonly logId: string } {
  const { firstLsn, logId } = headerOf(bytes, 'checkpoint.meta');
  const frame = frameAt(bytes, HEADER_BYTES, logId);
  if (!frame || HEADER_BYTES + 16 + frame.payload.length !== bytes.length) damage('checkpoint.meta', HEADER_BYTES, 0);
  return { lsn: firstLsn - 1, logId };
}

function lengthWithoutZeros(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

function damage(file: string, offset: number, lsn: number): never {
  throw new No({ code: 'WAL_CORRUPT', file, offset, lsn });
}

function no(code: Refusal['code'], file?: string): never {
  throw new No({ code, ...(file === undefined ? {} : { file }) });
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof No) return error.refusal;
  throw error;
}
