import { Presets, SingleBar } from 'cli-progress';

/** Shows how far the work is: a bar on a terminal, otherwise a plain line now and then. */
export interface Progress {
  update(acks: number, lsn: number): void;
  /** Prints a line on stdout, the bar out of the way. */
  print(line: string): void;
  stop(): void;
}

const PLAIN_LINE_EVERY_MS = 1000;

export function showProgress(total: number): Progress {
  return process.stderr.isTTY ? barProgress(total) : plainProgress(total);
}

function barProgress(total: number): Progress {
  const bar = new SingleBar(
    {
      format: '{bar} {value} of {total} events durable',
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  let at = 0;
  bar.start(total, at);
  return {
    update: (_acks, lsn) => {
      at = lsn;
      bar.update(at);
    },
    print: (line) => {
      bar.stop();
      console.log(line);
      bar.start(total, at);
    },
    stop: () => bar.stop(),
  };
}

function plainProgress(total: number): Progress {
  let printedAt = performance.now();
  return {
    update: (acks, lsn) => {
      if (performance.now() - printedAt < PLAIN_LINE_EVERY_MS) return;
      printedAt = performance.now();
      console.error(`durable up to LSN ${lsn} of ${total} (${acks} acks)`);
    },
    print: (line) => console.log(line),
    stop: () => undefined,
  };
}
