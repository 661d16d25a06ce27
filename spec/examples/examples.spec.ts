import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import * as aggregate from '../../examples/aggregate';
import * as backpressure from '../../examples/backpressure';
import * as checkpoint from '../../examples/checkpoint';
import * as dashboard from '../../examples/dashboard';
import * as failures from '../../examples/failures';
import * as groups from '../../examples/groups';
import * as graphStore from '../../examples/graphStore';
import * as httpEndpoint from '../../examples/httpEndpoint';
import * as jobQueue from '../../examples/jobQueue';
import * as journalMigration from '../../examples/journalMigration';
import * as marbleTest from '../../examples/marbleTest';
import * as metrics from '../../examples/metrics';
import * as modes from '../../examples/modes';
import * as openings from '../../examples/openings';
import * as ownCodec from '../../examples/ownCodec';
import * as pipeline from '../../examples/pipeline';
import * as powerCuts from '../../examples/powerCuts';
import * as quickstart from '../../examples/quickstart';
import * as rawBytes from '../../examples/rawBytes';
import * as readCrashed from '../../examples/readCrashed';
import * as retention from '../../examples/retention';
import * as retryAndAck from '../../examples/retryAndAck';
import * as salvage from '../../examples/salvage';
import * as service from '../../examples/service';
import * as signals from '../../examples/signals';
import * as subject from '../../examples/subject';
import * as tail from '../../examples/tail';
import * as transactions from '../../examples/transactions';

const root = join(__dirname, '../..');

/** What the platform says, in words that change from version to version. */
function messageOf(fails: () => unknown): string {
  try {
    return String(fails());
  } catch (error) {
    return (error as Error).message;
  }
}

/** What an example prints when it is run in `dir`. */
const printed: Record<string, { main: (dir: string) => Promise<void>; lines: readonly (string | RegExp)[] }> = {
  aggregate: {
    ...aggregate,
    lines: [
      'a worker ended: SIGKILL',
      'a worker ended: SIGKILL',
      'a worker ended: 0',
      // Placed and paid each, 160 refunded and cancelled, 640 shipped.
      '800 orders, 2560 events, none of them out of turn; answers that are not in the log: 0',
      'the projection has the same orders',
      'revenue: 399600 paid, 79600 refunded; revenue.N.snapshot is of version 1, and the projection of 2',
      /^The projection labels stopped at LSN \d+: its reduce threw: no address for order \d+$/,
      'holds the log and does not run: projection:labels; the log goes on: true',
      'released: true',
    ],
  },
  backpressure: {
    ...backpressure,
    lines: [
      /^fromObservable: 4000 durable, the source was read \d+ ahead of the disk at most$/,
      /^fromIterable: 4000 durable, the source was read (\d|[1-5]\d|6[0-4]) ahead of the disk at most$/,
      /^fromStream: 4000 durable, the source was read \d{1,3} ahead of the disk at most$/,
    ],
  },
  checkpoint: {
    ...checkpoint,
    lines: [
      'state at LSN 2000: {"tea":1999,"mug":2000}',
      /^checkpoint 1: [2-9] segments before, 1 after$/,
      // The second start: the snapshot, and ten sales more.
      'state at LSN 2010: {"tea":2009,"mug":2009}',
      'checkpoint 2: 1 segments before, 1 after',
    ],
  },
  dashboard: {
    ...dashboard,
    lines: [/^look at http:\/\/127\.0\.0\.1:\d+\/$/, /^[1-9]\d* orders, each durable when it was answered$/],
  },
  failures: {
    ...failures,
    lines: [
      '400 not a record',
      '503 later',
      '503 restarting',
      '201 record 1',
      'the log stopped, outcome of record 2: unknown',
      'record 1 is order 1',
      'record 2 is order 2',
    ],
  },
  groups: {
    ...groups,
    lines: [
      'durable up to LSN 2',
      'Value 1 of a group of 2: The value cannot be encoded: Unknown type: function',
      '1: alice -500',
      '2: bob 500',
    ],
  },
  graphStore: {
    ...graphStore,
    lines: [
      'node 9 is not there; properties of node 1: 0',
      'WAL_RECORD; edges: 1',
      'rebuilt: 2 nodes, 1 edge, the same as before',
      /^the same graph in [1-9]\d\d states after a power cut, and in [1-9]\d\d cut again$/,
    ],
  },
  httpEndpoint: {
    ...httpEndpoint,
    lines: [
      'ended by SIGKILL',
      /^2\d\d orders answered 201 before, 0 of them missing after the restart$/,
      'stopped under load: exit code 0',
      'in the log: 0 lost, 0 twice, 0 more',
      'a process on a broken disk: 503, WAL_POISONED; exit code 1',
      'an order: 201',
      'the same again: 200',
      'no order: 400, Bad Request',
      'while one waits for the disk: 503, WAL_BACKPRESSURE, retry after 1 s',
      'the one that waited: 201',
      'on a broken disk: 503, WAL_POISONED',
      'and then: 503',
      /^WalPoisonedError: The log stopped at a failed write or fsync \(EIO/,
    ],
  },
  jobQueue: {
    ...jobQueue,
    lines: [
      'passed: waitsLongerAfterEachFailure',
      /^60 jobs, [45] processes killed, 0 jobs lost$/,
      'given up: nobody, poison',
      'sent again after the completion was durable: 0',
      /^sent twice, because a kill came between the work and its record: \d+$/,
      'several segments, 1 after all is done',
    ],
  },
  journalMigration: {
    ...journalMigration,
    lines: [
      [
        'JournalError: lines that cannot be records:',
        `line 2, behind byte 8: ${messageOf(() => JSON.parse('not JSON'))}`,
        'line 3, behind byte 17: null ends a stream, and cannot go through one',
        `line 4, behind byte 22: ${messageOf(() => new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(0xff)))}`,
        'line 5, behind byte 32: the number 12345678901234567890 is more than JavaScript can hold',
      ].join('\n'),
      'a log was made: false',
      '2 records without them',
      'the first run: ended by SIGKILL',
      'the second run went on in the middle: true',
      '20000 records behind 0; left out: line 20021, behind byte 1213366: it was written in part',
      '0 records behind 20000; left out: line 20021, behind byte 1213366: it was written in part',
      'the journal is as it was: true',
      '1 records behind 20000',
      'the log has 20001 records, SHA-256 ..., and they are not the first of the journal: 20001 records, SHA-256 ...',
    ],
  },
  marbleTest: { ...marbleTest, lines: ['passed: confirms after the fsync'] },
  metrics: {
    ...metrics,
    lines: [
      'segment 1 begins with LSN 5001',
      'closed: 5000 of 5000 acknowledged, 0 waiting',
      /^\d+ acks a second, [3-6]\d\.\d records a batch, a commit's p99 is \d+\.\d\d ms$/,
      'rxwal_appended_records_total{log="sales"} 5000',
      'rxwal_durable_lag_records{log="sales"} 0',
      'rxwal_state{log="sales",state="open"} 0',
      'rxwal_state{log="sales",state="closing"} 0',
      'rxwal_state{log="sales",state="closed"} 1',
      'rxwal_state{log="sales",state="poisoned"} 0',
      /^rxwal_commit_duration_seconds_sum\{log="sales",durable="true"\} \d+\.\d+$/,
      /^rxwal_commit_duration_seconds_count\{log="sales",durable="true"\} (79|[89]\d|1\d\d)$/,
    ],
  },
  modes: {
    ...modes,
    lines: [
      /^sync: 1000 records, \d{1,2} trips to the disk, acks say durable: true$/,
      /^batch: 1000 records, [2-5] trips to the disk, acks say durable: true$/,
      /^adaptive: 1000 records, \d trips to the disk, acks say durable: true$/,
      /^nosync: 1000 records, \d{1,2} trips to the disk, acks say durable: false$/,
    ],
  },
  openings: {
    ...openings,
    lines: [
      'process N has it open: end that one first',
      '1 records behind LSN 5',
      'begin with a snapshot of LSN 4 or later',
      'this log has never been as far: after 99 is past the last LSN, 6: is this the log that the reader has read?',
      'mend the program: maxRecordBytes must be an integer from 1 to 1073741823, not 0',
      'recovered 2 records, cut a torn tail of 4 bytes',
      'opened at LSN 6',
      'mend the disk: Reading wal_99999999.log failed',
    ],
  },
  ownCodec: {
    ...ownCodec,
    lines: [
      'The value cannot be encoded: cents must be a whole number, not 0.5',
      '1: 995 cents, EUR',
      '2: 1250 cents, CZK',
      'The record with LSN 3 does not decode (another codec wrote it?): a payment of version 3: upgrade the application',
    ],
  },
  powerCuts: {
    ...powerCuts,
    lines: [
      /^kept every promise in \d+ states, and in \d+ cut again while it recovered$/,
      /^After a power cut: AssertionError \[ERR_ASSERTION\]: 1 was promised, 0 is there\n/,
    ],
  },
  quickstart: {
    ...quickstart,
    lines: ['order 42 is record 1', 'durable up to 1', 'durable up to 2'],
  },
  rawBytes: {
    ...rawBytes,
    lines: ['1: 504f5354202f6f726465727320485454502f312e31', '2: 00ff2a'],
  },
  readCrashed: { ...readCrashed, lines: ['1: order 1', '2: order 2'] },
  retention: {
    ...retention,
    lines: [
      'the mailer has 40 of 200 orders; checkpoint at LSN 200',
      /^kept from LSN 41 on: for reader mailer, 160 behind; (\d\d|[2-9]) segments$/,
      /^kept from LSN 201 on: by the checkpoint; [12] segments?$/,
      // The second start: the mailer goes on where it was.
      'the mailer has 240 of 400 orders; checkpoint at LSN 400',
      /^kept from LSN 241 on: for reader mailer, 160 behind; (\d\d|[2-9]) segments$/,
      /^kept from LSN 401 on: by the checkpoint; [12] segments?$/,
    ],
  },
  retryAndAck: {
    ...retryAndAck,
    lines: [
      'passed: waitsForItsTurn',
      'passed: saysThatTheDiskIsSlow',
      'passed: triesNothingAgainOnABrokenDisk',
      'passed: appendsNothingForWhoHasLeft',
    ],
  },
  salvage: {
    ...salvage,
    lines: [
      "refused: LSN 2: a frame's checksum does not match, and a mark at byte 172 proves that it had been durable",
      '1: order 1',
      "lost: LSN 2 to 2: a frame's checksum does not match",
      '3: order 3',
      '4: order 4',
      '3 records; LSNs that a gap has moved: [{"lsn":2,"was":3}]',
      'the repaired log goes on behind LSN 3',
    ],
  },
  signals: {
    ...signals,
    lines: ['1: 19 degrees', '2: 20 degrees', '3: 21 degrees', 'given up: Error: warm enough'],
  },
  service: {
    ...service,
    lines: [
      'state at LSN 0: {}',
      'health: down, log not open',
      'state at LSN 0: {}',
      'health: up, log open',
      'state at LSN 1: {"tea":10}',
      'state at LSN 2: {"tea":10,"mug":4}',
      'state at LSN 3: {"tea":7,"mug":4}',
      'health: down, log closing',
      'health: down, log closed',
      'ended down',
      // The second life begins with what the first has left.
      'state at LSN 0: {}',
      'health: down, log not open',
      'state at LSN 3: {"tea":7,"mug":4}',
      'health: up, log open',
      'health: down, log closing',
      'health: down, log closed',
      'ended down',
      // The third one is on a broken disk.
      'state at LSN 0: {}',
      'health: down, log not open',
      'state at LSN 0: {}',
      'health: up, log open',
      'health: down, log poisoned',
      'not certain to be in the log: tea 1: WAL_POISONED',
      'the shutdown: WAL_POISONED',
      'ended down',
    ],
  },
  subject: {
    ...subject,
    lines: ['click 1 is durable', 'click 2 is durable', 'the log is closed', 'state after the signal: closed'],
  },
  tail: {
    ...tail,
    lines: [
      '1: tea',
      '2: mug',
      'live behind LSN 2',
      '3: spoon',
      'the first mug is record 2',
      'the log is closed',
      'copied 3 lines, the last one {"lsn":3,"id":3,"item":"spoon"}',
      'indexed behind LSN 0, up to 120',
      'indexed behind LSN 120, up to 220',
      'the checkpoint is at LSN 300; record 221 is kept for the index',
      /^LSN 2 is gone: begin with a snapshot of LSN (1\d\d|2[01]\d|220) or later$/,
    ],
  },
  transactions: {
    ...transactions,
    lines: [
      'durable after the commit: 3',
      '1: CreateNode',
      '2: SetNodeProperty',
      '3: TransactionCommit',
      '4: {"type":"note","text":"the day begins"}',
      '1: {"type":"posted","transfer":"T1","account":"alice","cents":-500}',
      '3: {"type":"posted","transfer":"T1","account":"carol","cents":500}',
      '5: {"type":"committed","transfer":"T1"}',
    ],
  },
};

describe('examples', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'rxwal-examples-'));
  });

  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  /** Runs an example, and gives what it has printed. */
  async function run(main: (dir: string) => Promise<void>, into = dir): Promise<string[]> {
    const log = jest.spyOn(console, 'log').mockImplementation();
    const error = jest.spyOn(console, 'error').mockImplementation();
    try {
      await main(into);
      return [...log.mock.calls, ...error.mock.calls].map(([line]) => String(line));
    } finally {
      log.mockRestore();
      error.mockRestore();
    }
  }

  it.each(Object.entries(printed))('%s prints what it says', async (_name, { main, lines }) => {
    const out = await run(main);
    // A line that matches its pattern stands for it; one that does not shows in the difference.
    const expected = lines.map((line, at) =>
      typeof line === 'string' || !line.test(out[at] ?? '') ? String(line) : out[at],
    );
    expect(out).toEqual(expected);
  });

  it('quickstart replays at the second start what the first has written', async () => {
    await run(quickstart.main);
    expect(await run(quickstart.main)).toEqual([
      'replayed 1: OrderPlaced 42',
      'replayed 2: OrderPaid 42',
      'order 42 is record 3',
      'durable up to 3',
      'durable up to 4',
    ]);
  });

  it('pipeline commits without a gap, rotates, reads all of it back, and goes on at the second start', async () => {
    const first = await run(pipeline.main);
    expect(first[0]).toBe('recovered 0 records in 1 segments');
    const commits = first.slice(1, -1).map((line) => {
      const [from = 0, to = 0, bytes = 0, segment = 0] = [...line.matchAll(/\d+/g)].map(Number);
      return { from, to, bytes, segment };
    });
    for (const [index, { from, to }] of commits.entries()) {
      expect(from).toBe((commits[index - 1]?.to ?? 0) + 1);
      expect(to).toBeGreaterThanOrEqual(from);
    }
    const { to: lastLsn = 0, segment: lastSegment = 0 } = commits.at(-1) ?? {};
    expect(lastLsn).toBeGreaterThanOrEqual(100);
    expect(lastSegment).toBeGreaterThanOrEqual(2);
    expect(readdirSync(dir).filter((name) => name.endsWith('.log')).length).toBeGreaterThan(lastSegment);
    expect(first.at(-1)).toMatch(new RegExp(`^read back ${lastLsn} records; the last one is {"sensor":"s\\d"`));

    const second = await run(pipeline.main);
    expect(second[0]).toMatch(new RegExp(`^recovered ${lastLsn} records in \\d segments$`));
    expect(second[1]).toMatch(new RegExp(`^commit: LSN ${lastLsn + 1} to `));
  });

  it('run as programs', () => {
    const into = join(dir, 'shop');
    const program = ['--import', 'tsx', join(root, 'examples/quickstart.ts'), into];
    const { status, stdout } = spawnSync(process.execPath, program, { cwd: root, encoding: 'utf8' });
    expect(stdout).toBe('order 42 is record 1\ndurable up to 1\ndurable up to 2\n');
    expect(status).toBe(0);
    expect(existsSync(join(into, 'wal_00000000.log'))).toBe(true);
  });

  it('are all run by this suite', () => {
    const programs = readdirSync(join(root, 'examples'))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => basename(name, '.ts'));
    // main has a spec of its own.
    expect(programs.sort()).toEqual([...Object.keys(printed), 'main', 'pipeline'].sort());
  });
});
