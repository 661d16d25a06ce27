import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fault, marblePlan, memoryWal } from 'rxwal/testing';
// #region service
import {
  BehaviorSubject,
  EMPTY,
  Subject,
  catchError,
  firstValueFrom,
  lastValueFrom,
  map,
  mergeMap,
  of,
  reduce,
  switchMap,
  takeUntil,
  type Observable,
} from 'rxjs';
import { WalError, openWal, type Entry, type Wal, type WalState } from 'rxwal';

interface StockEvent {
  readonly sku: string;
  /** Pieces that came, or went where it is negative. */
  readonly change: number;
}

interface Stock {
  /** The last record that this state knows. */
  readonly lsn: number;
  readonly pieces: Readonly<Record<string, number>>;
}

interface Health {
  readonly status: 'up' | 'down';
  readonly log: WalState | 'not open';
}

const apply = ({ pieces }: Stock, { lsn, value }: Entry<StockEvent>): Stock => ({
  lsn,
  pieces: { ...pieces, [value.sku]: (pieces[value.sku] ?? 0) + value.change },
});

/** Events in, state out. The state knows an event once it is durable, so nothing that was shown is ever taken back. */
class StockService {
  readonly #stock = new BehaviorSubject<Stock>({ lsn: 0, pieces: {} });
  readonly #wal = new BehaviorSubject<Wal<StockEvent> | undefined>(undefined);
  readonly #shutdown = new Subject<void>();
  #work: Promise<void> = Promise.resolve();

  readonly state$: Observable<Stock> = this.#stock.asObservable();
  readonly health$: Observable<Health> = this.#wal.pipe(
    switchMap((wal) => wal?.state$ ?? of('not open' as const)),
    map((log) => ({ status: log === 'open' ? 'up' : 'down', log })),
  );

  /** What a container injects: the events, how the log is opened, and who hears of an event that is not certain to be in the log. */
  constructor(
    private readonly events$: Observable<StockEvent>,
    private readonly openLog: () => Promise<Wal<StockEvent>>,
    private readonly onFailure: (event: StockEvent, error: unknown) => void,
  ) {}

  /** The container starts nothing that needs the state before this has resolved. Rejects where the log cannot be opened. */
  async onModuleInit(): Promise<void> {
    const wal = await this.openLog();
    this.#stock.next(await lastValueFrom(wal.read().pipe(reduce(apply, this.#stock.value))));
    this.#wal.next(wal);
    const accepted$ = this.events$.pipe(takeUntil(this.#shutdown));
    const durable$ = accepted$.pipe(
      mergeMap((value) =>
        wal.append(value).pipe(
          map(({ lsn }) => ({ lsn, value })),
          catchError((error: unknown) => {
            this.onFailure(value, error);
            return EMPTY;
          }),
        ),
      ),
    );
    this.#work = durable$.forEach((entry) => this.#stock.next(apply(this.#stock.value, entry)));
  }

  /** What was accepted becomes durable and reaches the state, then the log closes. Rejects where it had stopped. */
  async onApplicationShutdown(): Promise<void> {
    this.#shutdown.next();
    try {
      await this.#work;
      await this.#wal.value?.close();
    } finally {
      this.#stock.complete();
    }
  }

  /** For a probe: `up` where the log takes events. */
  health(): Promise<Health> {
    return firstValueFrom(this.health$);
  }
}
// #endregion service

const codeOf = (error: unknown): string => (error instanceof WalError ? error.code : String(error));

/** One life of an application, as a container of services leads it. */
async function live(openLog: () => Promise<Wal<StockEvent>>, events: readonly StockEvent[]): Promise<void> {
  const events$ = new Subject<StockEvent>();
  const service = new StockService(events$, openLog, ({ sku, change }, error) =>
    console.log(`not certain to be in the log: ${sku} ${change}: ${codeOf(error)}`),
  );
  service.state$.subscribe(({ lsn, pieces }) => console.log(`state at LSN ${lsn}: ${JSON.stringify(pieces)}`));
  service.health$.subscribe(({ status, log }) => console.log(`health: ${status}, log ${log}`));
  await service.onModuleInit();
  for (const event of events) events$.next(event);
  await service.onApplicationShutdown().catch((error: unknown) => console.log(`the shutdown: ${codeOf(error)}`));
  console.log(`ended ${(await service.health()).status}`);
}

export async function main(dir: string): Promise<void> {
  const open = () => openWal<StockEvent>(join(dir, 'stock'));
  await live(open, [
    { sku: 'tea', change: 10 },
    { sku: 'mug', change: 4 },
    { sku: 'tea', change: -3 },
  ]);
  await live(open, []);
  const plan = marblePlan({ sync: '#' }, fault('EIO'));
  await live(() => Promise.resolve(memoryWal<StockEvent>({ plan }).wal), [{ sku: 'tea', change: 1 }]);
}

if (require.main === module) void main(process.argv[2] ?? mkdtempSync(join(tmpdir(), 'rxwal-')));
