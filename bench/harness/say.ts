/** Progress, on a terminal only: one line that is written over and over. */
export function say(progress: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${progress}`);
}
