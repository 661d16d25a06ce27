/** A line of text, counted from 1. */
export interface Line {
  readonly number: number;
  readonly text: string;
}

/**
 * Cuts text into lines, which end with `\n` or `\r\n`; the last one may end with the text. The next chunk is asked for when the
 * lines of the last have been taken.
 */
export async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<Line> {
  let parts: string[] = [];
  let number = 0;
  for await (const chunk of chunks) {
    const pieces = chunk.split('\n');
    const rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      number += 1;
      yield { number, text: trimmed(parts.join('') + piece) };
      parts = [];
    }
    if (rest !== '') parts.push(rest);
  }
  if (parts.length > 0) yield { number: number + 1, text: trimmed(parts.join('')) };
}

function trimmed(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
