import { concat, concatMap, defer, filter, finalize, ignoreElements, map, of, take, tap, type Observable } from 'rxjs';
import { decodeCheckpoint } from './checkpointFrame';
import { namedCodec } from './codecOption';
import { EXIT, type ExitCode } from './exitCodes';
import { logFrames, type LocatedFrame } from './logFrames';
import { decode, recordLine } from './recordLine';
import type { Session } from './session';
import { condition } from './where';
import { plural } from './words';

export interface DumpOptions {
  readonly codec: string;
  readonly after?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly marks?: boolean;
  readonly checkpoints?: boolean;
  readonly where: readonly string[];
  readonly values?: boolean;
}

/**
 * Prints the records of a log, a line of JSON each. A payload that does not decode is a line of its own, ends nothing, and is not asked
 * whether it meets a condition; but it makes the exit code 2.
 */
export function dump(session: Session, dir: string, options: DumpOptions): Observable<ExitCode> {
  const { out } = session;
  const conditions = options.where.map(condition);
  const progress = session.progress('dumping');
  let undecodable = 0;

  return defer(() => namedCodec(options.codec)).pipe(
    concatMap((codec) => {
      const lineOf = ({ file, frame }: LocatedFrame): string | undefined => {
        const { kind, lsn, offset } = frame;
        switch (kind) {
          case 'mark':
            return JSON.stringify({ mark: lsn, file, offset });
          case 'checkpoint':
            return JSON.stringify({ checkpoint: decodeCheckpoint(frame), file, offset });
          case 'record': {
            const record = decode(codec, frame);
            if (!('value' in record)) undecodable += 1;
            else if (!conditions.every((holds) => holds(record.value))) return undefined;
            return recordLine(codec, record, options.values);
          }
        }
      };
      const wanted = { record: true, mark: options.marks === true, checkpoint: options.checkpoints === true };
      const lines = logFrames(session.readingStore(dir), {
        after: options.after,
        until: options.until,
        maxRecordBytes: session.maxRecordBytes,
        // A bar between the lines of a terminal would help nobody.
        progress: out.isTerminal ? { expect: () => undefined, add: () => undefined } : progress,
        onTorn: ({ file, offset, reason }, bytes) => {
          progress.end();
          session.remark(`${file} ends in a torn tail of ${plural(bytes, 'byte')} at byte ${offset}: ${reason}`);
        },
      }).pipe(
        filter(({ frame }) => wanted[frame.kind]),
        map(lineOf),
        filter((line) => line !== undefined),
        take(options.limit ?? Infinity),
        tap((line) => {
          out.line(line);
        }),
      );
      const ending = defer(() => {
        progress.end();
        if (undecodable === 0) return of(EXIT.fine);
        session.remark(`${plural(undecodable, 'payload')} did not decode with the codec ${options.codec}`);
        return of(EXIT.damaged);
      });
      return concat(lines.pipe(ignoreElements()), ending);
    }),
    finalize(() => {
      progress.end();
    }),
  );
}
