import type { Notice } from './report';

/** How many are kept. */
const MAX_NOTICES = 8;
const MAX_CHARS = 500;

/** What has happened, newest last. The same thing again counts up. */
export class Notices {
  #notices: readonly Notice[] = [];

  get list(): readonly Notice[] {
    return this.#notices;
  }

  add(atMs: number, message: string): void {
    const text = message.slice(0, MAX_CHARS);
    const last = this.#notices.at(-1);
    const times = last?.text === text ? last.times + 1 : 1;
    const before = times > 1 ? this.#notices.slice(0, -1) : this.#notices;
    this.#notices = [...before, { atMs, text, times }].slice(-MAX_NOTICES);
  }
}
