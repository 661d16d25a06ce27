/**
 * Runs the diagrams of examples/howItWorks.md, as they are printed there: what is appended, and how long the disk takes, is read from the page, and what the
 * log makes of it must be what the page shows, frame by frame. So the page cannot say what is not so.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  EMPTY,
  Subject,
  catchError,
  filter,
  map,
  mergeMap,
  throwError,
  type MonoTypeOperatorFunction,
  type Observable,
} from 'rxjs';
import { WalPoisonedError, type Entry, type Wal, type WalOptions } from 'rxwal';
import { fault, marblePlan, memoryWal, virtualTime, type StoreOperation, type StoreOperationKind } from 'rxwal/testing';
import { diagramsOf, type Diagram } from './diagrams';

const page = readFileSync(join(__dirname, '../../examples/howItWorks.md'), 'utf8');
const diagrams = diagramsOf(page);

/** The letter of each operation that a diagram shows. */
const LETTERS: Partial<Record<StoreOperationKind, string>> = {
  write: 'w',
  sync: 'f',
  truncate: 't',
  create: 'n',
  rename: 'r',
  remove: 'x',
  syncDir: 's',
  read: 'l',
};

const isOf: Record<string, (operation: StoreOperation) => boolean> = {
  write: ({ kind }) => kind === 'write',
  fsync: ({ kind }) => kind === 'sync',
  read: ({ kind }) => kind === 'read',
  'segment 0': ({ file }) => file === 'wal_00000000.log',
  'segment 1': ({ file }) => file === 'wal_00000001.log',
  'checkpoint.meta': ({ file }) => file === 'checkpoint.meta.tmp',
  directory: ({ kind }) => kind === 'syncDir',
};

/** The record `a` is `A` once it is acknowledged. */
const ackOf = (lsn: number) => 'ABCDEFGHIJ'[lsn - 1]!;

/** The first two fill a small segment. */
const recordOf = (letter: string) => (letter < 'c' ? letter.repeat(100) : letter);

/** What is seen of a log from outside: its operations on the disk, and those who follow it. */
interface Seen {
  readonly operations$: Observable<StoreOperation>;
  readonly tail$: Observable<Entry<string>>;
  readonly caughtUp$: Observable<number>;
}

/** What each row of a diagram shows. */
function streamOf(row: string, wal: Wal<string>, { operations$, tail$, caughtUp$ }: Seen): Observable<string> {
  const isShown = isOf[row];
  if (isShown) {
    return operations$.pipe(
      filter((operation) => LETTERS[operation.kind] !== undefined && isShown(operation)),
      map(({ kind }) => LETTERS[kind]!),
    );
  }
  switch (row) {
    case 'acks':
      return wal.acks$.pipe(
        map(({ lsn }) => ackOf(lsn)),
        orStopped,
      );
    case 'durable':
      return wal.durable$.pipe(map(String), orStopped);
    case 'tail':
      return tail$.pipe(map(({ lsn }) => ackOf(lsn)));
    case 'caught up':
      return caughtUp$.pipe(map(String));
    case 'state':
      return wal.state$.pipe(map((state) => state[0]!));
    default:
      throw new Error(`the page has a row '${row}', and nothing is known of it`);
  }
}

const STOPPED = new Error('the log has stopped');

/** One error for a log that has stopped, which a diagram shows as #. */
const orStopped: MonoTypeOperatorFunction<string> = catchError((error: unknown) =>
  throwError(() => (error instanceof WalPoisonedError ? STOPPED : error)),
);

/** Runs the diagram: its row `append` goes in, its rows `checkpoint` and `joins` call, the latencies of its rows `takes` hold, and all others must come out. */
function expectDiagram({ rows, takes }: Diagram, options: WalOptions<string> = {}): void {
  virtualTime(({ hot, expectObservable }) => {
    const operations$ = new Subject<StoreOperation>();
    const plan = marblePlan(takes, fault('EIO'));
    const { wal } = memoryWal<string>({
      ...options,
      plan: (operation) => {
        operations$.next(operation);
        return plan(operation);
      },
    });
    const tail$ = new Subject<Entry<string>>();
    const caughtUp$ = new Subject<number>();
    const seen: Seen = { operations$, tail$, caughtUp$ };
    const append = (letter: string) => wal.append(recordOf(letter)).pipe(catchError(() => EMPTY));
    const onCaughtUp = (lsn: number) => caughtUp$.next(lsn);
    for (const [row, marbles] of rows) {
      if (row === 'append') hot(marbles).pipe(mergeMap(append)).subscribe();
      else if (row === 'checkpoint') hot(marbles).subscribe(() => void wal.checkpoint());
      else if (row === 'joins')
        hot(marbles)
          .pipe(mergeMap(() => wal.tail({ onCaughtUp })))
          .subscribe(tail$);
      else expectObservable(streamOf(row, wal, seen)).toBe(marbles, undefined, STOPPED);
    }
  });
}

/** The options of the log that each diagram is of. */
const optionsOf: Record<string, WalOptions<string>> = {
  'the-line': { maxSegmentBytes: 250 },
  'group-commit': {},
  'batch-mode': { durability: { mode: 'batch', maxDelayMs: 4, maxRecords: 3 } },
  'a-failure': {},
  'a-tail': {},
};

describe('how it works', () => {
  it.each(diagrams.map((diagram) => [diagram.name, diagram] as const))(
    '%s: is as the page shows it',
    (name, diagram) => {
      expect(Object.keys(optionsOf)).toContain(name);
      expectDiagram(diagram, optionsOf[name]);
    },
  );

  it('shows every diagram that there is', () => {
    expect(diagrams.map(({ name }) => name)).toEqual(Object.keys(optionsOf));
  });

  it('is not content with a diagram that has a frame too many', () => {
    for (const diagram of [diagrams[0]!, diagrams.at(-1)!]) {
      for (const [changed] of diagram.rows.filter(([row]) => !['append', 'checkpoint', 'joins'].includes(row))) {
        const rows = diagram.rows.map(([row, marbles]) => [row, row === changed ? `-${marbles}` : marbles] as const);
        expect(() => expectDiagram({ ...diagram, rows }, optionsOf[diagram.name])).toThrow('deep');
      }
    }
  });

  it('knows the rows of a diagram, and refuses any other line', () => {
    const text = ['```marbles one', 'sync takes:  --|, --#', '', 'segment 0:   -w', '```'].join('\n');
    expect(diagramsOf(text)).toEqual([{ name: 'one', takes: { sync: ['--|', '--#'] }, rows: [['segment 0', '-w']] }]);
    expect(() => diagramsOf('```marbles one\nappend -a\n```')).toThrow('one: no row: append -a');
    expect(() => expectDiagram({ name: 'one', takes: {}, rows: [['segments', '-w']] })).toThrow("a row 'segments'");
  });
});
