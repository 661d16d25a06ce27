/** The readers that a soaked log has, by the number that stands for each in what is told. */
export const READER_NAMES = ['mail', 'search'] as const;

/** In the place of an LSN: the log has no such reader. */
export const NO_READER = -1;

/** Where the readers of one log were promised to be. */
export class HeldReaders {
  readonly #held = READER_NAMES.map(() => NO_READER);
  /** Asked for and not answered: it may hold or not. */
  readonly #asked = new Map<number, number>();

  ask(reader: number, lsn: number): void {
    this.#asked.set(reader, lsn);
  }

  hold(reader: number, lsn: number): void {
    this.#held[reader] = lsn;
    this.#asked.delete(reader);
  }

  /** The log says where a reader is. @returns what is wrong with that. */
  found(reader: number, lsn: number): string | undefined {
    const held = this.#held[reader];
    const asked = this.#asked.get(reader);
    if (lsn !== held && lsn !== asked) {
      return `reader ${READER_NAMES[reader]} is at ${lsn}; it was promised ${held}, and asked for ${asked}`;
    }
    this.hold(reader, lsn);
    return undefined;
  }

  /** The LSN behind which every record must be there; Infinity where no reader is sure to hold one. */
  get lsn(): number {
    const sure = this.#held.map((held, reader) => {
      const asked = this.#asked.get(reader) ?? held;
      return held === NO_READER || asked === NO_READER ? Infinity : Math.max(held, asked);
    });
    return Math.min(...sure);
  }
}
