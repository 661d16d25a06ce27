import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crcStart, encodeFrame } from '../../src/format/frame';
import { encodeHeader } from '../../src/format/header';
import { segmentSequence } from '../../src/store/segmentStore';
import type { Durability } from '../../src/types';
import type { TracedWork } from './appendTraced';
import { Child, killChildren, nodeCommand } from './childProcess';
import { DIRECTORY, eventsOf, parseTrace, violations, type TraceEvent } from './strace';

const CALLS =
  'openat,pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat';
const LONGEST_STRING = 1 << 20;

let base: string;

beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'rxwal-strace-')));
});

afterAll(async () => {
  await killChildren();
  rmSync(base, { recursive: true, force: true });
});

describe('the order of the system calls', () => {
  const traces = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
  if (!traces) {
    // In CI a test that cannot run is a failure; elsewhere it says why it does not.
    (process.env['CI'] ? it : it.skip)('needs strace, and leave to use it', () => {
      throw new Error('strace is not there, or may not be used');
    });
    return;
  }

  /** What a program that appends `work.records` records did, as strace saw it. */
  async function trace(work: TracedWork): Promise<{ readonly events: TraceEvent[]; readonly said: string[] }> {
    const place = mkdtempSync(join(base, 'trace-'));
    const dir = join(place, 'log');
    const output = join(place, 'trace');
    const program = nodeCommand(require.resolve('./appendTraced'), dir, JSON.stringify(work));
    const strace = ['strace', '-f', '-y', '-s', String(LONGEST_STRING), '-e', `trace=${CALLS}`, '-o', output];
    const child = new Child([...strace, ...program]);
    expect([await child.exited, child.errors]).toEqual([{ code: 0, signal: null }, '']);
    const events = eventsOf(parseTrace(readFileSync(output, 'latin1')), dir);
    rmSync(place, { recursive: true });
    return { events, said: child.lines };
  }

  const acks = (said: readonly string[]): string[] => said.filter((line) => line.startsWith('ack '));
  const expectedAcks = (records: number): string[] => Array.from({ length: records }, (_, index) => `ack ${index + 1}`);
  const ofSegments = (events: readonly TraceEvent[], kind: TraceEvent['kind']): TraceEvent[] =>
    events.filter((event) => event.kind === kind && 'file' in event && segmentSequence(event.file) !== undefined);
  const batchesIn = (events: readonly TraceEvent[]): TraceEvent[] =>
    events.filter((event) => event.kind === 'write' && event.durable);
  /** What happened between two things that the program said. */
  const between = (events: readonly TraceEvent[], first: string, last: string): TraceEvent[] => {
    const place = (text: string): number => events.find((event) => event.kind === 'say' && event.text === text)!.start;
    return events.filter(({ start }) => start > place(first) && start < place(last));
  };

  const SMALL = { maxSegmentBytes: 1000, preallocateBytes: 512, checkpoints: true };
  const BATCH: Durability = { mode: 'batch', maxDelayMs: 2, maxRecords: 10 };
  const ADAPTIVE: Durability = { mode: 'adaptive', targetIntervalMs: 3 };

  it.each<[string, TracedWork]>([
    ['mode sync, one at a time', { durability: { mode: 'sync' }, records: 60, together: 1, ...SMALL }],
    ['mode sync, 20 at once', { durability: { mode: 'sync' }, records: 200, together: 20, ...SMALL }],
    ['mode batch, 25 at once', { durability: BATCH, records: 200, together: 25, ...SMALL }],
    ['mode adaptive, 7 at once', { durability: ADAPTIVE, records: 70, together: 7, ...SMALL }],
  ])('%s: nothing before it is due, with durable writes', async (_, work) => {
    const { events, said } = await trace(work);
    expect(acks(said)).toEqual(expectedAcks(work.records));
    expect(violations(events)).toEqual([]);
    // It was this path that was taken, and there were rotations and checkpoints.
    expect(batchesIn(events).length).toBeGreaterThan(work.records / 25);
    expect(ofSegments(events, 'create').length).toBeGreaterThan(3);
    expect(ofSegments(events, 'unlink').length).toBeGreaterThan(2);
    expect(events.filter(({ kind }) => kind === 'rename')).toHaveLength(2);
    expect(said.slice(-2)).toEqual([`synced ${work.records}`, 'closed']);
  });

  it.each<[string, TracedWork]>([
    ['mode sync, one at a time', { durability: { mode: 'sync' }, records: 40, together: 1, ...SMALL }],
    ['mode sync, 20 at once', { durability: { mode: 'sync' }, records: 200, together: 20, ...SMALL }],
    ['mode batch, 25 at once', { durability: BATCH, records: 200, together: 25, ...SMALL }],
  ])('%s: nothing before it is due, with a write and an fsync', async (_, work) => {
    const { events, said } = await trace({ ...work, writeAndFsync: true });
    expect(acks(said)).toEqual(expectedAcks(work.records));
    expect(violations(events)).toEqual([]);
    expect(batchesIn(events)).toEqual([]);
    expect(ofSegments(events, 'fsync').length).toBeGreaterThan(work.records / 25);
  });

  it('mode sync: one durable write a record, and no fsync beside it, while no zeros are due', async () => {
    const { events } = await trace({ durability: { mode: 'sync' }, records: 30, together: 1, preallocateBytes: 0 });
    expect(violations(events)).toEqual([]);
    const appending = between(events, 'appending', 'appended');
    expect(batchesIn(appending)).toHaveLength(30);
    expect(appending.filter(({ kind }) => kind === 'fsync')).toEqual([]);
  });

  it('mode sync: records that come together ride on one durable write', async () => {
    const { events } = await trace({ durability: { mode: 'sync' }, records: 100, together: 50, preallocateBytes: 0 });
    expect(violations(events)).toEqual([]);
    // Two turns: a batch leaves when the turn is over.
    expect(batchesIn(between(events, 'appending', 'appended'))).toHaveLength(2);
  });

  it.each([
    ['no zeros', { preallocateBytes: 0 }],
    ['the default', {}],
  ])(
    'mode nosync: an ack follows its write, and there is no fsync before one is asked for (zeros: %s)',
    async (_, options) => {
      const { events, said } = await trace({ durability: { mode: 'nosync' }, records: 60, together: 3, ...options });
      expect(acks(said)).toEqual(expectedAcks(60));
      expect(violations(events, { nosync: true })).toEqual([]);
      const appending = between(events, 'appending', 'appended');
      expect(ofSegments(appending, 'write').length).toBeGreaterThanOrEqual(20);
      expect(batchesIn(appending)).toEqual([]);
      expect(appending.filter(({ kind }) => kind === 'fsync')).toEqual([]);
      // sync() is one.
      expect(ofSegments(between(events, 'appended', 'synced 60'), 'fsync')).toHaveLength(1);
    },
  );

  it('mode nosync: rotations and checkpoints keep their order all the same', async () => {
    const work: TracedWork = { durability: { mode: 'nosync' }, records: 200, together: 5, ...SMALL };
    const { events } = await trace(work);
    expect(violations(events, { nosync: true })).toEqual([]);
    expect(ofSegments(events, 'create').length).toBeGreaterThan(3);
    expect(ofSegments(events, 'unlink').length).toBeGreaterThan(2);
  });

  it('a trace that is wrong is called wrong: each rule, broken in a real one', async () => {
    const { events } = await trace({ durability: { mode: 'sync' }, records: 60, together: 3, ...SMALL });
    expect(violations(events)).toEqual([]);
    const without = (broken: (event: TraceEvent, index: number) => boolean): TraceEvent[] =>
      events.filter((event, index) => !broken(event, index));
    const withChange = (chosen: TraceEvent | undefined, change: Partial<TraceEvent>): TraceEvent[] => {
      expect(chosen).toBeDefined();
      return events.map((event) => (event === chosen ? ({ ...event, ...change } as TraceEvent) : event));
    };
    const find = (condition: (event: TraceEvent) => boolean): TraceEvent | undefined => events.find(condition);
    const isOf = (kind: TraceEvent['kind'], file: string) => (event: TraceEvent) =>
      event.kind === kind && 'file' in event && event.file === file;

    const ack30 = find((event) => event.kind === 'say' && event.text === 'ack 30');
    const ack29 = find((event) => event.kind === 'say' && event.text === 'ack 29');
    const write30 = events
      .filter((event) => event.kind === 'write' && event.durable && event.end < ack30!.start)
      .at(-1);
    expect(violations(withChange(ack30, { start: write30!.end - 0.5 }))).toEqual([
      'ack 30 before its record was durable',
    ]);
    expect(violations(withChange(write30, { durable: false }))).toContain('ack 30 before its record was durable');
    expect(violations(without((event) => event === ack29))).toEqual(['ack 30 behind ack 28']);

    const [second, third] = ofSegments(events, 'create').slice(1, 3);
    const [two, three] = [second, third].map((event) => (event as TraceEvent & { file: string }).file) as [
      string,
      string,
    ];
    const unsynced = without(
      (event) => isOf('fsync', two)(event) && event.end < third!.start && event.start > second!.end,
    );
    expect(violations(unsynced)).toEqual(
      expect.arrayContaining([
        `${three} is created before ${two} is durable`,
        `the first frame of ${two} before its header is durable`,
      ]),
    );
    const unnamed = without(
      (event) => isOf('fsync', DIRECTORY)(event) && event.start > second!.start && event.end < third!.start,
    );
    expect(violations(unnamed)).toContain(`the first frame of ${two} before its name is durable`);
    const headless = without((event) => event.kind === 'write' && event.file === two && event.position === 0);
    expect(violations(headless)).toContain(`the first write to ${two} is not its header`);

    const meta = 'checkpoint.meta.tmp';
    const renamed = find(isOf('rename', meta))!;
    const removed = ofSegments(events, 'unlink')[0] as TraceEvent & { file: string };
    expect(violations(without(isOf('fsync', meta)))).toContain(`${meta} is renamed before it is durable`);
    const early = withChange(removed, { start: renamed.start - 1, end: renamed.start - 0.5 });
    expect(violations(early)).toContain(`${removed.file} is removed before the checkpoint is saved`);
    const unsaved = without(
      (event) => isOf('fsync', DIRECTORY)(event) && event.start > renamed.start && event.end < removed.start,
    );
    expect(violations(unsaved)).toContain(`${removed.file} is removed before the checkpoint is saved`);
    const lastRemoved = ofSegments(events, 'unlink').at(-1) as TraceEvent & { file: string };
    const unremoved = without((event) => isOf('fsync', DIRECTORY)(event) && event.start > lastRemoved.end);
    expect(violations(unremoved)).toContain(`the removal of ${lastRemoved.file} is never made durable`);
    const needed = find(isOf('write', three));
    expect(violations(withChange(needed, { file: removed.file }))).not.toEqual([]);
  });
});

describe('the reader of traces', () => {
  const DIR = '/var/log';
  const LOG_ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const quote = (bytes: Uint8Array): string =>
    `"${[...bytes].map((byte) => (byte === 65 ? 'A' : `\\${byte.toString(8).padStart(3, '0')}`)).join('')}"`;
  const header = quote(encodeHeader({ firstLsn: 1, logId: LOG_ID }));
  const frame = (lsn: number): string => quote(encodeFrame('record', lsn, Buffer.from('AAAA'), crcStart(LOG_ID)));
  const mark = quote(encodeFrame('mark', 1, new Uint8Array(0), crcStart(LOG_ID)));
  const SEGMENT = `${DIR}/wal_00000000.log`;

  const begin = [
    `10 openat(AT_FDCWD</>, "${SEGMENT}", O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC, 0600) = 20<${SEGMENT}>`,
    `10 openat(AT_FDCWD</>, "${SEGMENT}", O_WRONLY|O_DSYNC|O_CLOEXEC) = 21<${SEGMENT}>`,
    `11 pwrite64(20<${SEGMENT}>, ${header}, 32, 0) = 32`,
    `11 fsync(20<${SEGMENT}>)  = 0`,
    `12 openat(AT_FDCWD</>, "${DIR}", O_RDONLY|O_CLOEXEC) = 22<${DIR}>`,
    `12 fsync(22<${DIR}>) = 0`,
  ];
  const read = (lines: string[]): string[] => violations(eventsOf(parseTrace([...begin, ...lines].join('\n')), DIR));
  const ack = (lsn: number): string => `10 write(1<pipe:[7]>, "ack ${lsn}\\n", ${`ack ${lsn}`.length + 1}) = 6`;

  it('finds nothing wrong with an ack behind its durable write, or behind its write and fsync', () => {
    expect(read([`11 pwrite64(21<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`, ack(1)])).toEqual([]);
    expect(
      read([`11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`, `11 fdatasync(20<${SEGMENT}>) = 0`, ack(1)]),
    ).toEqual([]);
  });

  it('finds an ack that stands before its write', () => {
    const early = 'ack 1 before its record was durable';
    expect(read([ack(1), `11 pwrite64(21<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`])).toEqual([early]);
    expect(
      read([`11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`, ack(1), `11 fsync(20<${SEGMENT}>) = 0`]),
    ).toEqual([early]);
    expect(
      read([`11 fsync(20<${SEGMENT}>) = 0`, `11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`, ack(1)]),
    ).toEqual([early]);
    expect(read([`11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`, ack(1)])).toEqual([early]);
    expect(read([ack(1)])).toEqual([early]);
  });

  it('goes by when a call returned, also where another one stands between its two halves', () => {
    const write = [
      `11 pwritev(21<${SEGMENT}>, [{iov_base=${mark}, iov_len=16}, {iov_base=${frame(1)}, iov_len=20}], 2, 32 <unfinished ...>`,
    ];
    const returned = '11 <... pwritev resumed>) = 36';
    expect(read([...write, returned, ack(1)])).toEqual([]);
    expect(read([...write, ack(1), returned])).toEqual(['ack 1 before its record was durable']);

    const plain = `11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`;
    const fsync = `12 fsync(20<${SEGMENT}> <unfinished ...>`;
    const done = '12 <... fsync resumed>)             = 0';
    expect(read([plain, fsync, done, ack(1)])).toEqual([]);
    expect(read([plain, fsync, ack(1), done])).toEqual(['ack 1 before its record was durable']);
    // An fsync that began before the write had returned need not have seen it.
    expect(read([fsync, plain, done, ack(1)])).toEqual(['ack 1 before its record was durable']);
  });

  it('takes a call that failed, or never returned, for none', () => {
    const early = 'ack 1 before its record was durable';
    expect(
      read([`11 pwrite64(21<${SEGMENT}>, ${frame(1)}, 20, 32) = -1 ENOSPC (No space left on device)`, ack(1)]),
    ).toEqual([early]);
    expect(
      read([
        `11 pwrite64(20<${SEGMENT}>, ${frame(1)}, 20, 32) = 20`,
        `11 fsync(20<${SEGMENT}>) = -1 EIO (Input/output error)`,
        ack(1),
      ]),
    ).toEqual([early]);
    expect(
      read([
        `11 pwrite64(21<${SEGMENT}>, ${frame(1)}, 20, 32 <unfinished ...>`,
        ack(1),
        '11 +++ killed by SIGKILL +++',
      ]),
    ).toEqual([early]);
  });

  it('counts a record only where all of its frame was written', () => {
    expect(read([`11 pwrite64(21<${SEGMENT}>, ${frame(1)}, 20, 32) = 3`, ack(1)])).toEqual([
      'ack 1 before its record was durable',
    ]);
  });

  it('reads whatever strace makes of bytes', () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const forms = [
      [...all].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
      [...all].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
      '\\0\\1\\2\\377\\n\\t\\r\\v\\f\\"\\\\A1',
    ];
    const data = forms.map((form) => {
      const [event] = eventsOf(parseTrace(`1 pwrite64(5<${SEGMENT}>, "${form}", 256, 0) = 256`), DIR);
      return (event as TraceEvent & { data: Uint8Array }).data;
    });
    expect(data.map((bytes) => [...bytes])).toEqual([
      [...all],
      [...all],
      [0, 1, 2, 255, 10, 9, 13, 11, 12, 34, 92, 65, 49],
    ]);
  });

  it('does not guess: a string that was cut, a line that is no call', () => {
    expect(() => read([`11 pwrite64(21<${SEGMENT}>, "abc"..., 20, 32) = 20`])).toThrow(/cut/);
    expect(() => read(['11 what is this'])).toThrow(/no system call/);
    expect(() => read(['11 <... fsync resumed>) = 0'])).toThrow(/not begun/);
    expect(() => read([`11 write(20<${SEGMENT}>, "abc", 3) = 3`])).toThrow(/without a position/);
  });
});
