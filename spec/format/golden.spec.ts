import { crc32 } from 'node:zlib';
import { readWal, rawCodec } from 'rxwal';
import { memoryStore, memoryWal } from 'rxwal/testing';
import { decodeCheckpointFile, encodeCheckpointFile, encodeCheckpointFrame } from '../../src/format/checkpoint';
import {
  claimedPayloadBytes,
  crcStart,
  encodeFrame,
  frameKind,
  frameLsn,
  framePayload,
  isSealed,
} from '../../src/format/frame';
import { decodeHeader, encodeHeader } from '../../src/format/header';
import { checkpointCbor, frameBytes, groupPayload, headerBytes, hex, unhex } from '../support/bytes';
import { RAW, allOf, openFiles } from '../support/logs';

/**
 * Version 1 of the format, frozen. A change of one byte here is a new version, and a log on somebody's disk that the new code must
 * still read. Each literal is checked against arithmetic that knows nothing of `src/`, and against `src/` both ways.
 */

const LOG_ID = unhex('a1b2c3d4e5f60718');

/** CRC-32 of the log id: what every frame's checksum starts from. */
const CRC_START = 0x53e36388;

const HEADER = `
  5258574c            magic "RXWL"
  0100 0000           version 1, no flags
  0100000000000000    first LSN 1
  a1b2c3d4e5f60718    log id
  00000000            reserved
  9fc4204a            CRC-32 of the 28 bytes before it
`;

/** As every segment has it that is made now. */
const HEADER_WITH_GROUPS = `
  5258574c            magic "RXWL"
  0100 0100           version 1, groups may be in this segment
  0100000000000000    first LSN 1
  a1b2c3d4e5f60718    log id
  00000000            reserved
  5fa0085d            CRC-32 of the 28 bytes before it
`;

const FRAMES = {
  mark0: '00000040 0000000000000000 8ee7b09d',
  hello: '05000000 0100000000000000 68656c6c6f 4b195e1a',
  mark1: '00000040 0100000000000000 10e71a51',
  empty: '00000000 0200000000000000 f4e30701',
  ff: '01000000 0300000000000000 ff 20fc3c8f',
  mark3: '00000040 0300000000000000 6de03f13',
  /** LSN 2 to 4: "ab", an empty one, and the byte ff. */
  group: '130000c0 0200000000000000 03000000 02000000 6162 00000000 01000000 ff 91b24ee9',
  mark4: '00000040 0400000000000000 74e9fa19',
  checkpoint: `
    20000080 0200000000000000
    b90003 636c736e 02 6565706f6368 01 6d7472616e73616374696f6e4964 19012c
    244a6a38
  `,
} as const;

/** `checkpoint.meta`: the header names the first LSN that is still needed. */
const CHECKPOINT_META_HEADER = '5258574c 0100 0000 0300000000000000 a1b2c3d4e5f60718 00000000 13b2ee80';

const CHECKPOINT = { lsn: 2, epoch: 1, transactionId: 300 };

/** The hex digits of literals; what stands behind four spaces is for the reader. */
function bytesOf(...literals: readonly string[]): Uint8Array {
  const lines = literals.flatMap((literal) => literal.split('\n'));
  return unhex(lines.map((line) => line.trim().split('    ')[0]).join(''));
}

const SEGMENT = [HEADER, FRAMES.mark0, FRAMES.hello, FRAMES.mark1, FRAMES.empty, FRAMES.ff, FRAMES.mark3];
const CLOSED_SEGMENT = bytesOf(...SEGMENT, FRAMES.checkpoint, FRAMES.mark3);
const CLOSED_WITH_GROUP = bytesOf(
  HEADER_WITH_GROUPS,
  FRAMES.mark0,
  FRAMES.hello,
  FRAMES.mark1,
  FRAMES.group,
  FRAMES.mark4,
);

describe('golden bytes of version 1', () => {
  it('the start value of the checksums', () => {
    expect(crc32(LOG_ID)).toBe(CRC_START);
    expect(crcStart(LOG_ID)).toBe(CRC_START);
  });

  it('a header', () => {
    const bytes = bytesOf(HEADER);
    expect(bytes).toHaveLength(32);
    expect(hex(headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 0 }))).toBe(hex(bytes));
    expect(hex(encodeHeader({ firstLsn: 1, logId: LOG_ID, groups: false }))).toBe(hex(bytes));
    expect(decodeHeader(bytes, 'x')).toEqual({ firstLsn: 1, logId: LOG_ID, groups: false });
  });

  it('a header that allows groups', () => {
    const bytes = bytesOf(HEADER_WITH_GROUPS);
    expect(bytes).toHaveLength(32);
    expect(hex(headerBytes({ firstLsn: 1, logId: LOG_ID, flags: 1 }))).toBe(hex(bytes));
    expect(hex(encodeHeader({ firstLsn: 1, logId: LOG_ID }))).toBe(hex(bytes));
    expect(decodeHeader(bytes, 'x')).toEqual({ firstLsn: 1, logId: LOG_ID, groups: true });
  });

  it.each([
    ['a mark that says nothing yet', FRAMES.mark0, 'mark', 0, ''],
    ['a record', FRAMES.hello, 'record', 1, 'hello'],
    ['a mark', FRAMES.mark1, 'mark', 1, ''],
    ['a record without a payload', FRAMES.empty, 'record', 2, ''],
    ['a record of one byte', FRAMES.ff, 'record', 3, '\xff'],
    ['a group', FRAMES.group, 'group', 2, Buffer.from(groupPayload('ab', '', '\xff')).toString('latin1')],
    ['a checkpoint', FRAMES.checkpoint, 'checkpoint', 2, Buffer.from(checkpointCbor(CHECKPOINT)).toString('latin1')],
  ] as const)('%s', (_what, literal, kind, lsn, text) => {
    const bytes = bytesOf(literal);
    const payload = Uint8Array.from(Buffer.from(text, 'latin1'));
    expect(hex(frameBytes(kind, lsn, payload, LOG_ID))).toBe(hex(bytes));
    expect(hex(encodeFrame(kind, lsn, payload, CRC_START))).toBe(hex(bytes));
    expect(claimedPayloadBytes(bytes, 0)).toBe(payload.length);
    expect(frameKind(bytes, 0)).toBe(kind);
    expect(frameLsn(bytes, 0)).toBe(lsn);
    expect(hex(framePayload(bytes, 0, bytes.length))).toBe(hex(payload));
    expect(isSealed(bytes, 0, bytes.length, CRC_START)).toBe(true);
  });

  it('a checkpoint by its own encoder', () => {
    expect(hex(encodeCheckpointFrame(CHECKPOINT, CRC_START))).toBe(hex(bytesOf(FRAMES.checkpoint)));
  });

  it('checkpoint.meta', () => {
    const bytes = bytesOf(CHECKPOINT_META_HEADER, FRAMES.checkpoint);
    expect(bytes).toHaveLength(80);
    expect(hex(headerBytes({ firstLsn: 3, logId: LOG_ID, flags: 0 }))).toBe(hex(bytesOf(CHECKPOINT_META_HEADER)));
    expect(hex(encodeCheckpointFile(CHECKPOINT, LOG_ID))).toBe(hex(bytes));
    expect(decodeCheckpointFile(bytes)).toEqual({ checkpoint: CHECKPOINT, logId: LOG_ID });
  });

  it('a whole segment and checkpoint.meta, as the log writes them', async () => {
    const { wal, store } = memoryWal<Uint8Array>({
      ...RAW,
      files: new Map([['wal_00000000.log', bytesOf(HEADER_WITH_GROUPS)]]),
      isCommit: (payload) => payload.length > 0,
    });
    const [hello, empty, ff] = ['hello', '', '\xff'].map((text) => Uint8Array.from(Buffer.from(text, 'latin1')));
    await wal.append(hello!);
    // The second is no commit, and rides with the third.
    wal.next(empty!);
    await wal.append(ff!);
    await wal.checkpoint(CHECKPOINT);
    await wal.close();
    expect(Object.fromEntries([...store.durableSnapshot()].map(([name, bytes]) => [name, hex(bytes)]))).toEqual({
      'wal_00000000.log': hex(bytesOf(HEADER_WITH_GROUPS)) + hex(CLOSED_SEGMENT.subarray(32)),
      'checkpoint.meta': hex(bytesOf(CHECKPOINT_META_HEADER, FRAMES.checkpoint)),
    });
  });

  it('a whole segment with a group, as the log writes it and reads it', async () => {
    const files = new Map([['wal_00000000.log', bytesOf(HEADER_WITH_GROUPS)]]);
    const { wal, store } = memoryWal<Uint8Array>({ ...RAW, files });
    const [hello, ...others] = ['hello', 'ab', '', '\xff'].map((text) => Uint8Array.from(Buffer.from(text, 'latin1')));
    await wal.append(hello!);
    await expect(wal.appendAll(others)).resolves.toEqual({ lsn: 4, durable: true });
    await wal.close();
    expect(hex(store.durableSnapshot().get('wal_00000000.log')!)).toBe(hex(CLOSED_WITH_GROUP));

    const closed = memoryStore({ files: new Map([['wal_00000000.log', CLOSED_WITH_GROUP]]) });
    await expect(allOf(readWal<Uint8Array>(closed, { codec: rawCodec() }))).resolves.toEqual([
      { lsn: 1, value: hello },
      { lsn: 2, value: others[0] },
      { lsn: 3, value: others[1] },
      { lsn: 4, value: others[2] },
    ]);
  });

  it('a whole segment of an earlier rxwal, as the log reads it', async () => {
    const files = new Map([['wal_00000000.log', CLOSED_SEGMENT]]);
    const { wal, store } = openFiles(files);
    expect(wal.recovery).toMatchObject({ clean: true, firstLsn: 1, lastLsn: 3 });
    await expect(allOf(readWal<Uint8Array>(store, { codec: rawCodec() }))).resolves.toEqual([
      { lsn: 1, value: Uint8Array.from(Buffer.from('hello')) },
      { lsn: 2, value: new Uint8Array(0) },
      { lsn: 3, value: Uint8Array.of(0xff) },
    ]);
  });
});
