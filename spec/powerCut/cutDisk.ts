import { closeSync, openSync, writeSync } from 'node:fs';
import { command } from './command';
import type { JournalEntry } from './journal';
import type { Piece, PowerCut } from './powerCut';

/** Copies an image, holes and all. */
export function copyImage(from: string, to: string): void {
  command('cp', '--sparse=auto', from, to);
}

function put(image: string, pieces: Iterable<Piece>): void {
  const file = openSync(image, 'r+');
  try {
    for (const { offset, bytes } of pieces) {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, offset + at);
    }
  } finally {
    closeSync(file);
  }
}

/** Makes the images that power cuts leave. The cuts have to come in the order of their `flushed`, so that each goes on from the last. */
export class CutDisks {
  #flushed = 0;

  /**
   * @param base the image when the journal began.
   * @param scratch a file for what is flushed.
   */
  constructor(
    private readonly journal: readonly JournalEntry[],
    base: string,
    private readonly scratch: string,
  ) {
    copyImage(base, scratch);
  }

  make({ flushed, kept }: PowerCut, image: string): void {
    if (flushed < this.#flushed) throw new Error('The power cuts have to come in order');
    put(
      this.scratch,
      this.journal.slice(this.#flushed, flushed).filter((entry) => entry.kind === 'write'),
    );
    this.#flushed = flushed;
    copyImage(this.scratch, image);
    put(image, kept);
  }
}
