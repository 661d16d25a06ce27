import type { Event } from './events';
import { Judge } from './judge';

const OPENED: Event[] = [
  { is: 'opening' },
  { is: 'opened', lastLsn: 0, checkpointLsn: 0 },
  { is: 'state', state: 'open' },
];
const append = (id: number, lsn: number): Event => ({ is: 'append', id, lsn });
const ack = (id: number, lsn: number, durable = true): Event => ({ is: 'ack', id, lsn, durable });
const lost = (id: number, outcome?: string, code: string | undefined = 'WAL_POISONED'): Event => ({
  is: 'lost',
  id,
  refusal: { code, cause: 'EIO', outcome },
});
const opened = (lastLsn: number, checkpointLsn = 0): Event => ({ is: 'opened', lastLsn, checkpointLsn });
const entries = (...ids: (number | undefined)[]): Event => ({
  is: 'entries',
  entries: ids.map((id, index) => ({ lsn: index + 1, id })),
});

function complaintsOf(events: readonly Event[]): readonly string[] {
  const judge = new Judge(true);
  for (const event of [...OPENED, ...events]) judge.hear(event);
  return judge.complaints;
}

const TWO_KEPT = [append(7, 1), ack(7, 1), append(8, 2), ack(8, 2)];

describe('the judge of what a log has promised', () => {
  it.each<[string, readonly Event[]]>([
    ['two acks, read back', [...TWO_KEPT, entries(7, 8), { is: 'end', calls: [], open: 0 }]],
    ['a record of unknown outcome that is there', [append(7, 1), lost(7, 'unknown'), opened(1), entries(7)]],
    ['a record of unknown outcome that is not there', [append(7, 1), lost(7, 'unknown'), opened(0), entries()]],
    ['an LSN given again', [append(7, 1), lost(7, 'not written'), opened(0), append(8, 1), ack(8, 1), entries(8)]],
    [
      'a checkpoint that holds though its call failed',
      [...TWO_KEPT, { is: 'call', name: 'checkpoint', lsn: 1 }, opened(2, 1)],
    ],
  ])('is content with %s', (_, events) => {
    expect(complaintsOf(events)).toEqual([]);
  });

  it.each<[string, readonly Event[]]>([
    ['an acknowledged record that is gone at the next opening', [...TWO_KEPT, opened(1)]],
    ['an acknowledged record that is not read', [...TWO_KEPT, entries(7)]],
    ['a record that became another', [...TWO_KEPT, entries(7, 9)]],
    ['a record that nobody can tell', [...TWO_KEPT, entries(7, undefined)]],
    ['two records that changed places', [...TWO_KEPT, entries(8, 7)]],
    ['a record that was never appended', [...TWO_KEPT, opened(3)]],
    ['a record that was said not to be written', [append(7, 1), lost(7, 'not written'), opened(1)]],
    ['an ack after the stop', [append(7, 1), { is: 'state', state: 'poisoned' }, ack(7, 1)]],
    ['an ack out of order', [append(7, 1), append(8, 2), ack(8, 2)]],
    ['an ack with the LSN of another', [append(7, 1), append(8, 2), ack(8, 1)]],
    ['an ack that is not durable', [append(7, 1), ack(7, 1, false)]],
    ['a failure that does not say what became of the record', [append(7, 1), lost(7)]],
    ['a failure of another kind', [append(7, 1), lost(7, 'unknown', 'WAL_IO')]],
    [
      'an error that is not typed',
      [{ is: 'failed', name: 'sync', refusal: { code: undefined, cause: 'EIO', outcome: undefined } }],
    ],
    [
      'a confirmed checkpoint that is gone',
      [...TWO_KEPT, { is: 'call', name: 'checkpoint', lsn: 2 }, { is: 'done', name: 'checkpoint' }, opened(2, 0)],
    ],
    ['a checkpoint that nobody asked for', [...TWO_KEPT, opened(2, 1)]],
    ['a log that begins behind its checkpoint', [...TWO_KEPT, { is: 'entries', entries: [{ lsn: 2, id: 8 }] }]],
    ['a rejection that nobody handled', [{ is: 'unhandled', message: 'unhandledRejection: Error' }]],
    ['a descriptor that was left open', [{ is: 'end', calls: [], open: 1 }]],
  ])('complains of %s', (_, events) => {
    expect(complaintsOf(events)).not.toEqual([]);
  });
});
