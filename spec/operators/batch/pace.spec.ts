import { Subject, Subscription, type SchedulerLike } from 'rxjs';
import { batch } from '../../../src/operators/batch';
import type { Durability, Frame } from '../../../src/types';
import { NOSYNC, SYNC, frameWith, within } from './pictures';

/** How often the pace is looked at, in records. */
const LOOK_RECORDS = 256;

/** A turn of the event loop that takes as long as it is told to: its end comes when the test says so. */
class Turn {
  #clock = 0;
  #atEnd: (() => void)[] = [];

  now(): number {
    return this.#clock;
  }

  schedule(work: () => void, delay = 0): Subscription {
    const scheduled = new Subscription();
    if (delay === 0) {
      this.#atEnd.push(() => {
        if (!scheduled.closed) work();
      });
    }
    return scheduled;
  }

  pass(milliseconds: number): void {
    this.#clock += milliseconds;
  }

  end(): void {
    const due = this.#atEnd;
    this.#atEnd = [];
    for (const work of due) work();
  }
}

/** A line with a disk that takes as long for a commit as the test says. */
class Line {
  readonly turn = new Turn();
  /** Records of the batches that have left. */
  readonly left: number[] = [];
  readonly #source$ = new Subject<Frame>();
  readonly #settled$ = new Subject<void>();
  #lsn = 0;

  constructor(durability: Durability = SYNC, settles = true) {
    const options = {
      durability,
      scheduler: this.turn as unknown as SchedulerLike,
      ...(settles && { settled$: this.#settled$ }),
    };
    this.#source$.pipe(batch(options)).subscribe(({ records }) => this.left.push(records));
  }

  /** Records that come one after the other, in so many milliseconds altogether. */
  come(records: number, milliseconds: number): void {
    for (let record = 0; record < records; record += 1) {
      this.#source$.next(frameWith((this.#lsn += 1)));
      this.turn.pass(milliseconds / records);
    }
  }

  settle(): void {
    this.#settled$.next();
  }

  /** A record alone, whose commit takes so long. */
  commitOf(milliseconds: number): void {
    this.come(1, 0);
    this.turn.end();
    this.turn.pass(milliseconds);
    this.settle();
    this.left.length = 0;
  }
}

describe('batch: records that come more slowly than the disk writes', () => {
  it.each([
    ['sync', SYNC],
    ['nosync', NOSYNC],
  ])('leave before the end of the turn, in mode %s', (_mode, durability) => {
    const line = new Line(durability);
    line.commitOf(1);
    line.come(LOOK_RECORDS - 1, 2);
    expect(line.left).toEqual([]);
    line.come(1, 0);
    expect(line.left).toEqual([LOOK_RECORDS]);
  });

  it('wait for it where the disk is slower', () => {
    const line = new Line();
    line.commitOf(8);
    line.come(1000, 2);
    expect(line.left).toEqual([]);
    line.turn.end();
    expect(line.left).toEqual([1000]);
  });

  it('leave when a commit returns, where those it releases would take longer than the next one does', () => {
    const line = new Line();
    line.commitOf(1);
    line.come(LOOK_RECORDS, 2);
    line.come(300, 2);
    expect(line.left).toEqual([LOOK_RECORDS]);
    line.settle();
    expect(line.left).toEqual([LOOK_RECORDS, 300]);
  });

  it('wait then for a few that are released, however many wait', () => {
    const line = new Line();
    line.commitOf(1);
    line.come(10, 0);
    line.turn.end();
    line.come(1000, 8);
    line.settle();
    expect(line.left).toEqual([10]);
    line.turn.end();
    expect(line.left).toEqual([10, 1000]);
  });

  it('wait on a slower disk for those whom a commit has released: they ride in one batch', () => {
    const line = new Line();
    line.commitOf(8);
    line.come(600, 1);
    line.turn.end();
    line.come(400, 1);
    line.turn.pass(7);
    line.settle();
    line.come(600, 1);
    line.turn.end();
    expect(line.left).toEqual([600, 1000]);
  });

  it('are fewer than would be worth a look: they wait', () => {
    const line = new Line();
    line.commitOf(1);
    line.come(LOOK_RECORDS - 1, 100);
    expect(line.left).toEqual([]);
    line.turn.end();
    expect(line.left).toEqual([LOOK_RECORDS - 1]);
  });

  it('are timed anew for each batch', () => {
    const line = new Line();
    line.commitOf(1);
    line.come(100, 50);
    line.turn.end();
    line.turn.pass(1);
    line.settle();
    line.come(LOOK_RECORDS, 0.5);
    expect(line.left).toEqual([100]);
  });

  it('are held against the fastest of the last eight commits: the end of the others was noticed late', () => {
    const line = new Line();
    line.commitOf(1);
    for (let commit = 0; commit < 7; commit += 1) line.commitOf(5);
    line.come(LOOK_RECORDS, 2);
    expect(line.left).toEqual([LOOK_RECORDS]);
    line.turn.pass(5);
    line.settle();
    line.commitOf(5);
    line.come(LOOK_RECORDS, 2);
    expect(line.left).toEqual([]);
  });

  it('wait where no commit has returned yet, or none ever does', () => {
    for (const settles of [true, false]) {
      const line = new Line(SYNC, settles);
      line.come(1000, 100);
      expect(line.left).toEqual([]);
      line.turn.end();
      expect(line.left).toEqual([1000]);
    }
  });

  it('wait where the clock throws, and nothing stands still', () => {
    const line = new Line();
    line.commitOf(1);
    jest.spyOn(line.turn, 'now').mockImplementation(() => {
      throw new Error('no time');
    });
    line.come(1000, 100);
    expect(line.left).toEqual([]);
    line.turn.end();
    line.settle();
    line.come(1, 0);
    line.turn.end();
    expect(line.left).toEqual([1000, 1]);
  });

  it('leave in mode batch by number and clock alone', () => {
    const line = new Line(within(0, 700));
    line.come(700, 0);
    expect(line.left).toEqual([700]);
    line.turn.pass(1);
    line.settle();
    line.come(600, 10);
    expect(line.left).toEqual([700]);
  });
});
