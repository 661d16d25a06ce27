import assert from 'node:assert/strict';
import type { PowerCutTest } from 'rxwal/testing';
import { openLife, type LogSetup, type Scene } from './life';
import type { Told } from './told';

/**
 * What must hold of a log after a power cut: every record that was promised is there, in order, once and unchanged; nothing is there
 * that was not appended; and the log goes on: append, close, open, all is there, and clean.
 */
export function checkLog(setup: LogSetup): PowerCutTest<Told>['check'] {
  return (disk, before, promise, random) => {
    const told = [...before];
    const tell = (word: Told): void => {
      told.push(word);
      promise(word);
    };
    const scene: Scene = { disk, setup, told, tell, random };
    const life = openLife(scene);
    const { lastLsn } = life.wal;
    life.append(`after the cut ${random()}`);
    // As often as not the next checkpoint, or the next segment, meets what the cut has left.
    const next = random();
    if (next < 0.25) life.rotate();
    else if (next < 0.5) life.checkpoint(lastLsn);
    life.sync();
    life.settle();
    assert.equal(life.wal.durableLsn, lastLsn + 1, 'an append after the cut is not durable');
    life.close();

    const again = openLife(scene);
    assert.ok(again.clean, 'a closed log is not clean');
    assert.equal(again.wal.lastLsn, lastLsn + 1, 'an append after the cut is gone');
    again.close();
  };
}
