import type { Draw } from '../support/draw';
import type { Told, Word } from './words';

/** When a writer is killed: some milliseconds behind something that it said. */
export interface Moment {
  readonly name: 'opening' | 'just opened' | 'appending' | 'rotation' | 'checkpoint' | 'close' | 'closed';
  /** The word that is waited for, how many times it must have come, and the milliseconds from then on. */
  readonly word: Word;
  readonly times: number;
  readonly delayMs: number;
}

export function drawMoment(draw: Draw): Moment {
  const name = draw.pick([
    ...(['opening', 'opening', 'just opened', 'appending', 'appending', 'appending'] as const),
    ...(['rotation', 'checkpoint', 'close', 'closed'] as const),
  ]);
  // Many delays of 0: that is the time a signal takes, and well inside of what the word announces.
  const soon = draw.pick([0, 0, 1, 2, 3]);
  switch (name) {
    case 'opening':
      return { name, word: 'opening', times: draw.pick([1, 1, 2]), delayMs: draw.integer(0, 12) };
    case 'just opened':
      return { name, word: 'open', times: draw.pick([1, 1, 2]), delayMs: soon };
    case 'appending':
      return { name, word: 'intend', times: draw.integer(1, 150), delayMs: soon };
    case 'rotation':
      return { name, word: 'rotating', times: draw.integer(1, 3), delayMs: soon };
    case 'checkpoint':
      return { name, word: 'checkpointing', times: draw.integer(1, 4), delayMs: soon };
    case 'close':
      return { name, word: 'closing', times: 1, delayMs: soon };
    case 'closed':
      return { name, word: 'closed', times: 1, delayMs: 0 };
  }
}

/** Whether the moment has come, now that this was told too. */
export function watchFor({ word, times }: Moment): (told: Told) => boolean {
  let left = times;
  return (told) => {
    if (told.word === word) left -= 1;
    return left === 0;
  };
}
