import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Writer {
  /** Ends the process as a crash does: it gets no chance to do anything more. */
  kill(): void;
  /** How it ended. Every ack it has printed has been handed to `onAck` by then. */
  readonly ended: Promise<'killed' | 'finished'>;
}

export interface WriterArguments {
  readonly input: string;
  readonly dir: string;
  readonly maxSegmentBytes: number;
  /** Events that come together. */
  readonly waveEvents: number;
  /** Milliseconds from one wave to the next. */
  readonly waveMs: number;
}

/** Starts the child process. */
export function runWriter(
  { input, dir, maxSegmentBytes, waveEvents, waveMs }: WriterArguments,
  onAck: (lsn: number, microseconds: number) => void,
): Writer {
  // `process.execArgv`: the writer is TypeScript too, and needs the loader that this program was started with.
  const program = [...process.execArgv, require.resolve('./writer')];
  const args = [input, dir, maxSegmentBytes, waveEvents, waveMs].map(String);
  const child = spawn(process.execPath, [...program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });

  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    // A line that is cut short, because the writer was killed, is no ack.
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [lsn, microseconds] = line.split(' ').map(Number);
      onAck(lsn ?? NaN, microseconds ?? NaN);
    }
  });

  const killWithParent = () => child.kill('SIGKILL');
  process.prependOnceListener('exit', killWithParent);
  return {
    kill: () => child.kill('SIGKILL'),
    ended: once(child, 'close').then(([code, signal]) => {
      process.off('exit', killWithParent);
      if (signal === 'SIGKILL') return 'killed';
      if (code === 0) return 'finished';
      throw new Error(`the writer ended by itself, with ${signal ? `signal ${signal}` : `code ${code}`}`);
    }),
  };
}
