import type { Finding } from './ledger';
import type { Told } from './words';

/** What a soak has done so far, over all logs. */
export class Figures {
  /** Kills after which the log was found to be whole. */
  kills = 0;
  /** Records whose ack was heard. */
  acked = 0;
  /** Of them, those whose ack said written and not durable. */
  written = 0;
  /** Records read back and looked at, after the kills. */
  verified = 0;
  lost = 0;
  wrong = 0;
  opens = 0;
  rotations = 0;
  checkpoints = 0;
  closes = 0;
  /** Appends refused because too much was waiting. */
  refused = 0;
  /** Records read while others were being written. */
  readBeside = 0;
  groups = 0;
  /** Records shown by tails beside the writer. */
  shown = 0;
  /** Readers moved, or released. */
  holds = 0;
  /** States of projections that were held against the fold of the log. */
  states = 0;
  /** Torn bytes that openings have cut off. */
  bytesCut = 0;
  /** Kills that came before an opening was done. */
  killsInOpening = 0;
  /** Kills, by what they were aimed at. */
  readonly moments = new Map<string, number>();
  readonly started = performance.now();

  hear({ word, numbers }: Told): void {
    if (word === 'ack' || word === 'written') this.acked += 1;
    if (word === 'written') this.written += 1;
    if (word === 'open') {
      this.opens += 1;
      this.bytesCut += numbers[3] ?? 0;
    }
    if (word === 'rotated') this.rotations += 1;
    if (word === 'checkpointed') this.checkpoints += 1;
    if (word === 'closed') this.closes += 1;
    if (word === 'refused') this.refused += 1;
    if (word === 'refused' && numbers.length > 0) this.groups -= 1;
    if (word === 'group') this.groups += 1;
    if (word === 'shown') this.shown += 1;
    if (word === 'held') this.holds += 1;
    if (word === 'state') this.states += 1;
    if (word === 'read') this.readBeside += numbers[0] ?? 0;
  }

  count({ kind, records }: Finding): void {
    this[kind] += records;
  }

  survived(moment: string, isOpening: boolean): void {
    this.kills += 1;
    if (isOpening) this.killsInOpening += 1;
    this.moments.set(moment, (this.moments.get(moment) ?? 0) + 1);
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  line(): string {
    const { kills, acked, verified, lost, wrong, opens, rotations, checkpoints } = this;
    return (
      `${Math.round(this.seconds)} s: ${kills} kills survived, ${acked} records acked, ${verified} verified, ` +
      `${lost} lost, ${wrong} wrong; ${opens} opens, ${rotations} rotations, ${checkpoints} checkpoints`
    );
  }

  table(): string {
    const byMoment = [...this.moments].sort(([, one], [, other]) => other - one);
    const rows: readonly (readonly [string, number, string])[] = [
      ['kills', this.kills, `survived, aimed at ${byMoment.map(([name, kills]) => `${name} ${kills}`).join(', ')}`],
      ['in opening', this.killsInOpening, 'kills that came before an opening, with its recovery, was done'],
      ['acked', this.acked, `records; ${this.written} of them as written and not durable (nosync)`],
      ['verified', this.verified, 'records read back after the kills, each compared with what was appended'],
      ['lost', this.lost, 'promised and not there'],
      ['wrong', this.wrong, 'altered, repeated, out of order, never appended, or a promise that cannot be true'],
      ['opens', this.opens, `by writers that lived to say so; ${this.bytesCut} torn bytes cut`],
      ['closes', this.closes, ''],
      ['rotations', this.rotations, 'asked for; those by size are not counted'],
      ['checkpoints', this.checkpoints, ''],
      ['read', this.readBeside, 'records, by readers beside the appends'],
      ['shown', this.shown, 'records, by tails beside the writer: each once, in order, and durable'],
      ['groups', this.groups, 'taken by the log: each there as a whole, or not at all'],
      [
        'holds',
        this.holds,
        'readers moved or released: after each kill each is where it was promised, with all behind it',
      ],
      ['states', this.states, 'of projections, each compared with what the records up to it make'],
      ['refused', this.refused, 'appends, because too much was waiting'],
      ['seconds', Math.round(this.seconds), ''],
    ];
    return rows
      .map(([name, value, meaning]) => `${name.padEnd(12)}${String(value).padStart(10)}   ${meaning}`.trimEnd())
      .join('\n');
  }
}
