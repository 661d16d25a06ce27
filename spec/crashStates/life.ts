import assert from 'node:assert/strict';
import { VirtualTimeScheduler } from 'rxjs';
import { recoverWal, type Checkpoint, type Wal, type WalOptions } from 'rxwal';
import type { Random, SimulatedDisk } from 'rxwal/testing';
import { collect } from '../support/logs';
import { assertKept, type Told } from './told';

/** How the log of a workload is set up; every opening of it is alike. */
export type LogSetup = Pick<WalOptions<string>, 'durability' | 'isCommit' | 'maxSegmentBytes' | 'preallocateBytes'>;

/** A disk, and all that a log on it was asked and has said. */
export interface Scene {
  readonly disk: SimulatedDisk;
  readonly setup: LogSetup;
  readonly told: readonly Told[];
  readonly tell: (word: Told) => void;
  readonly random: Random;
}

/** A log from its opening on, with a clock of its own: nothing takes real time. */
export class Life {
  private constructor(
    private readonly scene: Scene,
    readonly wal: Wal<string>,
    readonly clock: VirtualTimeScheduler,
  ) {
    const { tell } = scene;
    const ignore = (): void => undefined;
    wal.acks$.subscribe({
      next: ({ lsn, durable }) => {
        if (durable) tell({ durable: lsn });
      },
      error: ignore,
    });
    wal.durable$.subscribe({
      next: (lsn) => {
        tell({ durable: lsn });
      },
      error: ignore,
    });
  }

  /**
   * Opens the log, and holds what it shows against what it was told. Throws where that is wrong.
   *
   * @returns why it did not open, where it did not; `undefined` where opening never came back.
   */
  static open(scene: Scene): Life | { readonly error: unknown } {
    const clock = new VirtualTimeScheduler();
    let opened: Wal<string> | undefined;
    let failure: unknown;
    recoverWal<string>(scene.disk, { ...scene.setup, scheduler: clock }).subscribe({
      next: (wal) => {
        opened = wal;
      },
      error: (error: unknown) => {
        failure = error;
      },
    });
    clock.flush();
    if (!opened) return { error: failure };
    const life = new Life(scene, opened, clock);
    life.assertKept();
    scene.tell({ opened: opened.lastLsn });
    return life;
  }

  get clean(): boolean {
    return this.wal.recovery.clean;
  }

  /** Reads everything. The disk must not fail meanwhile. */
  assertKept(): void {
    const { firstLsn, lastLsn, lastCheckpoint } = this.wal;
    const { fail, plan } = this.scene.disk;
    this.scene.disk.fail = undefined;
    this.scene.disk.plan = undefined;
    const { values, error } = collect(this.wal.read());
    Object.assign(this.scene.disk, { fail, plan });
    if (error !== undefined) throw error as Error;
    assertKept({ firstLsn, lastLsn, checkpoint: lastCheckpoint, entries: values }, this.scene.told);
  }

  append(value: string): void {
    this.scene.tell({ appended: value });
    this.wal.append(value).subscribe({ error: () => undefined });
  }

  appendAll(values: readonly string[]): void {
    this.scene.tell({ appendedAll: values });
    this.wal.appendAll(values).subscribe({ error: () => undefined });
  }

  rotate(): void {
    this.wal.rotate().catch(() => undefined);
  }

  sync(): void {
    this.wal.sync().catch(() => undefined);
  }

  checkpoint(lsn: number): void {
    const asked: Checkpoint = { lsn, epoch: (this.wal.checkpointEpoch ?? 0) + 1 };
    this.scene.tell({ asked });
    this.wal.checkpoint(asked).then(
      () => {
        this.scene.tell({ saved: asked });
      },
      () => undefined,
    );
  }

  /** Lets what is on its way, and what waits for the clock, come to its end. */
  settle(): void {
    this.clock.flush();
  }

  close(): void {
    this.wal.complete();
    this.settle();
  }
}

/** Opens the log where nothing may keep it from opening. */
export function openLife(scene: Scene): Life {
  const life = Life.open(scene);
  if (life instanceof Life) return life;
  assert.ok(life.error, 'opening never came back');
  throw life.error as Error;
}
