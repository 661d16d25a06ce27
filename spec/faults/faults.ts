import type { Fault } from './fault';
import { GROUP_FAULTS } from './groupFaults';
import { PROJECTION_FAULTS } from './projectionFaults';
import { READER_FAULTS } from './readerFaults';
import { TAIL_FAULTS } from './tailFaults';

const COMMIT = 'operators/commit.ts';
const WRITER = 'store/segmentWriter.ts';
const REPLACE = 'store/replaceFile.ts';

/** How logs have lost data, one by one. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'a record is acknowledged before its fsync',
    changes: [{ file: COMMIT, from: 'if (!sync || !this.#isUnsynced(bytes)) {', to: 'if (bytes >= 0) {' }],
    caughtBy: 'power cuts: sync',
  },
  {
    name: 'the directory is not fsync’d after a segment is made',
    changes: [{ file: WRITER, from: 'file.sync(), store.syncDir()).pipe(', to: 'file.sync()).pipe(' }],
    caughtBy: 'power cuts: sync',
  },
  {
    name: 'the directory is not fsync’d after a rename',
    changes: [{ file: REPLACE, from: 'defer(() => store.syncDir()),', to: '' }],
    caughtBy: 'power cuts: sync, three lives',
  },
  {
    name: 'the old segment is not fsync’d at a rotation',
    changes: [{ file: WRITER, from: 'defer(() => this.file.sync()).pipe(ignoreElements()),', to: '' }],
    caughtBy: 'power cuts: nosync',
  },
  {
    name: 'the header of a segment is not fsync’d before its first frame',
    changes: [
      {
        file: WRITER,
        from: 'concat(file.write([encodeHeader(header)], 0), file.sync(), ',
        to: 'concat(file.write([encodeHeader(header)], 0), ',
      },
    ],
    caughtBy: 'power cuts: small sectors',
  },
  {
    name: 'a torn tail is not cut',
    changes: [
      {
        file: 'recover.ts',
        from: 'readChunks(old, 0, end).pipe(',
        to: 'old.size().pipe(concatMap((all) => readChunks(old, 0, all)),',
      },
      { file: 'recover.ts', from: 'at !== end || ', to: '' },
    ],
    caughtBy: 'a torn batch does not come back',
  },
  {
    name: 'the cut of a torn tail is not fsync’d',
    changes: [
      {
        file: REPLACE,
        from: 'concat(fill(file), file.sync())',
        to: "(name.endsWith('.log') ? fill(file) : concat(fill(file), file.sync()))",
      },
    ],
    caughtBy: 'power cuts: sync, three lives',
  },
  {
    name: 'a recovered tail is trusted as the page cache shows it',
    changes: [
      { file: 'recover.ts', from: 'ending.clean ? EMPTY', to: 'ending.clean || ending.bytesCut === 0 ? EMPTY' },
    ],
    caughtBy: 'power cuts: failed fsyncs',
  },
  {
    name: 'a read error is taken for the end of the file',
    changes: [
      {
        file: 'reading/readChunks.ts',
        from: "import { Observable, Subscription } from 'rxjs';",
        to: "import { catchError, EMPTY, Observable, Subscription } from 'rxjs';",
      },
      {
        file: 'reading/readChunks.ts',
        from: 'const chunk$ = file.read(at, bytes);',
        to: 'const chunk$ = file.read(at, bytes).pipe(catchError(() => EMPTY));',
      },
    ],
    caughtBy: 'a read that fails fails the opening',
  },
  {
    name: 'checkpoint.meta is renamed before it is fsync’d',
    changes: [
      {
        file: REPLACE,
        from: 'concat(fill(file), file.sync())',
        to: "(name.endsWith('.meta') ? fill(file) : concat(fill(file), file.sync()))",
      },
    ],
    caughtBy: 'power cuts: sync',
  },
  {
    name: 'segments are removed before checkpoint.meta is durable',
    changes: [
      { file: 'operators/checkpoint.ts', from: 'defer(() => save(checkpoint)).pipe(ignoreElements()),', to: '' },
      {
        file: 'operators/checkpoint.ts',
        from: 'defer(() => of({ checkpoint, saved, removed, error: undefined })),',
        to: 'defer(() => save(checkpoint)).pipe(ignoreElements()), defer(() => of({ checkpoint, saved, removed, error: undefined })),',
      },
    ],
    caughtBy: 'power cuts: sync',
  },
  {
    name: 'a failed fsync is tried again',
    changes: [
      { file: COMMIT, from: '  mergeMap,\n', to: '  mergeMap,\n  retry,\n' },
      {
        file: COMMIT,
        from: 'defer(() => this.#segment.sync()).subscribe(',
        to: 'defer(() => this.#segment.sync()).pipe(retry(1)).subscribe(',
      },
    ],
    caughtBy: 'power cuts: sync, three lives',
  },
  {
    name: 'a mark is written too early: it names what has been written',
    changes: [
      { file: COMMIT, from: 'this.#markedLsn !== this.#durableLsn', to: 'this.#markedLsn !== this.#writtenLsn' },
      { file: COMMIT, from: "encodeFrame('mark', this.#durableLsn", to: "encodeFrame('mark', this.#writtenLsn" },
    ],
    caughtBy: 'power cuts: nosync',
  },
  {
    name: 'the checksum leaves out the LSN',
    changes: [
      {
        file: 'format/frame.ts',
        from: 'crc32(bytesBetween(buffer, start, end - CRC_BYTES), crcFrom)',
        to: 'crc32(bytesBetween(buffer, start + 12, end - CRC_BYTES), crc32(bytesBetween(buffer, start, start + 4), crcFrom))',
      },
    ],
    caughtBy: 'a flipped bit is found',
  },
  {
    name: 'the checksum does not start from the log’s id',
    changes: [{ file: 'format/frame.ts', from: 'return crc32(logId);', to: 'return logId.length > 99 ? 1 : 0;' }],
    caughtBy: 'a frame of another log is none',
  },
  {
    name: 'a length is trusted before it is bounded',
    changes: [
      {
        file: 'reading/frameCutter.ts',
        from: 'if (payloadBytes > limit) return this.#refuse(tooLong(kind, payloadBytes, limit));',
        to: '',
      },
      { file: 'reading/frameCutter.ts', from: 'if (offset + frameBytes > this.#size) {', to: 'if (offset < 0) {' },
    ],
    caughtBy: 'a length that lies is refused at once',
  },
  {
    name: 'a value that next() refuses is dropped without a word',
    changes: [
      {
        file: 'liveWal.ts',
        from: "if (typeof verdict !== 'number' && !heard) reportUnhandled(verdict);",
        to: 'void (heard && verdict && reportUnhandled);',
      },
    ],
    caughtBy: 'a refusal is heard of',
  },
  {
    name: 'a symbolic link is followed',
    changes: [{ file: 'store/nodeStore.ts', from: 'flags | REGULAR_ONLY', to: 'flags' }],
    caughtBy: 'what a symbolic link leads to is left alone',
  },
  {
    name: 'a decoded value may refer to another record',
    changes: [
      {
        file: 'codec/cborCodec.ts',
        from: 'const refused = refusedTag(payload, this.families);',
        to: 'const refused = undefined as string | undefined;',
      },
    ],
    caughtBy: 'a record decodes alone',
  },
  {
    name: 'the lock is not taken',
    changes: [
      { file: 'openWal.ts', from: 'defer(() => store.lock())', to: 'defer(() => from([() => from([undefined])]))' },
    ],
    caughtBy: 'a second writer is refused',
  },
  ...TAIL_FAULTS,
  ...PROJECTION_FAULTS,
  ...GROUP_FAULTS,
  ...READER_FAULTS,
];
