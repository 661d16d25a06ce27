import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A program in a process of its own. */
export interface SecondProcess {
  /** Sends a signal; SIGKILL ends it as a crash does: it gets no chance to do anything more. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
  /** The exit code, or the signal that ended it. Every whole line it has printed has been handed on by then. */
  readonly ended: Promise<number | string>;
}

/** Starts a TypeScript program and hands on each line that it prints. A line cut short by a kill is none. */
export function secondProcess(
  program: string,
  args: readonly string[],
  onLine: (line: string) => void = () => undefined,
): SecondProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  });
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  return {
    kill: (signal) => child.kill(signal),
    ended: once(child, 'close').then(([code, signal]) => {
      process.off('exit', killWithParent);
      return (signal ?? code) as number | string;
    }),
  };
}
