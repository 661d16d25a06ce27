import { say } from '../disk/say';

/** What a writer tells the supervisor, as it happens: a word and numbers. */
export type Word =
  /** A log is about to be opened. */
  | 'opening'
  /** It is open: first LSN, last LSN, 1 where it was clean, torn bytes cut, LSN and epoch of its checkpoint (0 for none). */
  | 'open'
  /** Records that this life is going to append, all it ever did included. */
  | 'intend'
  /** An ack that says durable: LSN, number. */
  | 'ack'
  /** An ack that says written, and no more: LSN, number. */
  | 'written'
  /** The durable LSN. */
  | 'durable'
  /** An append was refused, because too much waits; of a group the number of its first record: nobody is to be that group now. */
  | 'refused'
  | 'rotating'
  | 'rotated'
  /** LSN, epoch. */
  | 'checkpointing'
  | 'checkpointed'
  /** Records read while others were being written. */
  | 'read'
  /** Records are about to be appended as one group, unless it is refused: the number of the first, and of the last. */
  | 'group'
  /** A tail has shown a record: LSN. */
  | 'shown'
  /** A reader is to be held, or where the LSN is -1 released: its number, LSN. */
  | 'holding'
  | 'held'
  /** What an opened log says of a reader: its number, LSN; -1 for none. */
  | 'reader'
  /** A projection's state: LSN, hash. */
  | 'state'
  | 'closing'
  | 'closed';

export interface Told {
  readonly word: Word;
  readonly numbers: readonly number[];
}

/** A line that a kill cut short must not be taken for a shorter number. */
const END = ';';

/** Tells it with a system call of its own, at once. */
export function tell(word: Word, ...numbers: readonly number[]): void {
  say([word, ...numbers].join(' ') + END);
}

/** What a line tells; `undefined` where it was cut short. */
export function hear(line: string): Told | undefined {
  if (!line.endsWith(END)) return undefined;
  const [word, ...numbers] = line.slice(0, -END.length).split(' ');
  return { word: word as Word, numbers: numbers.map(Number) };
}
