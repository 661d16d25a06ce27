/**
 * The line of the log, composed by hand from its public operators, and read back by hand through their mirrors. `openWal` does
 * this for you, and adds the acks, backpressure, checkpoints and a state.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Subject,
  concat,
  concatMap,
  firstValueFrom,
  from,
  ignoreElements,
  interval,
  lastValueFrom,
  map,
  takeUntil,
  tap,
  type Observable,
} from 'rxjs';
import {
  HEADER_BYTES,
  batch,
  cborCodec,
  checksum,
  commit,
  deserialize,
  frame,
  nodeStore,
  recover,
  rotate,
  serialize,
  unframe,
  verify,
  type Commit,
  type Entry,
  type Recovered,
  type SegmentStore,
} from 'rxwal';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

const codec = cborCodec<Reading>();
const maxSegmentBytes = 1024;
const limits = { maxRecordBytes: 1024, maxSegmentBytes, preallocateBytes: 0 };

/** Readings in, one commit out for each fsync. */
function line(readings$: Observable<Reading>, recovered: Recovered, shutdown$: Observable<void>): Observable<Commit> {
  const { logId, lastLsn, from: segment } = recovered;

  // #region pipeline
  const settled$ = new Subject<void>();
  const accepted$ = readings$.pipe(takeUntil(shutdown$)); // what is behind it drains, nothing is dropped
  const commits$ = accepted$.pipe(
    serialize({ codec }), // values → bytes
    frame({ after: lastLsn }), // each with its LSN, laid out as on disk
    checksum(logId), // over length, LSN and payload
    batch({ settled$ }), // gathers while the fsync before is running
    rotate({ maxSegmentBytes, from: segment }), // one window, one file
    commit(recovered), // one writer, one fsync for each batch
    tap(() => settled$.next()), // the next batch may leave
  );
  // #endregion pipeline
  return commits$;
}

/** What the line has written, file by file. */
function readBack(store: SegmentStore, logId: Uint8Array): Observable<Entry<Reading>> {
  let lastLsn = 0;
  return store.list().pipe(
    concatMap((names) => from(names.filter((name) => name.endsWith('.log')).sort())),
    concatMap((name) => store.open(name, 'read')),
    concatMap((file) => {
      // #region pipeline-read
      const bytes$ = file.size().pipe(concatMap((size) => file.read(HEADER_BYTES, size - HEADER_BYTES)));
      const entries$ = bytes$.pipe(
        unframe({ file: file.name }), // bytes → frames
        verify({ logId, after: lastLsn, file: file.name }), // checksums, and no LSN left out
        deserialize(codec), // frames → entries
      );
      // #endregion pipeline-read
      const counted$ = entries$.pipe(tap(({ lsn }) => (lastLsn = lsn)));
      return concat(counted$, file.close().pipe(ignoreElements()));
    }),
  );
}

export async function main(dir: string): Promise<void> {
  const store = nodeStore(dir);
  const unlock = await firstValueFrom(store.lock()); // before anything is read: a log has one writer
  const recovered = await firstValueFrom(recover(store, limits));
  console.log(`recovered ${recovered.lastLsn} records in ${recovered.segments.length} segments`);

  const shutdown$ = new Subject<void>();
  const readings$ = interval(1).pipe(map((n): Reading => ({ sensor: `s${n % 3}`, celsius: 20 + (n % 5) })));
  const commits$ = line(readings$, recovered, shutdown$).pipe(
    tap(({ firstLsn, lastLsn, segment, bytes }) => {
      console.log(`commit: LSN ${firstLsn} to ${lastLsn} durable, ${bytes} bytes in segment ${segment}`);
      if (lastLsn >= recovered.lastLsn + 100) shutdown$.next();
    }),
  );
  await lastValueFrom(commits$);

  const last = await lastValueFrom(readBack(store, recovered.logId));
  console.log(`read back ${last.lsn} records; the last one is ${JSON.stringify(last.value)}`);
  await lastValueFrom(unlock());
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
