import { Observable, Subject, Subscriber } from 'rxjs';
import { AckQueue } from '../src/ackQueue';
import type { Ack } from '../src/types';

/** A queue, a subject that hears every ack, and what has been heard by whom. */
const queueFrom = (released = 0) => {
  const acks$ = new Subject<Ack>();
  const ack = jest.fn((lsn: number): Ack => ({ lsn, durable: true }));
  const later: (() => void)[] = [];
  const queue = new AckQueue(released, ack, acks$, (work) => later.push(work));
  const heard: string[] = [];
  const wait = (lsn: number, name = `${lsn}`): void => {
    new Observable<Ack>((subscriber) => queue.wait(lsn, subscriber)).subscribe({
      next: (made) => heard.push(`${name}:${made.lsn}`),
      error: (error: unknown) => heard.push(`${name}:${String(error)}`),
      complete: () => heard.push(`${name}|`),
    });
  };
  /** As many turns as it takes. */
  const release = (lsn: number): void => {
    queue.release(lsn);
    for (let work = later.shift(); work; work = later.shift()) work();
  };
  return { queue, ack, acks$, heard, wait, release };
};

describe('AckQueue', () => {
  it('releases nobody before the watermark has passed their LSN', () => {
    const { heard, wait, release } = queueFrom();
    wait(2);
    release(1);
    expect(heard).toEqual([]);
  });

  it('gives one who waits the ack of its LSN, and completes', () => {
    const { heard, wait, release } = queueFrom();
    wait(1);
    release(1);
    expect(heard).toEqual(['1:1', '1|']);
  });

  it('releases in LSN order, whatever the order in which they came', () => {
    const { heard, wait, release } = queueFrom();
    for (const lsn of [3, 1, 2]) wait(lsn);
    release(3);
    expect(heard).toEqual(['1:1', '1|', '2:2', '2|', '3:3', '3|']);
  });

  it('releases those who wait for the same LSN in the order in which they came', () => {
    const { heard, wait, release } = queueFrom();
    for (const name of ['x', 'y', 'z']) wait(1, name);
    release(1);
    expect(heard).toEqual(['x:1', 'x|', 'y:1', 'y|', 'z:1', 'z|']);
  });

  it('takes any observer, beside a subscriber of the same LSN', () => {
    const { queue, heard, wait, release } = queueFrom();
    const observer = {
      next: ({ lsn }: Ack) => heard.push(`observer:${lsn}`),
      error: (error: unknown) => heard.push(`observer:${String(error)}`),
      complete: () => heard.push('observer|'),
    };
    queue.wait(1, observer);
    wait(1);
    queue.wait(3, observer);
    release(2);
    queue.wait(2, observer);
    queue.fail((lsn) => new RangeError(`no ${lsn}`));
    expect(heard).toEqual([
      'observer:1',
      'observer|',
      '1:1',
      '1|',
      'observer:2',
      'observer|',
      'observer:RangeError: no 3',
    ]);
    expect(queue.isWaiting).toBe(false);
  });

  it('passes over an LSN for which nobody waits', () => {
    const { queue, heard, wait, release } = queueFrom();
    wait(1);
    wait(5);
    release(5);
    expect(heard).toEqual(['1:1', '1|', '5:5', '5|']);
    expect(queue.isReleased(5)).toBe(true);
    expect(queue.isReleased(6)).toBe(false);
  });

  it('never goes back', () => {
    const { queue, release } = queueFrom(5);
    release(3);
    expect(queue.isReleased(5)).toBe(true);
  });

  it('begins behind what an earlier opening had acknowledged', () => {
    const { heard, wait, release } = queueFrom(1_000_000);
    wait(1_000_001);
    release(1_000_001);
    expect(heard).toEqual(['1000001:1000001', '1000001|']);
  });

  it.each([2 ** 31 - 3, 2 ** 32 - 3, 2 ** 53 - 200])('keeps its places apart at LSN %d and past it', (released) => {
    const { heard, wait, release } = queueFrom(released);
    for (let i = 1; i <= 100; i += 1) wait(released + i, `${i}`);
    release(released + 100);
    const expected = Array.from({ length: 100 }, (_, i) => [`${i + 1}:${released + i + 1}`, `${i + 1}|`]);
    expect(heard).toEqual(expected.flat());
  });

  it('knows whether anybody waits', () => {
    const { queue, wait, release } = queueFrom();
    expect(queue.isWaiting).toBe(false);
    wait(1);
    wait(1);
    expect(queue.isWaiting).toBe(true);
    release(1);
    expect(queue.isWaiting).toBe(false);
  });
});

describe('one who comes late', () => {
  it('has the ack at once', () => {
    const { heard, wait, release } = queueFrom();
    release(3);
    wait(2);
    expect(heard).toEqual(['2:2', '2|']);
  });

  it('has it in its turn while others are being handed theirs', () => {
    const { acks$, heard, wait, release } = queueFrom();
    acks$.subscribe(({ lsn }) => {
      if (lsn === 1) wait(1, 'late');
      heard.push(`all:${lsn}`);
    });
    wait(2);
    release(2);
    expect(heard).toEqual(['all:1', 'late:1', 'late|', '2:2', '2|', 'all:2']);
  });

  it('may be followed by 100,000 others, each from the ack of the one before, without growing the stack', () => {
    const { queue, release } = queueFrom();
    release(1);
    let count = 0;
    const again = (): void => {
      count += 1;
      if (count < 100_000) new Observable<Ack>((subscriber) => queue.wait(1, subscriber)).subscribe(again);
    };
    new Observable<Ack>((subscriber) => queue.wait(1, subscriber)).subscribe(again);
    expect(count).toBe(100_000);
  });
});

describe('the stream of all acks', () => {
  it('has each ack behind the one who waited for it', () => {
    const { acks$, heard, wait, release } = queueFrom();
    acks$.subscribe(({ lsn }) => heard.push(`all:${lsn}`));
    wait(2);
    release(3);
    expect(heard).toEqual(['all:1', '2:2', '2|', 'all:2', 'all:3']);
  });

  it('makes no ack where nobody wants one', () => {
    const { queue, ack, release } = queueFrom();
    release(50_000);
    expect(ack).not.toHaveBeenCalled();
    expect(queue.isReleased(50_000)).toBe(true);
  });

  it('makes each ack once, for one who waits and the stream together', () => {
    const { ack, acks$, wait, release } = queueFrom();
    acks$.subscribe();
    wait(1);
    wait(2);
    release(3);
    expect(ack.mock.calls).toEqual([[1], [2], [3]]);
  });
});

describe('from within an ack', () => {
  it('one more may wait, and is released by the running loop when its LSN is due', () => {
    const { queue, acks$, heard, wait, release } = queueFrom();
    acks$.subscribe(({ lsn }) => {
      if (lsn === 1) wait(2);
    });
    wait(1);
    release(2);
    expect(heard).toEqual(['1:1', '1|', '2:2', '2|']);
    expect(queue.isWaiting).toBe(false);
  });

  it('the watermark may move: what it releases takes its turn behind', () => {
    const { acks$, heard, wait, release } = queueFrom();
    acks$.subscribe(({ lsn }) => {
      heard.push(`all:${lsn}`);
      if (lsn === 1) release(4);
    });
    for (const lsn of [1, 2, 3, 4]) wait(lsn);
    release(2);
    expect(heard.filter((line) => line.startsWith('all'))).toEqual(['all:1', 'all:2', 'all:3', 'all:4']);
  });

  it('the watermark may move 100,000 times without growing the stack', () => {
    const { queue, acks$, release } = queueFrom();
    acks$.subscribe(({ lsn }) => {
      if (lsn < 100_000) release(lsn + 1);
    });
    release(1);
    expect(queue.isReleased(100_000)).toBe(true);
  });
});

describe('fifty thousand who wait', () => {
  it('cost one delivery each, however many the others are', () => {
    const { queue, heard, wait, release } = queueFrom();
    const next = jest.spyOn(Subscriber.prototype, 'next');
    for (let lsn = 1; lsn <= 50_000; lsn += 1) wait(lsn);
    for (let lsn = 1; lsn <= 50_000; lsn += 1) release(lsn);
    const deliveries = next.mock.calls.length;
    next.mockRestore();
    expect(deliveries).toBe(50_000);
    expect(heard).toHaveLength(100_000);
    expect(queue.isWaiting).toBe(false);
  });
});

describe('fail', () => {
  it('fails all who wait, oldest first, each with an error of its own', () => {
    const { queue, heard, wait, release } = queueFrom();
    for (const lsn of [4, 2, 3]) wait(lsn);
    wait(3, 'also 3');
    release(2);
    heard.length = 0;
    queue.fail((lsn) => new RangeError(`no ${lsn}`));
    expect(heard).toEqual(['3:RangeError: no 3', 'also 3:RangeError: no 3', '4:RangeError: no 4']);
    expect(queue.isWaiting).toBe(false);
  });

  it('fails none that has its ack already', () => {
    const { queue, heard, wait, release } = queueFrom();
    wait(1);
    release(1);
    queue.fail(() => new Error('too late'));
    expect(heard).toEqual(['1:1', '1|']);
  });

  describe('with more than a turn hands out', () => {
    /** Turns that have been asked for and not yet taken. */
    const queueByTurns = () => {
      const turns: (() => void)[] = [];
      const heard: number[] = [];
      const acks$ = new Subject<Ack>();
      acks$.subscribe(({ lsn }) => heard.push(lsn));
      const queue = new AckQueue(
        0,
        (lsn) => ({ lsn, durable: true }),
        acks$,
        (work) => turns.push(work),
      );
      return { queue, heard, acks$, turn: () => turns.shift()?.() };
    };

    it('gives 1,024 a turn', () => {
      const { queue, heard, turn } = queueByTurns();
      queue.release(3000);
      expect(heard).toHaveLength(1024);
      turn();
      expect(heard).toHaveLength(2048);
      turn();
      expect(heard).toHaveLength(3000);
      turn();
      expect(heard).toHaveLength(3000);
    });

    it('is never behind by more than one commit', () => {
      const { queue, heard } = queueByTurns();
      for (let commit = 1; commit <= 50; commit += 1) {
        queue.release(4096 * commit);
        expect(heard.length).toBeGreaterThanOrEqual(4096 * (commit - 1));
      }
      expect(heard).toEqual(heard.map((_lsn, index) => index + 1));
    });

    it('is never behind by more than one commit, where commits return within the handlers', () => {
      const { queue, heard, acks$ } = queueByTurns();
      acks$.subscribe(({ lsn }) => {
        if (lsn % 500 === 0 && lsn <= 20_000) queue.release(lsn + 4096);
      });
      queue.release(1500);
      expect(heard.length).toBeGreaterThanOrEqual(20_000);
    });

    it('gives all that is due before it does what is to be done at the end', () => {
      const { queue, heard, acks$, turn } = queueByTurns();
      const at: number[] = [];
      acks$.subscribe(({ lsn }) => {
        if (lsn === 1500) queue.finish(() => at.push(heard.length));
      });
      queue.release(3000);
      turn();
      expect(at).toEqual([3000]);
    });
  });
});
