import { Truth } from './truth';

function heard(truth: Truth, ...lines: readonly string[]): Truth {
  for (const line of lines) truth.hear(line);
  return truth;
}

describe('what a log has promised', () => {
  it('counts from the stamp on, and not before', () => {
    const truth = heard(
      new Truth(),
      'opened 0 10',
      'append 1 1',
      'append 2 1',
      'durable 1 100',
      'durable 2 200',
      'checkpointing 1 300',
      'checkpointed 1 400',
    );
    const at = (stamp: number): readonly number[] => {
      const { durableLsn, checkpointLsn, askedCheckpointLsn } = truth.at(stamp);
      return [durableLsn, checkpointLsn, askedCheckpointLsn];
    };
    expect([0, 99, 100, 199, 200, 300, 399, 400, 1e9].map(at)).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [1, 0, 0],
      [1, 0, 0],
      [2, 0, 0],
      [2, 0, 1],
      [2, 0, 1],
      [2, 1, 1],
      [2, 1, 1],
    ]);
    expect(truth.wrong).toEqual([]);
  });

  it('a record that was lost may be given again, and both may be found until one of them is durable', () => {
    const truth = heard(
      new Truth(),
      'append 1 1',
      'durable 1 10',
      'append 2 1',
      'found 1 1 1',
      'opened 1 20',
      'append 2 2',
    );
    expect([truth.isAppended(2, 1), truth.isAppended(2, 2), truth.isAppended(3, 2)]).toEqual([true, true, false]);
    expect([truth.ownerOf(1), truth.ownerOf(2)]).toEqual([1, 2]);
    expect(truth.wrong).toEqual([]);
  });

  it('a reader is where it was promised, or asked to be, from the stamp on', () => {
    const truth = heard(new Truth(), 'holding 2 10', 'held 2 20', 'holding 5 30');
    const at = (stamp: number): readonly number[] => [truth.at(stamp).heldLsn, truth.at(stamp).askedHeldLsn];
    expect([9, 10, 20, 30].map(at)).toEqual([
      [-1, -1],
      [-1, 2],
      [2, 2],
      [2, 5],
    ]);
  });

  it('a group of an opening ends with its last record, before and behind a power cut', () => {
    const before = heard(new Truth(), 'append 1 1', 'append 2 1', 'append 3 1', 'group 2 3 1');
    const after = new Truth({ truth: before, promised: before.at(0) });
    for (const truth of [before, after]) {
      expect([1, 2, 3].map((lsn) => truth.isInsideGroup(lsn, 1))).toEqual([false, true, false]);
      expect(truth.isInsideGroup(2, 2)).toBe(false);
    }
  });

  it('what an opening shows is durable', () => {
    const truth = heard(new Truth(), 'append 1 1', 'append 2 1', 'found 1 1 2', 'opened 2 50');
    expect([truth.at(49).durableLsn, truth.at(50).durableLsn]).toEqual([0, 2]);
  });

  it.each([
    ['a durable LSN is given again', ['append 1 2'], 'LSN 1 was given again, and it was durable'],
    ['an opening ends too early', ['opened 0 20'], 'opened again, it ends at 0, and 1 was durable'],
    ['an opening shows what nobody appended', ['found 5 1 1'], 'LSN 1 of opening 5 was never appended'],
  ])('is broken where %s', (_, lines, wrong) => {
    expect(heard(new Truth(), 'append 1 1', 'durable 1 10', ...lines).wrong).toContain(wrong);
  });

  it('is broken where an opening shows another record than the acknowledged one', () => {
    const truth = heard(new Truth(), 'append 1 1', 'opened 0 5', 'append 1 2', 'durable 1 10', 'found 1 1 1');
    expect(truth.wrong).toEqual(['LSN 1 is that of opening 1, not the acknowledged one']);
  });

  it('behind a power cut only what was durable before it is still promised', () => {
    const before = heard(new Truth(), 'append 1 1', 'durable 1 10', 'append 2 1', 'durable 2 20');
    const after = new Truth({ truth: before, promised: before.at(15) });
    expect(after.at(0).durableLsn).toBe(1);
    expect([after.ownerOf(1), after.ownerOf(2)]).toEqual([1, undefined]);
    expect(heard(after, 'found 1 1 1', 'opened 1 0', 'append 2 2', 'durable 2 5').wrong).toEqual([]);
  });

  it('a line that makes no sense is refused', () => {
    expect(() => new Truth().hear('perhaps 1 2')).toThrow('A writer said perhaps 1 2');
  });
});
