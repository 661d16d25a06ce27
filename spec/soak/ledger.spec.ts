import type { Entry } from 'rxwal';
import { NOTHING_FOLDED, folded } from '../support/fold';
import { Ledger } from './ledger';
import { makeRecord, type Identity } from './record';
import { hear } from './words';

/** A ledger that has heard these lines of life 1, on a new log. */
function heard(...lines: readonly string[]): Ledger {
  const ledger = new Ledger(1);
  ledger.begin(1);
  for (const line of ['opening;', 'open 1 0 1 0 0 0;', ...lines]) ledger.hear(hear(line)!);
  return ledger;
}

function entry(lsn: number, identity: Partial<Identity> = {}): Entry<Uint8Array> {
  return { lsn, value: makeRecord({ log: 1, life: 1, number: lsn, role: 'commit', ...identity }, 100) };
}

/** What a reading of these records makes it find. */
function found(ledger: Ledger, entries: readonly Entry<Uint8Array>[]): readonly string[] {
  const inspection = ledger.inspect();
  for (const record of entries) inspection.see(record);
  inspection.end();
  return ledger.findings.map(({ kind, records, what }) => `${kind} ${records}: ${what}`);
}

const THREE = ['intend 4;', 'ack 1 1;', 'ack 2 2;', 'ack 3 3;'];

describe('Ledger', () => {
  it('is content with what was acked, and with a record whose ack had not come yet', () => {
    expect(found(heard(...THREE), [entry(1), entry(2), entry(3), entry(4)])).toEqual([]);
  });

  it('is content with whole groups, with a refused one, and with readers and states as they were promised', () => {
    const first = folded(NOTHING_FOLDED, 1, 1);
    const second = folded(first, 1, 2);
    const groups = ['group 1 2;', 'group 3 4;', 'refused 3;'];
    const rest = [
      'holding 0 1;',
      'held 0 1;',
      'holding 0 2;',
      'reader 0 2;',
      `state 1 ${first.hash};`,
      `state 2 ${second.hash};`,
    ];
    expect(found(heard(...THREE, ...groups, ...rest), [entry(1), entry(2), entry(3)])).toEqual([]);
  });

  it.each<[string, readonly string[], readonly Entry<Uint8Array>[], string]>([
    [
      'an acked record that is not there',
      THREE,
      [entry(1)],
      'lost 2: LSN 2 to 3 are lost: the log ends with LSN 1, and LSN 3 was said to be durable',
    ],
    [
      'a written record that is not there',
      ['intend 1;', 'written 1 1;', 'intend 2;', 'written 2 2;'],
      [entry(1)],
      'lost 1: LSN 2 is lost: the log ends with LSN 1, and LSN 2 was said to be written',
    ],
    [
      'a part of a group',
      ['intend 3;', 'group 2 3;'],
      [entry(1), entry(2)],
      'wrong 1: the log ends with LSN 2, inside the group of 2 to 3',
    ],
    [
      'a record that a tail has shown and that is not there',
      ['intend 3;', 'shown 2;'],
      [entry(1)],
      'lost 1: LSN 2 is lost: the log ends with LSN 1, and LSN 2 was said to be durable',
    ],
    [
      'a beginning above what a reader was promised',
      [...THREE, 'holding 0 1;', 'held 0 1;', 'checkpointing 3 1;'],
      [entry(3)],
      'lost 1: LSN 2 is lost: the log begins with LSN 3, and a reader was promised all from 2',
    ],
    [
      'a reader that is forgotten',
      [...THREE, 'holding 1 2;', 'held 1 2;', 'reader 1 -1;'],
      [entry(1), entry(2), entry(3)],
      'wrong 1: reader search is at -1; it was promised 2, and asked for undefined',
    ],
    [
      'a state that is not the fold of the log',
      [...THREE, 'state 2 7;'],
      [entry(1), entry(2), entry(3)],
      "wrong 1: a projection's state at LSN 2 is not what the records up to there make",
    ],
    ['a gap', THREE, [entry(1), entry(3)], 'lost 2: LSN 2 to 3 are lost: LSN 3 comes behind LSN 1'],
    [
      'a beginning above the checkpoint',
      [...THREE, 'checkpointing 1 1;'],
      [entry(3)],
      'lost 1: LSN 2 is lost: the log begins with LSN 3, and no checkpoint is above 1',
    ],
    [
      'a record at the place of another',
      THREE,
      [entry(1), entry(2, { number: 3 }), entry(3)],
      'wrong 1: LSN 2 holds the record of LSN 3: life 1, 3',
    ],
    [
      'an altered record',
      THREE,
      [entry(1), entry(2), { lsn: 3, value: entry(3).value.with(50, 0).with(51, 0) }],
      'wrong 1: LSN 3 is none of the records that were appended',
    ],
    [
      'a record of another log',
      THREE,
      [entry(1), entry(2), entry(3, { log: 2 })],
      'wrong 1: LSN 3 holds a record that this log has not taken: {"log":2,"life":1,"number":3,"role":"commit"}',
    ],
    [
      'a record that was refused',
      THREE,
      [entry(1), entry(2), entry(3), entry(4, { role: 'refused' })],
      'wrong 1: LSN 4 holds a record that this log has not taken: {"log":1,"life":1,"number":4,"role":"refused"}',
    ],
    [
      'a record that nobody meant to append',
      THREE,
      [entry(1), entry(2), entry(3), entry(4), entry(5)],
      'wrong 1: LSN 5 holds record 5 of life 1, which intended no more than 4',
    ],
    [
      'acks out of order',
      ['intend 3;', 'ack 2 2;'],
      [entry(1), entry(2)],
      'wrong 1: the ack of LSN 2 came behind that of LSN 0',
    ],
    [
      'two records with one LSN',
      ['intend 3;', 'ack 1 1;', 'ack 2 3;'],
      [entry(1), entry(2)],
      'wrong 1: record 3 was given LSN 2, and 3 was due',
    ],
  ])('finds %s', (_what, lines, entries, expected) => {
    expect(found(heard(...lines), entries)).toEqual([expected]);
  });

  it('goes on from one life to the next, and forgets what a checkpoint has removed', () => {
    const ledger = heard(...THREE);
    expect(found(ledger, [entry(1), entry(2), entry(3)])).toEqual([]);
    ledger.begin(2);
    for (const line of ['opening;', 'open 1 3 0 17 0 0;', 'intend 2;', 'ack 4 1;', 'checkpointing 3 1;']) {
      ledger.hear(hear(line)!);
    }
    const second = [entry(4, { life: 2, number: 1 }), entry(5, { life: 2, number: 2 })];
    expect(found(ledger, second)).toEqual([]);
    // Nothing of the first life is left to hold a record against.
    expect(found(ledger, [entry(3), ...second])).toEqual(['wrong 1: LSN 3 is none of the records that were appended']);
  });

  it('finds an opening that brings other records than a reader got before, or another checkpoint', () => {
    const ledger = heard(...THREE, 'checkpointing 1 1;', 'checkpointed 1 1;');
    expect(found(ledger, [entry(1), entry(2), entry(3)])).toEqual([]);
    ledger.begin(2);
    ledger.hear(hear('opening;')!);
    ledger.hear(hear('open 1 2 0 17 0 0;')!);
    expect(ledger.findings.map(({ what }) => what)).toEqual([
      'it opens with LSN 2 as the last, and a reader had got 3',
      'it has the checkpoint 0, epoch 0; {"lsn":1,"epoch":1} was saved',
    ]);
  });

  it('finds a closed log that does not open as a clean one', () => {
    const ledger = heard(...THREE, 'closing;', 'closed;', 'opening;', 'open 1 3 0 0 0 0;');
    expect(ledger.findings.map(({ what }) => what)).toEqual([
      'life 1 closed it at LSN 3; it opens with 3, clean 0, 0 bytes cut',
    ]);
  });

  it('does not take a line that a kill cut short for a shorter number', () => {
    expect(hear('ack 12 1')).toBeUndefined();
    expect(hear('ack 12 17;')).toEqual({ word: 'ack', numbers: [12, 17] });
  });
});
