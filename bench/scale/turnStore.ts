/** How long a log keeps the event loop when the disk answers it: everything it does before the answer's handler returns. */
import { Observable, map } from 'rxjs';
import type { SegmentFile, SegmentStore } from 'rxwal';

/** What the disk had been asked for. */
type Asked = 'write' | 'read' | 'sync' | 'other';

export interface Turn {
  readonly asked: Asked;
  readonly milliseconds: number;
}

/**
 * The same store; each answer's turn is handed to `onTurn`: the commit, the acks and what their subscribers do, the next batch as it is
 * laid out; of a read, the checks, the decoding, and what the reader does. Turns within turns are counted to the outer one.
 */
export function turnStore(store: SegmentStore, onTurn: (turn: Turn) => void): SegmentStore {
  let inTurn = false;
  const clocked = <R>(asked: Asked, answer$: Observable<R>): Observable<R> =>
    new Observable<R>((subscriber) => {
      let milliseconds = 0;
      const take = (work: () => void): void => {
        if (inTurn) {
          work();
          return;
        }
        inTurn = true;
        const started = performance.now();
        try {
          work();
        } finally {
          milliseconds += performance.now() - started;
          inTurn = false;
        }
      };
      return answer$.subscribe({
        next: (answer) => {
          take(() => {
            subscriber.next(answer);
          });
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          take(() => {
            subscriber.complete();
          });
          onTurn({ asked, milliseconds });
        },
      });
    });

  const clockedFile = (file: SegmentFile): SegmentFile => {
    const { writeDurable } = file;
    return {
      name: file.name,
      size: () => clocked('other', file.size()),
      read: (position, length) => clocked('read', file.read(position, length)),
      write: (pieces, position) => clocked('write', file.write(pieces, position)),
      ...(writeDurable && { writeDurable: (pieces, position) => clocked('write', writeDurable(pieces, position)) }),
      sync: () => clocked('sync', file.sync()),
      truncate: (size) => clocked('other', file.truncate(size)),
      close: () => clocked('other', file.close()),
    };
  };
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => clocked('other', store.list()),
    open: (name, access) => clocked('other', store.open(name, access).pipe(map(clockedFile))),
    rename: (from, to) => clocked('other', store.rename(from, to)),
    remove: (name) => clocked('other', store.remove(name)),
    syncDir: () => clocked('sync', store.syncDir()),
  };
}
