import { readWal, type Gap } from 'rxwal';
import { memoryStore } from 'rxwal/testing';
import { encodeReadersFile } from '../../src/format/readers';
import { checkpointCbor, frameBytes, headerBytes, join } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, RAW, collect, filesOf, segmentBytes } from '../support/logs';

/** Three segments of a record each, a checkpoint at LSN 3, and the second one gone. */
const holed = (): Map<string, Uint8Array> => {
  const files = filesOf(
    segmentBytes(1, [['record', 1]]),
    segmentBytes(2, [['record', 2]]),
    segmentBytes(3, [['record', 3]]),
  );
  files.delete('wal_00000001.log');
  const frame = frameBytes('checkpoint', 3, checkpointCbor({ lsn: 3, epoch: 1 }), LOG_ID);
  return files.set('checkpoint.meta', join(headerBytes({ firstLsn: 4, logId: LOG_ID }), frame));
};

const readers = (lsn: number, logId = LOG_ID): Uint8Array =>
  encodeReadersFile({ readers: [{ name: 'mail', lsn, movedAt: 0 }], cutLsn: 0 }, logId);

function salvage(files: ReadonlyMap<string, Uint8Array>): { lsns: number[]; gaps: string[] } {
  const gaps: Gap[] = [];
  const read$ = readWal<Uint8Array>(memoryStore({ files }), {
    codec: RAW.codec,
    recovery: 'salvage',
    onGap: (gap) => gaps.push(gap),
  });
  const { values, error } = collect(read$);
  expect(error).toBeUndefined();
  return { lsns: values.map(({ lsn }) => lsn), gaps: gaps.map(({ file }) => file) };
}

describe('salvage of a log with readers', () => {
  it('a hole that nobody minds is what a removal left: what stands before it was on its way out', () => {
    expect(salvage(holed())).toEqual({ lsns: [3], gaps: [] });
    expect(salvage(holed().set('readers.meta', readers(2)))).toEqual({ lsns: [3], gaps: [] });
  });

  it('a hole in what a reader needs is a gap, and what stands before it is given', () => {
    expect(salvage(holed().set('readers.meta', readers(0)))).toMatchObject({
      lsns: [1, 3],
      gaps: ['wal_00000001.log'],
    });
  });

  it.each<[what: string, bytes: Uint8Array]>([
    ['is harmed', Uint8Array.of(1, 2, 3)],
    ["is another log's", readers(2, OTHER_LOG_ID)],
  ])('a readers.meta that %s is told, and nothing is left out for it', (_what, bytes) => {
    const { lsns, gaps } = salvage(holed().set('readers.meta', bytes));
    expect(lsns).toEqual([1, 3]);
    expect(gaps).toContain('readers.meta');
  });
});
