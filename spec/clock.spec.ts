import { asyncScheduler } from 'rxjs';
import { monotonicScheduler } from '../src/clock';
import { virtualTime } from '../src/testing/virtualTime';

/** Taken now: some of these specs replace them. */
const { setImmediate, setTimeout } = globalThis;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(() => {
  jest.useRealTimers();
});

describe('monotonicScheduler', () => {
  describe('now', () => {
    it('never goes back', () => {
      const first = monotonicScheduler.now();
      for (let reading = 0; reading < 1000; reading += 1) {
        expect(monotonicScheduler.now()).toBeGreaterThanOrEqual(first);
      }
    });

    it('does not jump with the wall clock', () => {
      const before = monotonicScheduler.now();
      jest.useFakeTimers({ now: new Date('2099-01-01'), doNotFake: ['performance'] });
      expect(monotonicScheduler.now() - before).toBeLessThan(Date.now() - before);
      expect(monotonicScheduler.now()).toBeGreaterThanOrEqual(before);
      expect(Math.abs(monotonicScheduler.now() - performance.now())).toBeLessThan(Date.now() / 2);
    });

    it('is virtual where time is', () => {
      virtualTime(({ cold, flush }) => {
        const times: number[] = [];
        cold('a-b 98ms c').subscribe(() => times.push(monotonicScheduler.now()));
        flush();
        expect(times).toEqual([0, 2, 101]);
      });
    });
  });

  describe('work without a delay', () => {
    it('runs at the end of the turn: not within the call, and before the next turn', async () => {
      const heard: string[] = [];
      setImmediate(() => heard.push('next turn'));
      monotonicScheduler.schedule(() => heard.push('work'));
      heard.push('call');
      await nextTurn();
      expect(heard).toEqual(['call', 'work', 'next turn']);
    });

    it.each([
      ['a call', (begin: () => void) => begin()],
      ['a promise', (begin: () => void) => void Promise.resolve().then(begin)],
      ['a tick', (begin: () => void) => process.nextTick(begin)],
      ['a callback of the event loop', (begin: () => void) => void setImmediate(begin)],
      ['a timer', (begin: () => void) => void setTimeout(begin, 0)],
    ])('that is scheduled from %s runs behind every promise that is due, however long the chain', async (_, from) => {
      const heard = await new Promise<string[]>((resolve) => {
        from(() => {
          const order: string[] = [];
          monotonicScheduler.schedule(() => {
            order.push('work');
            setImmediate(() => resolve(order));
          });
          const chain = async (): Promise<void> => {
            for (let link = 0; link < 1000; link += 1) await Promise.resolve();
            order.push('promises');
          };
          void chain();
        });
      });
      expect(heard).toEqual(['promises', 'work']);
    });

    it('runs in the order in which it was scheduled, each once', async () => {
      const heard: number[] = [];
      for (let nth = 0; nth < 100; nth += 1) monotonicScheduler.schedule(() => heard.push(nth));
      await nextTurn();
      await nextTurn();
      expect(heard).toEqual(Array.from({ length: 100 }, (_, nth) => nth));
    });

    it('gets its state', async () => {
      const heard: unknown[] = [];
      monotonicScheduler.schedule((state) => heard.push(state), 0, 'state');
      monotonicScheduler.schedule((state) => heard.push(state));
      await nextTurn();
      expect(heard).toEqual(['state', undefined]);
    });

    it('does not run where it is unsubscribed before', async () => {
      const work = jest.fn();
      const action = monotonicScheduler.schedule(work);
      expect(action.closed).toBe(false);
      action.unsubscribe();
      await nextTurn();
      expect(work).not.toHaveBeenCalled();
    });

    it('may schedule itself again, with another state, now or later, until it is unsubscribed', async () => {
      const heard: number[] = [];
      await new Promise<void>((resolve) => {
        const action = monotonicScheduler.schedule<number>(
          function (count) {
            heard.push(count);
            if (count === 5) {
              action.unsubscribe();
              setTimeout(resolve, 5);
            }
            this.schedule(count + 1, count % 2);
          },
          0,
          1,
        );
      });
      expect(heard).toEqual([1, 2, 3, 4, 5]);
    });

    it('that has scheduled itself again does not run once it is unsubscribed', async () => {
      let runs = 0;
      const action = monotonicScheduler.schedule(function () {
        runs += 1;
        this.schedule(undefined, 1);
      });
      await nextTurn();
      action.unsubscribe();
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(runs).toBe(1);
    });

    it('runs though a test has put fake timers in the place of the real ones', async () => {
      jest.useFakeTimers();
      const heard: string[] = [];
      monotonicScheduler.schedule(() => heard.push('work'));
      await nextTurn();
      expect(heard).toEqual(['work']);
    });

    it('is virtual where time is: in the same frame, behind what is due there, and nothing is left to the event loop', async () => {
      const heard: string[] = [];
      virtualTime(({ cold, flush }) => {
        cold('--a').subscribe(() => {
          monotonicScheduler.schedule(() => heard.push(`work at ${monotonicScheduler.now()}`));
          heard.push('call');
        });
        cold('--b').subscribe(() => heard.push('due'));
        flush();
        expect(heard).toEqual(['call', 'due', 'work at 2']);
      });
      await nextTurn();
      expect(heard).toHaveLength(3);
    });
  });

  describe('work with a delay', () => {
    it('runs when it is over', async () => {
      const begun = performance.now();
      const ended = await new Promise<number>((resolve) => {
        monotonicScheduler.schedule(() => resolve(performance.now()), 20);
      });
      // A timer of Node may come a millisecond early by another clock.
      expect(ended - begun).toBeGreaterThan(18);
    });

    it('does not run where it is unsubscribed before', async () => {
      const work = jest.fn();
      monotonicScheduler.schedule(work, 1).unsubscribe();
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(work).not.toHaveBeenCalled();
    });

    it('is virtual where time is', () => {
      virtualTime(({ flush }) => {
        const times: number[] = [];
        monotonicScheduler.schedule(() => times.push(asyncScheduler.now()), 1000);
        flush();
        expect(times).toEqual([1000]);
      });
    });
  });
});
