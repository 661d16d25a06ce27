import type { Fault } from './fault';

const HOLDS = 'retention/holdsFile.ts';

/** How a reader has lost what it had been promised. */
export const READER_FAULTS: readonly Fault[] = [
  {
    name: 'a removal does not look at who reads',
    changes: [
      { file: 'retention/floor.ts', from: 'if (heldLsn >= checkpoint.lsn) return', to: 'if (heldLsn >= 0) return' },
    ],
    caughtBy: 'power cuts: readers',
  },
  {
    name: 'segments go before readers.meta says that they may',
    changes: [
      {
        file: HOLDS,
        from: 'const saved = this.#save(next).pipe(',
        to: 'const before = this.#holds; this.#holds = next; void before;\n      const saved = this.#save(next).pipe(',
      },
      {
        file: HOLDS,
        from: 'return concat(saved, defer(this.#options.onSaved))',
        to: 'return concat(defer(this.#options.onSaved), saved)',
      },
    ],
    caughtBy: 'power cuts: readers',
  },
  {
    name: 'readers.meta is not fsync’d before it is renamed',
    changes: [
      {
        file: 'store/replaceFile.ts',
        from: 'concat(fill(file), file.sync())',
        to: "(name.startsWith('readers') ? fill(file) : concat(fill(file), file.sync()))",
      },
    ],
    caughtBy: 'power cuts: readers',
  },
  {
    name: 'a recovery ends a removal without a look at who reads',
    changes: [
      {
        file: 'recover.ts',
        from: 'const { floorLsn } = floorOf(found.checkpoint, found.holds);\n  const below',
        to: 'const { floorLsn } = floorOf(found.checkpoint, { readers: [], cutLsn: 0 });\n  const below',
      },
    ],
    caughtBy: 'power cuts: readers',
  },
  {
    name: 'a cap removes what a reader needs before it has said so',
    changes: [
      {
        file: HOLDS,
        from: 'this.#options.exclusively(defer(() => this.#save({ ...this.#holds, cutLsn: lsn })))',
        to: 'this.#options.exclusively(defer(() => { this.#holds = { ...this.#holds, cutLsn: lsn }; return EMPTY; }))',
      },
    ],
    caughtBy: 'power cuts: a cap that cuts',
  },
];
