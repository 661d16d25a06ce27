/** Producers that each await their own ack before they append again: what every application is. */
import type { Wal } from 'rxwal';

/** Appends `total` records, at most `producers` of them unacknowledged; resolves at the last ack. */
export function produce<T>(wal: Wal<T>, producers: number, total: number, make: (id: number) => T): Promise<void> {
  return new Promise((resolve, reject) => {
    let appended = 0;
    let acked = 0;
    const appendNext = (): void => {
      if (appended === total) return;
      appended += 1;
      wal.append(make(appended)).subscribe({ next: onAck, error: reject });
    };
    const onAck = (): void => {
      acked += 1;
      if (acked === total) resolve();
      else appendNext();
    };
    for (let producer = 0; producer < producers; producer += 1) appendNext();
  });
}

/** As `produce`, until it is told to stop. */
export function produceUntil<T>(wal: Wal<T>, producers: number, make: (id: number) => T): { stop(): Promise<number> } {
  let appended = 0;
  let waiting = 0;
  let stopping = false;
  let stopped: ((records: number) => void) | undefined;
  let failed: ((error: unknown) => void) | undefined;
  const appendNext = (): void => {
    appended += 1;
    waiting += 1;
    wal.append(make(appended)).subscribe({ next: onAck, error: (error: unknown) => failed?.(error) });
  };
  const onAck = (): void => {
    waiting -= 1;
    if (!stopping) appendNext();
    else if (waiting === 0) stopped?.(appended);
  };
  for (let producer = 0; producer < producers; producer += 1) appendNext();
  return {
    stop: () => {
      stopping = true;
      return new Promise((resolve, reject) => {
        stopped = resolve;
        failed = reject;
        if (waiting === 0) resolve(appended);
      });
    },
  };
}
