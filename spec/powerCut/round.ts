import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkedCut } from './checkedCut';
import { CutDisks, copyImage } from './cutDisk';
import type { FileSystem } from './fileSystems';
import { drawOpenings, unsyncedOpenings } from './plan';
import { behindRecords, drawCuts, type PowerCut } from './powerCut';
import type { Draw } from '../support/draw';
import type { Tally } from './tally';
import { Truth, type Promised } from './truth';
import type { Opening } from './writer';
import { runFiles, writtenRun, type Place } from './writtenRun';

/** The disk that a power cut has left, for the next round to go on with. */
export interface Leftover {
  readonly image: string;
  readonly truth: Truth;
  readonly promised: Promised;
  /** The number of the next opening. */
  readonly opening: number;
}

export interface RoundSettings extends Place {
  readonly fileSystem: FileSystem;
  /** The writer syncs nothing and says that all is durable: the violations are counted, and wanted. */
  readonly isLying: boolean;
  /** Where to keep what shows a violation. */
  readonly keptDir: string;
  readonly hasTime: () => boolean;
  /** Called when the writer has done its work. */
  readonly written: () => void;
}

/** Something that must not be, with all that shows it kept. */
export class Violation extends Error {}

/** Power cuts that are drawn together, and then made in the order of the journal. */
const CUTS_AT_A_TIME = 12;

/**
 * A writer on a recorded disk, then power cuts in its history until the time is over.
 *
 * @param before the disk to go on with; a new one where there is none.
 * @returns one of the disks that the power cuts left.
 */
export async function round(
  settings: RoundSettings,
  before: Leftover | undefined,
  random: Draw,
  tally: Tally,
): Promise<Leftover | undefined> {
  const { fileSystem, workDir, isLying, hasTime } = settings;
  const base = join(workDir, 'base.img');
  if (before) copyImage(before.image, base);
  else fileSystem.make(base);
  const mountOptions = random.pick(fileSystem.writeOptions);
  const work = {
    firstOpening: before?.opening ?? 1,
    openings: isLying ? unsyncedOpenings() : drawOpenings(random),
    closes: !isLying && random.chance(0.5),
    isLying,
  };
  const { journal, promises, failures, complaint } = await writtenRun(settings, { base, mountOptions }, work);
  settings.written();
  const truth = new Truth(before);
  for (const line of promises) truth.hear(line);
  tally.addRun(truth.durableLsn - (before?.promised.durableLsn ?? 0), failures);
  const found = (wrong: readonly string[], image: string, cut?: PowerCut): void => {
    if (wrong.length > 0 && !isLying)
      throw keep(settings, image, { wrong, cut: cut && told(cut), mountOptions, ...work });
  };
  const wrong = complaint === undefined ? truth.wrong : [...truth.wrong, complaint];
  tally.violations += wrong.length;
  found(wrong, base);
  const moments = behindRecords(journal);
  const firstFailure = journal.findIndex(({ kind }) => kind === 'failed');

  let leftover: Leftover | undefined;
  const image = join(workDir, 'cut.img');
  const cutRandom = random.fork();
  while (hasTime()) {
    const disks = new CutDisks(journal, base, join(workDir, 'flushed.img'));
    for (const cut of drawCuts(journal, moments, CUTS_AT_A_TIME, cutRandom)) {
      if (!hasTime()) break;
      disks.make(cut, image);
      const promised = truth.at(journal[cut.entries - 1]?.end ?? 0);
      const left = join(workDir, 'left.img');
      const goesOn = leftover === undefined || cutRandom.chance(0.1);
      if (goesOn) {
        copyImage(image, left);
        leftover = { image: left, truth, promised, opening: work.firstOpening + work.openings.length };
      }
      const checkRandom = cutRandom.fork();
      const finding = await checkedCut(fileSystem, image, workDir, truth, promised, checkRandom);
      // What its own file system cannot mount is counted, and nothing goes on from it.
      if (goesOn && typeof finding === 'string') leftover = undefined;
      tally.addCut(finding, cut.isLossy, firstFailure >= 0 && firstFailure < cut.entries);
      if (typeof finding !== 'string' && finding.violations.length > 0) {
        disks.make(cut, image);
        found(finding.violations, image, cut);
      }
    }
  }
  return isLying ? undefined : leftover;
}

/** A power cut without the bytes. */
function told({ kept, ...cut }: PowerCut): object {
  return { ...cut, kept: kept.map(({ offset, bytes }) => [offset, bytes.length]) };
}

interface Story {
  readonly wrong: readonly string[];
  readonly cut: object | undefined;
  readonly mountOptions: string;
  readonly openings: readonly Opening[];
}

/** Keeps the image and what leads to it, and says where. */
function keep(settings: RoundSettings, image: string, story: Story): Violation {
  const { keptDir, workDir, fileSystem } = settings;
  mkdirSync(keptDir, { recursive: true });
  const { journal, promises } = runFiles(workDir);
  for (const file of [image, journal, promises, join(workDir, 'base.img')]) copyImage(file, keptDir);
  const text = JSON.stringify(story, undefined, 2);
  writeFileSync(join(keptDir, 'story.json'), text);
  return new Violation(
    `${fileSystem.name}: ${story.wrong.join('; ')}\nkept in ${keptDir}: the image, the writer's base, its journal and its ` +
      `promises, and story.json`,
  );
}
