import type { Fault } from './fault';

const LIVE = 'projection/liveProjection.ts';
const SAVE = 'this.#snapshots.save({ name, version, lsn, state }),';
const HOLD = 'return this.#log.hold(this.#reader, kept[1] ?? this.#heldLsn);';
const REMOVE = 'defer(() => (kept.length === 2 ? this.#snapshots.removeAllBut(kept) : EMPTY)),';
const CHECKPOINT = 'defer(() => (kept.length === 2 && checkpoint ? this.#checkpoint() : EMPTY)),';

/** How a state has come to be something else than the fold of its log. */
export const PROJECTION_FAULTS: readonly Fault[] = [
  {
    name: 'a projection applies the last entry of its snapshot again',
    changes: [
      { file: LIVE, from: 'after: this.lsn,', to: 'after: Math.max(0, this.lsn - 1),' },
      { file: LIVE, from: 'if (lsn !== before.lsn + 1) {', to: 'if (lsn > before.lsn + 1) {' },
    ],
    caughtBy: 'power cuts: projections',
  },
  {
    name: 'a snapshot names what is durable, and holds what has been applied',
    changes: [
      {
        file: LIVE,
        from: 'const { lsn } = this;\n    const saving',
        to: 'const lsn = this.#log.now().durableLsn;\n    const saving',
      },
    ],
    caughtBy: 'power cuts: projections',
  },
  {
    name: 'a projection lets the log go up to a snapshot before that is durable',
    changes: [
      { file: LIVE, from: SAVE, to: '' },
      { file: LIVE, from: HOLD, to: 'return this.#log.hold(this.#reader, lsn);' },
      { file: LIVE, from: CHECKPOINT, to: `${CHECKPOINT} ${SAVE}` },
    ],
    caughtBy: 'power cuts: projections',
  },
  {
    name: 'a projection holds the log only from its first snapshot on',
    changes: [
      {
        file: LIVE,
        from: 'if (held && held.lsn <= this.lsn) return',
        to: 'if (!snapshot || (held && held.lsn <= this.lsn)) return',
      },
    ],
    caughtBy: 'power cuts: a projection without a snapshot',
  },
  {
    name: 'a projection removes its older snapshots before the newer one is durable',
    changes: [
      { file: LIVE, from: REMOVE, to: '' },
      { file: LIVE, from: SAVE, to: `defer(() => this.#snapshots.removeAllBut([])), ${SAVE}` },
    ],
    caughtBy: 'power cuts: projections',
  },
];
