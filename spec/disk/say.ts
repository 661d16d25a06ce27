import { writeSync } from 'node:fs';

/**
 * Says a line with a system call of its own, at once: what was said before a kill has been said. The standard output of a child
 * is a socket that does not block, so a reader who is behind is waited for.
 */
export function say(what: string): void {
  const bytes = Buffer.from(`${what}\n`);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}
