import { map } from 'rxjs';
import { marblePlan, memoryStore, virtualTime } from '../../src/testing';
import { trackedStore } from '../../src/store/trackedStore';

describe('trackedStore', () => {
  it('is quiet at once where nothing is on its way', () => {
    virtualTime(({ expectObservable }) => {
      expectObservable(trackedStore(memoryStore()).quiet).toBe('|');
    });
  });

  it('is quiet when the last operation has come back', () => {
    virtualTime(({ expectObservable }) => {
      const store = trackedStore(memoryStore({ plan: marblePlan({ syncDir: '---|', list: '-----|' }) }));
      store.syncDir().subscribe();
      store.list().subscribe();
      expectObservable(store.quiet).toBe('-----|');
    });
  });

  it('waits also for an operation that nobody waits for any more: it runs to its end', () => {
    virtualTime(({ expectObservable, flush }) => {
      const memory = memoryStore({ plan: marblePlan({ rename: '---|' }), files: new Map([['a', new Uint8Array(1)]]) });
      const store = trackedStore(memory);
      store.rename('a', 'b').subscribe().unsubscribe();
      expectObservable(store.quiet).toBe('---|');
      flush();
      expect([...memory.snapshot().keys()]).toEqual(['b']);
    });
  });

  it('closes a file that was opened for nobody, and waits for that', () => {
    virtualTime(({ expectObservable, flush }) => {
      const memory = memoryStore({ plan: marblePlan({ create: '--|', close: '---|' }) });
      const store = trackedStore(memory);
      store.open('a', 'create').subscribe().unsubscribe();
      expectObservable(store.quiet).toBe('-----|');
      flush();
      expect(memory.operations.map(({ kind }) => kind)).toEqual(['create', 'close']);
    });
  });

  it('tells a failure to who waits, and counts it as come back', () => {
    virtualTime(({ expectObservable }) => {
      const store = trackedStore(memoryStore({ plan: marblePlan({ syncDir: '--#' }, 'failed') }));
      expectObservable(store.syncDir().pipe(map(() => 'done'))).toBe('--#', {}, 'failed');
      expectObservable(store.quiet).toBe('--|');
    });
  });
});
