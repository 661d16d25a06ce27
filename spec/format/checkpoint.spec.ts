import * as fc from 'fast-check';
import { WalCorruptError, WalError, WalVersionError, type Checkpoint } from 'rxwal';
import {
  MAX_CHECKPOINT_FILE_BYTES,
  decodeCheckpointFile,
  encodeCheckpointFile,
  encodeCheckpointFrame,
} from '../../src/format/checkpoint';
import { crcStart, framePayload } from '../../src/format/frame';
import { checkpointCbor, frameBytes, headerBytes, hex, join } from '../support/bytes';
import { LOG_ID, OTHER_LOG_ID, flippedBits, truncations } from '../support/logs';

const counter = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const checkpoint = fc
  .record({
    lsn: fc.integer({ min: 0, max: 2 ** 52 - 1 }),
    epoch: counter,
    transactionId: fc.option(counter),
  })
  .map(({ lsn, epoch, transactionId }): Checkpoint => ({
    lsn,
    epoch,
    ...(transactionId === null ? {} : { transactionId }),
  }));

function refusalOf(bytes: Uint8Array): unknown {
  try {
    decodeCheckpointFile(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('checkpoint', () => {
  it('a frame whose payload is CBOR, and whose LSN is its own', () => {
    fc.assert(
      fc.property(checkpoint, (value) => {
        const frame = encodeCheckpointFrame(value, crcStart(LOG_ID));
        expect(hex(frame)).toBe(hex(frameBytes('checkpoint', value.lsn, checkpointCbor({ ...value }), LOG_ID)));
      }),
    );
  });

  it('a file: header, frame, nothing else; read back as it was', () => {
    fc.assert(
      fc.property(checkpoint, (value) => {
        const bytes = encodeCheckpointFile(value, LOG_ID);
        const frame = frameBytes('checkpoint', value.lsn, checkpointCbor({ ...value }), LOG_ID);
        expect(hex(bytes)).toBe(hex(join(headerBytes({ firstLsn: value.lsn + 1, logId: LOG_ID, flags: 0 }), frame)));
        expect(decodeCheckpointFile(bytes)).toEqual({ checkpoint: value, logId: LOG_ID });
        expect(bytes.length).toBeLessThan(MAX_CHECKPOINT_FILE_BYTES);
      }),
    );
  });

  it('reads the CBOR of another writer: a shorter count, a longer number, another order', () => {
    // {"epoch": 3, "lsn": 5}
    const cbor = join([0xa2, 0x65], Buffer.from('epoch'), [0x03, 0x63], Buffer.from('lsn'), [0x18, 5]);
    const bytes = join(headerBytes({ firstLsn: 6, logId: LOG_ID }), frameBytes('checkpoint', 5, cbor, LOG_ID));
    expect(decodeCheckpointFile(bytes).checkpoint).toEqual({ lsn: 5, epoch: 3 });
  });

  it('does not keep the bytes that it encoded before', () => {
    const first = encodeCheckpointFrame({ lsn: 1, epoch: 1 }, 0);
    const kept = hex(first);
    encodeCheckpointFrame({ lsn: 2, epoch: 2 }, 0);
    expect(hex(first)).toBe(kept);
    expect(hex(framePayload(first, 0, first.length))).toBe(hex(checkpointCbor({ lsn: 1, epoch: 1 })));
  });

  it('refuses every flipped bit and every shorter length of the file, with a typed error that names it', () => {
    const bytes = encodeCheckpointFile({ lsn: 7, epoch: 3, transactionId: 9 }, LOG_ID);
    const unlike = [...flippedBits(bytes), ...truncations(bytes)].filter((harmed) => {
      const error = refusalOf(harmed.bytes);
      const typed = error instanceof WalCorruptError || error instanceof WalVersionError;
      return !typed || error.file !== 'checkpoint.meta';
    });
    expect(unlike).toEqual([]);
  });

  it.each<[what: string, bytes: Uint8Array, reason: RegExp]>([
    ['a header only', headerBytes({ firstLsn: 1, logId: LOG_ID }), /^the checkpoint is cut short$/],
    [
      'something behind the frame',
      join(encodeCheckpointFile({ lsn: 1, epoch: 1 }, LOG_ID), [0]),
      /^the length of the checkpoint does not match$/,
    ],
    [
      "another log's frame",
      join(
        headerBytes({ firstLsn: 2, logId: LOG_ID }),
        encodeCheckpointFrame({ lsn: 1, epoch: 1 }, crcStart(OTHER_LOG_ID)),
      ),
      /^the checkpoint's checksum does not match$/,
    ],
    [
      'a mark',
      join(headerBytes({ firstLsn: 2, logId: LOG_ID }), frameBytes('mark', 1, '', LOG_ID)),
      /^it holds something other than a checkpoint$/,
    ],
    [
      'another LSN than its header',
      join(headerBytes({ firstLsn: 9, logId: LOG_ID }), encodeCheckpointFrame({ lsn: 1, epoch: 1 }, crcStart(LOG_ID))),
      /^header and checkpoint name different LSNs$/,
    ],
  ])('refuses %s', (_what, bytes, reason) => {
    const error = refusalOf(bytes);
    expect(error).toBeInstanceOf(WalCorruptError);
    expect((error as WalCorruptError).reason).toMatch(reason);
  });

  it.each([
    ['no CBOR', Uint8Array.of(0xff)],
    ['nothing', new Uint8Array(0)],
    ['null', Uint8Array.of(0xf6)],
    ['a number', Uint8Array.of(0x05)],
    ['a map without an epoch', Uint8Array.from([0xa1, 0x63, ...Buffer.from('lsn'), 0x05])],
    ['an epoch that is text', join([0xa2, 0x63], Buffer.from('lsn'), [0x05, 0x65], Buffer.from('epoch'), [0x61, 0x31])],
  ])('refuses %s under a right checksum as a damaged checkpoint.meta', (_what, cbor) => {
    const bytes = join(headerBytes({ firstLsn: 6, logId: LOG_ID }), frameBytes('checkpoint', 5, cbor, LOG_ID));
    const error = refusalOf(bytes);
    expect(error).toBeInstanceOf(WalError);
    expect(error).toMatchObject({ code: 'WAL_CORRUPT', file: 'checkpoint.meta' });
  });
});
