/** What a process that appends under strace writes to /dev/null, so that its own doings stand between the system calls of the log. */

/** Written before an append, and after its ack, with the record's number. */
export const BEGIN = 'begin';
export const ACK = 'ack';
/** Around the records whose system calls are counted: without marks between them, which would slow the producers down. */
export const COUNT = 'count';
export const COUNTED = 'counted';

export function markText(word: string, number: number): string {
  return `rxwal ${word} ${number}\n`;
}

const MARK = /"rxwal (\w+) (\d+)\\n"/;

/** The mark in the arguments of a `write` to /dev/null. */
export function markIn(args: string): { readonly word: string; readonly number: number } | undefined {
  if (!args.includes('</dev/null')) return undefined;
  const [, word, number] = MARK.exec(args) ?? [];
  return word === undefined ? undefined : { word, number: Number(number) };
}

/** Text that stands in a record, and is found in what is written whatever the encoding, as long as nothing is compressed. */
export function token(number: number): string {
  return `~${String(number).padStart(5, '0')}~`;
}

/** The numbers of all records with a token in these bytes, as strace prints them. */
export function tokensIn(args: string): number[] {
  return Array.from(args.matchAll(/~(\d{5})~/g), ([, digits]) => Number(digits));
}
