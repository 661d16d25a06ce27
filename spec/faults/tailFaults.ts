import type { Fault } from './fault';

const TAILS = 'tail/tails.ts';

/** How a log has shown a follower too much, too little, or the same again. */
export const TAIL_FAULTS: readonly Fault[] = [
  {
    name: 'a tail shows what is on its way to the disk',
    changes: [
      {
        file: TAILS,
        from: 'if (this.#lsn >= durableLsn) {',
        to: 'if (this.#lsn >= durableLsn && !this.window.behind(this.#lsn)) {',
      },
      { file: TAILS, from: 'if (!run || run.lastLsn > durableLsn) {', to: 'if (!run) {' },
    ],
    caughtBy: 'a tail joins a log',
  },
  {
    name: 'a tail skips what came while it read from the disk',
    changes: [
      {
        file: TAILS,
        from: 'if (!end) return 0;\n    this.#reading = false;',
        to: 'if (!end) return 0;\n    this.#lsn = this.log.durableLsn();\n    this.#reading = false;',
      },
    ],
    caughtBy: 'a tail joins a log',
  },
  {
    name: 'a tail shows a record twice where it goes over from the disk to what comes',
    changes: [
      { file: TAILS, from: 'this.#place = run.place;', to: '' },
      {
        file: 'reading/entriesOf.ts',
        from: "if (kind === 'record' && lsn > shown) {",
        to: "if (kind === 'record' && lsn > after) {",
      },
    ],
    caughtBy: 'a tail joins a log',
  },
  {
    name: 'a tail takes frames from memory that do not begin behind its last record',
    changes: [
      { file: 'tail/liveWindow.ts', from: 'return run && run.after <= lsn ? run : undefined;', to: 'return run;' },
    ],
    caughtBy: 'a tail joins a log',
  },
  {
    name: 'a tail that has fallen behind what is in memory does not go back to the disk',
    changes: [
      { file: TAILS, from: 'this.#readFromDisk(durableLsn);', to: 'if (this.#behind) this.#readFromDisk(durableLsn);' },
    ],
    caughtBy: 'a slow tail reads on',
  },
];
