import type { Writable } from 'node:stream';
import {
  firstValueFrom,
  forkJoin,
  map,
  mergeMap,
  of,
  type MonoTypeOperatorFunction,
  type Observable,
  type Observer,
  type SchedulerLike,
} from 'rxjs';
import {
  appendTo,
  cborCodec,
  committed,
  histogramQuantile,
  isTransactionCommit,
  metrics,
  openWal,
  rawCodec,
  readWal,
  recoverWal,
  type Ack,
  type Checkpoint,
  type CheckpointMark,
  type Codec,
  type Commit,
  type CommittedOptions,
  type Durability,
  type DurabilityMode,
  type Entries,
  type Entry,
  type Histogram,
  type Id,
  type MeteredLog,
  type ReadOptions,
  type Recovery,
  type Rejection,
  type SegmentStore,
  type TransactionId,
  type Wal,
  type WalDiagnostics,
  type WalError,
  type WalErrorCode,
  type WalMetrics,
  type WalOptions,
  type WalPoisonedError,
  type WalRecord,
  type WalState,
  type WalStats,
} from 'rxwal';
import { memoryStore, memoryWal, virtualTime, type MemoryStore } from 'rxwal/testing';

/** Checked by the compiler (`npm run typecheck`), not by running: `toBe` and each `@ts-expect-error` must compile. */

/* eslint-disable @typescript-eslint/no-unnecessary-type-parameters -- to compare types is what they are for */
/** Whether two types are the same, and not only assignable to each other. */
type Equal<A, B> = (<G>() => G extends A ? 1 : 2) extends <G>() => G extends B ? 1 : 2 ? true : false;
const expectType = <A>(_value?: A) => ({
  toBe: <B>(..._same: Equal<A, B> extends true ? [] : [error: 'the types differ']): void => undefined,
});
/* eslint-enable @typescript-eslint/no-unnecessary-type-parameters */

/** Compiled, never run. */
const expectToCompile = (_code: () => unknown): void => undefined;

type MyEvent = { readonly type: 'Placed'; readonly id: number } | { readonly type: 'Paid'; readonly cents: number };
declare const wal: Wal<MyEvent>;

describe('opening', () => {
  it('is a log of WalRecord where nothing else is said', () => {
    expectToCompile(() => {
      expectType(openWal('dir')).toBe<Promise<Wal<WalRecord>>>();
      expectType(recoverWal(memoryStore())).toBe<Observable<Wal<WalRecord>>>();
      expectType(memoryWal()).toBe<{ readonly wal: Wal<WalRecord>; readonly store: MemoryStore }>();
      expectType(readWal('dir')).toBe<Observable<Entry<WalRecord>>>();
    });
  });

  it('is a log of what it is told', () => {
    expectToCompile(() => {
      expectType(openWal<MyEvent>('dir')).toBe<Promise<Wal<MyEvent>>>();
      expectType(readWal<MyEvent>('dir')).toBe<Observable<Entry<MyEvent>>>();
    });
  });

  it('takes the type from the codec', () => {
    expectToCompile(() => {
      expectType(openWal('dir', { codec: rawCodec() })).toBe<Promise<Wal<Uint8Array>>>();
      expectType(readWal('dir', { codec: rawCodec() })).toBe<Observable<Entry<Uint8Array>>>();
    });
  });

  it('gives isCommit the values of the log', () => {
    expectToCompile(async () => {
      await openWal('dir', { isCommit: isTransactionCommit });
      await openWal<MyEvent>('dir', { isCommit: (event) => event.type === 'Paid' });
      // @ts-expect-error -- isTransactionCommit is for WalRecord
      await openWal<MyEvent>('dir', { isCommit: isTransactionCommit });
    });
  });

  it('takes a store or a directory where both are read, and a store where one is written', () => {
    expectType<Parameters<typeof readWal>[0]>().toBe<string | SegmentStore>();
    expectType<Parameters<typeof recoverWal>[0]>().toBe<SegmentStore>();
    expectType<Parameters<typeof openWal>[0]>().toBe<string>();
  });

  it('may be disposed of with `await using`', () => {
    expectToCompile(async () => {
      await using opened = await openWal('dir');
      return opened.lastLsn;
    });
  });
});

describe('options', () => {
  it('are all there is', () => {
    expectType<keyof WalOptions<MyEvent>>().toBe<
      | 'durability'
      | 'isCommit'
      | 'codec'
      | 'maxSegmentBytes'
      | 'maxRecordBytes'
      | 'maxPendingBytes'
      | 'maxPendingRecords'
      | 'preallocateBytes'
      | 'retention'
      | 'shutdown$'
      | 'scheduler'
    >();
    expectType<WalOptions<MyEvent>['shutdown$']>().toBe<Observable<unknown> | undefined>();
    expectType<WalOptions<MyEvent>['scheduler']>().toBe<SchedulerLike | undefined>();
    expectType<WalOptions<MyEvent>['codec']>().toBe<Codec<MyEvent> | undefined>();
  });

  it('refuse a name that is none', () => {
    expectToCompile(() => {
      // @ts-expect-error -- there is no such option
      memoryWal({ durabilty: { mode: 'sync' } });
    });
  });

  it('know four modes, each with its own numbers', () => {
    expectType<DurabilityMode>().toBe<'sync' | 'batch' | 'adaptive' | 'nosync'>();
    expectToCompile((): Durability[] => [
      { mode: 'sync' },
      { mode: 'nosync' },
      { mode: 'batch', maxDelayMs: 10, maxRecords: 100 },
      { mode: 'adaptive', targetIntervalMs: 10 },
      // @ts-expect-error -- batch needs both
      { mode: 'batch', maxDelayMs: 10 },
      // @ts-expect-error -- sync has no delay
      { mode: 'sync', maxDelayMs: 10 },
      // @ts-expect-error -- there is no such mode
      { mode: 'fast' },
    ]);
  });
});

describe('a log', () => {
  it('is an Observer of its values', () => {
    expectToCompile(() => {
      const observer: Observer<MyEvent> = wal;
      of<MyEvent>({ type: 'Paid', cents: 1 }).subscribe(wal);
      // @ts-expect-error -- a string is no MyEvent
      of('a').subscribe(wal);
      return observer;
    });
  });

  it('takes its own values only', () => {
    expectToCompile(() => {
      wal.next({ type: 'Placed', id: 1 });
      expectType(wal.append({ type: 'Paid', cents: 1 })).toBe<Observable<Ack> & PromiseLike<Ack>>();
      // @ts-expect-error -- a string is no MyEvent
      void wal.append('a');
      expectType(wal.appendAll([{ type: 'Placed', id: 1 }])).toBe<Observable<Ack> & PromiseLike<Ack>>();
      // @ts-expect-error -- a value is no group
      void wal.appendAll({ type: 'Placed', id: 1 });
      // @ts-expect-error -- cents are missing
      void wal.appendAll(new Set([{ type: 'Paid' as const }]));
      // @ts-expect-error -- cents are missing
      wal.next({ type: 'Paid' });
    });
  });

  it('gives an ack that can be awaited, and piped', () => {
    expectToCompile(async () => {
      const append = wal.append({ type: 'Paid', cents: 1 });
      expectType(await append).toBe<Ack>();
      expectType(await Promise.all([append, append])).toBe<[Ack, Ack]>();
      expectType(await firstValueFrom(append)).toBe<Ack>();
      expectType(append.pipe(map(({ lsn }) => lsn))).toBe<Observable<number>>();
      expectType(forkJoin([append, append])).toBe<Observable<[Ack, Ack]>>();
      expectType(of(1).pipe(mergeMap(() => append))).toBe<Observable<Ack>>();
    });
  });

  it('shows what it does', () => {
    expectType<Wal<MyEvent>['acks$']>().toBe<Observable<Ack>>();
    expectType<Wal<MyEvent>['commits$']>().toBe<Observable<Commit>>();
    expectType<Wal<MyEvent>['durable$']>().toBe<Observable<number>>();
    expectType<Wal<MyEvent>['state$']>().toBe<Observable<WalState>>();
    expectType<Wal<MyEvent>['rejected$']>().toBe<Observable<Rejection<MyEvent>>>();
    expectType<WalState>().toBe<'open' | 'closing' | 'closed' | 'poisoned'>();
    expectType<Rejection<MyEvent>>().toBe<{
      readonly value: MyEvent;
      readonly group?: readonly MyEvent[] | undefined;
      readonly error: WalError;
    }>();
    expectType<Ack>().toBe<{ readonly lsn: number; readonly durable: boolean }>();
  });

  it('reads back what was written', () => {
    expectType<ReturnType<Wal<MyEvent>['read']>>().toBe<Entries<MyEvent>>();
    expectType<ReturnType<Wal<MyEvent>['tail']>>().toBe<Entries<MyEvent>>();
    expectToCompile((): Observable<Entry<MyEvent>> & AsyncIterable<Entry<MyEvent>> => wal.tail());
    expectType<Entry<MyEvent>>().toBe<{ readonly lsn: number; readonly value: MyEvent }>();
    expectType<ReadOptions>().toBe<{
      readonly after?: number | undefined;
      readonly until?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    }>();
  });

  it('has barriers that give promises', () => {
    expectType<ReturnType<Wal<MyEvent>['sync']>>().toBe<Promise<number>>();
    expectType<ReturnType<Wal<MyEvent>['flush']>>().toBe<Promise<void>>();
    expectType<ReturnType<Wal<MyEvent>['rotate']>>().toBe<Promise<void>>();
    expectType<ReturnType<Wal<MyEvent>['checkpoint']>>().toBe<Promise<Checkpoint>>();
    expectType<Parameters<Wal<MyEvent>['checkpoint']>[0]>().toBe<CheckpointMark | undefined>();
    expectType<ReturnType<Wal<MyEvent>['close']>>().toBe<Promise<void>>();
    expectType<ReturnType<Wal<MyEvent>['startBackgroundSync']>>().toBe<boolean>();
    expectType<ReturnType<Wal<MyEvent>['stopBackgroundSync']>>().toBe<Promise<void>>();
    expectType<ReturnType<Wal<MyEvent>['logFiles']>>().toBe<Promise<string[]>>();
    expectType<ReturnType<Wal<MyEvent>['writable']>>().toBe<Writable>();
  });

  it('knows where it stands, and nobody else says so', () => {
    expectType<Wal<MyEvent>['lastLsn']>().toBe<number>();
    expectType<Wal<MyEvent>['checkpointEpoch']>().toBe<number | undefined>();
    expectType<Wal<MyEvent>['lastCheckpoint']>().toBe<Checkpoint | undefined>();
    expectType<Wal<MyEvent>['recovery']>().toBe<Recovery>();
    expectToCompile(() => {
      // @ts-expect-error -- read only
      wal.lastLsn = 5;
      // @ts-expect-error -- read only
      wal.durability = { mode: 'nosync' };
    });
  });
});

describe('operators', () => {
  it('appendTo gives the values back as entries', () => {
    expectToCompile(() => {
      expectType(of<MyEvent>({ type: 'Paid', cents: 1 }).pipe(appendTo(wal))).toBe<Observable<Entry<MyEvent>>>();
    });
  });

  it('committed is for entries of WalRecord', () => {
    expectToCompile(() => {
      expectType(readWal('dir').pipe(committed())).toBe<Observable<Entry<WalRecord>>>();
      // @ts-expect-error -- MyEvent has no transactions
      return readWal<MyEvent>('dir').pipe(committed());
    });
  });

  it('committed takes the type of its source where it is told what commits', () => {
    expectToCompile(() => {
      const byId = committed({
        isCommit: (event: MyEvent) => event.type === 'Paid',
        transactionOf: (event) => (event.type === 'Placed' ? event.id : undefined),
        maxOpenRecords: 1000,
      });
      expectType(byId).toBe<MonoTypeOperatorFunction<Entry<MyEvent>>>();
      expectType(
        readWal<MyEvent>('dir').pipe(
          committed({ isCommit: ({ type }) => type === 'Paid', isReset: (event) => 'cents' in event }),
        ),
      ).toBe<Observable<Entry<MyEvent>>>();
      expectType(of<MyEvent>({ type: 'Paid', cents: 1 }).pipe(appendTo(wal), committed({ isCommit: () => true }))).toBe<
        Observable<Entry<MyEvent>>
      >();
      expectType(
        readWal<WalRecord & { readonly transactionId: Id }>('dir').pipe(
          committed({
            isCommit: (record) => isTransactionCommit(record),
            transactionOf: ({ transactionId }) => transactionId,
          }),
        ),
      ).toBe<Observable<Entry<WalRecord & { readonly transactionId: Id }>>>();
    });
  });

  it('committed refuses what cannot tell transactions', () => {
    expectToCompile(() => {
      // @ts-expect-error -- nothing would ever be committed
      committed<MyEvent>({});
      // @ts-expect-error -- each object is another transaction
      committed<MyEvent>({ isCommit: () => true, transactionOf: (event) => ({ event }) });
      // @ts-expect-error -- there is no such option
      committed<MyEvent>({ isCommit: () => true, isRollback: () => false });
    });
    expectType<CommittedOptions<MyEvent>['transactionOf']>().toBe<
      ((value: MyEvent) => TransactionId | undefined) | undefined
    >();
    expectType<TransactionId>().toBe<string | number | bigint>();
  });

  it('codecs are of what they carry', () => {
    expectType<ReturnType<typeof rawCodec>>().toBe<Codec<Uint8Array>>();
    expectToCompile(() => {
      expectType(cborCodec<MyEvent>()).toBe<Codec<MyEvent>>();
    });
  });
});

describe('WalRecord', () => {
  it('has these kinds', () => {
    expectType<WalRecord['type']>().toBe<
      | 'CreateNode'
      | 'DeleteNode'
      | 'CreateEdge'
      | 'DeleteEdge'
      | 'SetNodeProperty'
      | 'SetEdgeProperty'
      | 'AddNodeLabel'
      | 'RemoveNodeLabel'
      | 'TransactionCommit'
      | 'TransactionAbort'
      | 'Checkpoint'
    >();
    expectType<Id>().toBe<number | bigint>();
  });
});

describe('errors', () => {
  it('have a code to switch on', () => {
    expectType<WalError['code']>().toBe<WalErrorCode>();
    expectType<WalErrorCode>().toBe<
      | 'WAL_CORRUPT'
      | 'WAL_POISONED'
      | 'WAL_CLOSED'
      | 'WAL_LOCKED'
      | 'WAL_BACKPRESSURE'
      | 'WAL_RECORD'
      | 'WAL_VERSION'
      | 'WAL_TRUNCATED'
      | 'WAL_PROJECTION'
      | 'WAL_OPEN_TRANSACTIONS'
      | 'WAL_IO'
    >();
    expectType<WalPoisonedError['outcome']>().toBe<'not written' | 'unknown'>();
  });
});

describe('the test kit', () => {
  it('gives what a test gives', () => {
    expectToCompile(() => {
      expectType(virtualTime(() => 42)).toBe<number>();
    });
  });
});

describe('watching', () => {
  it('gives samples of a log of any type', () => {
    expectToCompile(() => {
      const log: MeteredLog = wal;
      expectType(wal.commits$.pipe(metrics(log))).toBe<Observable<WalMetrics>>();
      expectType(wal.commits$.pipe(metrics(wal, { intervalMs: 100 }))).toBe<Observable<WalMetrics>>();
      expectType(wal.stats).toBe<WalStats>();
      // @ts-expect-error -- samples are taken of commits
      return wal.acks$.pipe(metrics(wal));
    });
  });

  it('tells quantiles of histograms, and messages by their channel', () => {
    expectToCompile((histogram?: Histogram, message?: WalDiagnostics['rxwal:commit']) => {
      expectType(histogramQuantile(histogram!, 0.5)).toBe<number>();
      expectType(message!.commit).toBe<Commit>();
    });
  });
});
