import { readFileSync } from 'node:fs';
import { join as path } from 'node:path';
import { readWal, rawCodec } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { decodeCheckpointFile } from '../../src/format/checkpoint';
import { FRAME_HEAD_BYTES, FRAME_OVERHEAD_BYTES, MAX_CHECKPOINT_BYTES } from '../../src/format/frame';
import { HEADER_BYTES } from '../../src/format/header';
import { decodeReadersFile } from '../../src/format/readers';
import { checkpointCbor, frameBytes, groupPayload, headerBytes, hex, join, unhex } from '../support/bytes';
import { collect, openFiles, recordsOf } from '../support/logs';
import { judge } from '../support/reference';

const README = readFileSync(path(__dirname, '../../src/format/README.md'), 'utf8');

/** The body of a section, by its heading. */
function section(heading: string): string {
  const from = README.indexOf(`${heading}\n`);
  expect(from).toBeGreaterThanOrEqual(0);
  const rest = README.slice(from + heading.length + 1);
  const end = rest.search(/^#{2,3} /m);
  return end < 0 ? rest : rest.slice(0, end);
}

/** The rows of the section's nth table, each by its cells. */
function table(heading: string, nth = 0): string[][] {
  const tables = [...section(heading).matchAll(/(?:^\|.*\|\n)+/gm)];
  const rows = tables[nth]?.[0].trim().split('\n').slice(2) ?? [];
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

interface Line {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The lines of a section's nth dump, by default of the worked example's: an offset, bytes, and perhaps two spaces and what they mean. */
function dump(nth: number, heading = '## A worked example'): Line[] {
  const blocks = [...section(heading).matchAll(/```text\n([^`]*)```/g)];
  const lines = (blocks[nth]?.[1] ?? '')
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  return lines.map((line) => {
    const [, offset, digits] = /^ *(\d+) {2}((?:[\da-f]{2} )*[\da-f]{2})(?: {2,}.*)?$/.exec(line) ?? [line];
    return { offset: Number(offset), bytes: unhex(digits ?? '') };
  });
}

const LOG_ID = unhex('a1b2c3d4e5f60718');
const CHECKPOINT = { lsn: 2, epoch: 1, transactionId: 300 };
const CHECKPOINT_FRAME = frameBytes('checkpoint', 2, checkpointCbor(CHECKPOINT), LOG_ID);

describe('the format page', () => {
  it.each([0, 1, 2])('dump %d counts its bytes right', (nth) => {
    const lines = dump(nth);
    expect(lines.length).toBeGreaterThan(5);
    let at = lines[0]!.offset;
    const offsets = lines.map(({ bytes }) => (at += bytes.length) - bytes.length);
    expect(lines.map(({ offset }) => offset)).toEqual(offsets);
  });

  it('its segment is what it says: byte for byte, and as the log reads it', () => {
    const bytes = join(...dump(0).map((line) => line.bytes));
    const mark = (lsn: number): Uint8Array => frameBytes('mark', lsn, '', LOG_ID);
    const record = (lsn: number, payload: string): Uint8Array =>
      frameBytes('record', lsn, Buffer.from(payload, 'latin1'), LOG_ID);
    const built = join(
      headerBytes({ firstLsn: 1, logId: LOG_ID }),
      mark(0),
      record(1, 'hello'),
      mark(1),
      record(2, ''),
      record(3, '\xff'),
      mark(3),
      CHECKPOINT_FRAME,
      mark(3),
    );
    expect(hex(bytes)).toBe(hex(built));

    const files = new Map([['wal_00000000.log', bytes]]);
    const { values, done } = collect(readWal<Uint8Array>(memoryStore({ files }), { codec: rawCodec() }));
    expect(done).toBe(true);
    expect(recordsOf(values)).toEqual([
      { lsn: 1, payload: '68656c6c6f' },
      { lsn: 2, payload: '' },
      { lsn: 3, payload: 'ff' },
    ]);
    expect(openFiles(files).wal.recovery.clean).toBe(true);
  });

  it('its checkpoint.meta is what it says, and fits its segment', () => {
    const [segment, meta] = [0, 1].map((nth) => join(...dump(nth).map((line) => line.bytes)));
    expect(hex(meta!)).toBe(hex(join(headerBytes({ firstLsn: 3, logId: LOG_ID, flags: 0 }), CHECKPOINT_FRAME)));
    expect(decodeCheckpointFile(meta!).checkpoint).toEqual(CHECKPOINT);
    const files = new Map([
      ['wal_00000000.log', segment!],
      ['checkpoint.meta', meta!],
    ]);
    expect(openFiles(files).wal.lastCheckpoint).toEqual(CHECKPOINT);
    expect(judge(files).read.records).toHaveLength(3);
  });

  it('its group is what it says, and stands where it says', () => {
    const lines = dump(2);
    const segment = join(...dump(0).map((line) => line.bytes)).subarray(0, lines[0]!.offset);
    const bytes = join(...lines.map((line) => line.bytes));
    expect(hex(bytes)).toBe(hex(frameBytes('group', 2, groupPayload('ab', '', Uint8Array.of(0xff)), LOG_ID)));
    const files = new Map([['wal_00000000.log', join(segment, bytes)]]);
    const { values } = collect(readWal<Uint8Array>(memoryStore({ files }), { codec: rawCodec() }));
    expect(recordsOf(values)).toEqual([
      { lsn: 1, payload: '68656c6c6f' },
      { lsn: 2, payload: '6162' },
      { lsn: 3, payload: '' },
      { lsn: 4, payload: 'ff' },
    ]);
  });

  it('its readers.meta is what it says, and fits its segment', () => {
    const lines = dump(0, '## Readers');
    let at = 0;
    expect(lines.map(({ offset }) => offset)).toEqual(lines.map(({ bytes }) => (at += bytes.length) - bytes.length));
    const meta = join(...lines.map(({ bytes }) => bytes));
    const movedAt = Date.UTC(2026, 0, 1);
    expect(decodeReadersFile(meta).holds).toEqual({
      readers: [
        { name: 'mail', lsn: 2, movedAt },
        { name: 'search', lsn: 3, movedAt },
      ],
      cutLsn: 0,
    });
    const segment = join(...dump(0).map(({ bytes }) => bytes));
    const files = new Map([
      ['wal_00000000.log', segment],
      ['readers.meta', meta],
    ]);
    expect(openFiles(files).wal.readers).toHaveLength(2);
  });

  it("the header's table adds up to the header", () => {
    let at = 0;
    for (const [offset, size] of table('### Header')) {
      expect(Number(offset)).toBe(at);
      at += Number(size);
    }
    expect(at).toBe(HEADER_BYTES);
  });

  it("the frame's tables are those of the code", () => {
    expect(table('### Frame').map(([offset, size]) => [offset, size])).toEqual([
      ['0', '4'],
      ['4', '8'],
      [String(FRAME_HEAD_BYTES), 'n'],
      [`${FRAME_HEAD_BYTES} + n`, String(FRAME_OVERHEAD_BYTES - FRAME_HEAD_BYTES)],
    ]);
    expect(table('### Frame', 1).map(([kind, name]) => [kind, name])).toEqual([
      ['0', 'record'],
      ['1', 'mark'],
      ['2', 'checkpoint'],
      ['3', 'group'],
    ]);
    expect(section('## Reading')).toContain(
      `above ${MAX_CHECKPOINT_BYTES.toLocaleString('en')} where its kind is 1 or 2`,
    );
  });
});
