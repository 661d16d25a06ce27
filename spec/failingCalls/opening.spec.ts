import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULTS, type Fault } from './faults';
import { IMAGES, makeImage, type ImageName } from './images';
import { sweep } from './sweep';
import { ALL_OF_THEM, Tally } from './tally';
import { groupFor } from './groupFor';
import { Runner } from './runner';

const runner = new Runner();

afterAll(() => runner.end());

/** In the usual run: the image in which an opening has everything to do gets nearly every fault, the others some. */
const FAULTS_OF: Readonly<Partial<Record<ImageName, RegExp>>> = {
  'a crash during a truncation, a torn tail, half-made files': /^(?!EDQUOT|EFBIG|ENFILE|EROFS)/,
  'a torn tail': /^(EIO, once|ENOSPC|EMFILE, once|land|a short)/,
  'a crash during a rotation': /^(EIO, once|ENOSPC, once|land)/,
};
const USUAL = /^(EIO, once|EMFILE, once)/;

/**
 * A directory as a close or a crash has left it is opened, read, appended to and closed, twice; one call of all that fails. The
 * opening is refused, nothing was changed where nothing was to be mended, and the next opening finds everything.
 */
groupFor(runner)('a call that fails while a log is opened', () => {
  const tally = new Tally();
  const dir = mkdtempSync(join(tmpdir(), 'rxwal-images-'));

  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  describe.each(IMAGES)('%s', (image) => {
    const faults = FAULTS_OF[image] ?? USUAL;
    const chosen = FAULTS.filter(({ name }) => ALL_OF_THEM || faults.test(name));

    it.each(chosen.map((fault): [string, Fault] => [fault.name, fault]))('%s', async (name, fault) => {
      const swept = await sweep(runner, await makeImage(image, dir), fault);
      tally.add(name, swept);
      expect(swept.complaints).toEqual([]);
      expect(swept.points).toBeGreaterThan(0);
    });
  });

  it('had these faults', () => {
    tally.say('injected into an opening');
    expect(tally.points).toBeGreaterThan(500);
  });
});
