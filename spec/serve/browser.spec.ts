import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { openWal, type Wal } from 'rxwal';
import { serveWal } from 'rxwal/serve';
import { endAll, startSpecProgram, type Running } from '../cli/program';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
const AXE = require.resolve('axe-core/axe.min.js');
const FAST = { intervalMs: 50 };

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

describe('the page in a browser', () => {
  if (CHROMIUM === undefined) {
    // In CI a test that cannot run is a failure; elsewhere it says why it does not.
    (process.env['CI'] ? it : it.skip)('needs chromium', () => {
      throw new Error('chromium is not there');
    });
    return;
  }

  let root: string;
  let browser: Browser;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'rxwal-browser-'));
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  });

  afterAll(async () => {
    await browser.close();
    await endAll();
    rmSync(root, { recursive: true, force: true });
  });

  /** Opens a page, and notes what it says to the console and whom it asks. */
  async function visit(
    url: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ page: Page; complaints: string[]; hosts: Set<string> }> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    const complaints: string[] = [];
    const hosts = new Set<string>();
    page.on('console', (message) => {
      if (message.type() !== 'log') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    await page.goto(url);
    return { page, complaints, hosts };
  }

  const figure = (page: Page, name: string) =>
    page
      .locator('#figures > div')
      .filter({ has: page.getByText(name, { exact: true }) })
      .locator('dd');
  const shows = async (page: Page, name: string, text: string): Promise<void> => {
    await figure(page, name)
      .filter({ hasText: new RegExp(`^${text}$`) })
      .waitFor();
  };

  /** Asks until it is so. The page's policy forbids what the browser's own waiting does. */
  const until = async (page: Page, expression: string): Promise<void> => {
    while ((await page.evaluate(expression)) !== true);
  };

  async function violations(page: Page): Promise<Violation[]> {
    // The page's own policy allows no script from elsewhere; the debugger is not bound by it.
    await page.evaluate(readFileSync(AXE, 'utf8'));
    const { violations: found } = await page.evaluate<{ violations: Violation[] }>('axe.run()');
    return found.map(({ id, nodes }) => ({
      id,
      nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })),
    }));
  }

  async function appended(wal: Wal<unknown>, records: number): Promise<void> {
    const acks = Array.from({ length: records }, (_, n) => firstValueFrom(wal.append({ n, text: `<b>${n}</b>` })));
    await Promise.all(acks);
  }

  describe('of a log of this process', () => {
    let wal: Wal<unknown>;

    beforeEach(async () => {
      wal = await openWal<unknown>(mkdtempSync(join(root, 'own-')), { maxSegmentBytes: 4096 });
    });

    afterEach(() => wal.close());

    it('shows what the log says, while it is being written', async () => {
      await using served = await serveWal(wal, FAST);
      await appended(wal, 300);
      const { page, complaints, hosts } = await visit(served.url);
      await shows(page, 'Durable LSN', '300');
      expect(await page.locator('#status').textContent()).toBe('Open in this process');
      expect(await page.locator('#dir').textContent()).toBe(wal.dir);

      await appended(wal, 5);
      await page.locator('#entries tr').first().filter({ hasText: '305' }).waitFor();
      expect(await page.locator('#entries tr').count()).toBe(20);
      // Text, and no element.
      expect(await page.locator('#entries code').first().textContent()).toBe('{"n":4,"text":"<b>4</b>"}');
      expect(await page.locator('#entries b').count()).toBe(0);

      await wal.hold('mailer', 100);
      await wal.checkpoint({ lsn: 200 });
      await shows(page, 'Checkpoints', '1');
      await page.locator('#readers tr').waitFor();
      expect((await page.locator('#readers td').allTextContents()).filter((_, at) => at !== 3)).toEqual([
        ...['mailer', '100', '205', 'behind'],
      ]);
      await page.getByText('kept from LSN 101 on for the reader mailer').waitFor();
      await page.getByText('checkpoint 1 at LSN 200').waitFor();
      await page.getByText('Segments as a table').click();
      const files = (await wal.logFiles()).map((path) => path.slice(-16)).reverse();
      await page
        .locator('#segments tr')
        .nth(files.length - 1)
        .waitFor();
      expect(await page.locator('#segments td:first-child').allTextContents()).toEqual(files);
      // One block for each, and the marker of the checkpoint.
      expect(await page.locator('#map div').count()).toBe(files.length);
      expect(await page.locator('#map span').allTextContents()).toEqual(['checkpoint 200', 'mailer']);

      // The histogram's table adds up to the commits that there were.
      await page.getByText('Commits by records as a table').click();
      const { batchRecords } = await page.evaluate<{ batchRecords: { count: number; sum: number } }>(
        'state.report.metrics',
      );
      expect(batchRecords.sum).toBe(305);
      const counts = await page.locator('#figure-batchRecords tbody td:last-child').allTextContents();
      expect(counts.reduce((sum, text) => sum + Number(text), 0)).toBe(batchRecords.count);
      expect(await page.locator('#figure-commit [role=img]').getAttribute('aria-label')).toMatch(
        /^Commit \(write \+ fsync\): mean .* ms at most; 99th percentile .* ms at most$/,
      );
      expect({ complaints, hosts: [...hosts] }).toEqual({ complaints: [], hosts: [new URL(served.url).host] });
    });

    it('says that the log closes, and then that the server has gone', async () => {
      const served = await serveWal(wal, FAST);
      await appended(wal, 3);
      const { page } = await visit(served.url);
      await shows(page, 'Durable LSN', '3');
      await wal.close();
      await page
        .locator('#status')
        .filter({ hasText: /^Closed$/ })
        .waitFor();
      // Late clients hear it too.
      const late = await visit(served.url);
      await late.page
        .locator('#status')
        .filter({ hasText: /^Closed$/ })
        .waitFor();
      await shows(late.page, 'Durable LSN', '3');
      await served.close();
      await page.locator('#status.alarm').waitFor();
      expect(await page.locator('#status').textContent()).toBe('No connection to the server: trying again');
    });

    it('comes back by itself when the server does, with its history', async () => {
      const first = await serveWal(wal, FAST);
      const { page } = await visit(first.url);
      await appended(wal, 4);
      await shows(page, 'Durable LSN', '4');
      await first.close();
      await page.locator('#status.alarm').waitFor();
      await using second = await serveWal(wal, { ...FAST, port: Number(new URL(first.url).port) });
      await appended(wal, 1);
      await shows(page, 'Durable LSN', '5');
      expect(second.url).toBe(first.url);
      expect(await page.locator('#status.alarm').count()).toBe(0);
    });

    it.each(['light', 'dark'] as const)('has no fault that axe finds, %s', async (colorScheme) => {
      await using served = await serveWal(wal, FAST);
      await appended(wal, 200);
      await wal.hold('mailer', 20);
      await wal.checkpoint({ lsn: 50 });
      const { page } = await visit(served.url, { colorScheme, reducedMotion: 'reduce' });
      await shows(page, 'Checkpoints', '1');
      await page.locator('#entries tr').first().waitFor();
      for (const summary of await page.locator('summary').all()) await summary.click();
      await page.locator('#figure-records tbody tr').first().waitFor();
      expect(await violations(page)).toEqual([]);
      await wal.close();
      await page
        .locator('#status')
        .filter({ hasText: /^Closed$/ })
        .waitFor();
      await served.close();
      await page.locator('#status.alarm').waitFor();
      expect(await violations(page)).toEqual([]);
    });

    it('can be walked through by keyboard', async () => {
      await using served = await serveWal(wal, FAST);
      await appended(wal, 10);
      const { page } = await visit(served.url);
      await page.locator('#entries tr').first().waitFor();
      const focused = (): Promise<string> =>
        page.evaluate(
          `(({ id, tagName, textContent, ariaLabel }) => id || ariaLabel || tagName + ' ' + textContent.trim())(document.activeElement)`,
        );
      const stops: string[] = [];
      const outlines = new Set<unknown>();
      for (let stop = 0; stop < 12; stop += 1) {
        await page.keyboard.press('Tab');
        const at = await focused();
        stops.push(at);
        // The browser draws the focus as the page asks for it.
        outlines.add(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'));
        if (at === 'entries-table') break;
      }
      expect(stops).toEqual([
        'A Skip to the figures',
        'pause',
        'theme',
        'SUMMARY Records a second as a table',
        'SUMMARY Bytes a second as a table',
        'SUMMARY Commit (write + fsync) as a table',
        'SUMMARY Batch and queue, in records as a table',
        'SUMMARY Commits by duration as a table',
        'SUMMARY Commits by records as a table',
        'SUMMARY Segments as a table',
        'entries-table',
      ]);
      expect([...outlines]).toEqual(['solid']);

      // Back, and each does what it says.
      await page.locator('#pause').focus();
      await page.keyboard.press('Space');
      expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('true');
      await appended(wal, 1);
      await until(page, 'state.waiting?.durableLsn === 11');
      expect(await figure(page, 'Durable LSN').textContent()).toBe('10');
      await page.keyboard.press('Space');
      await shows(page, 'Durable LSN', '11');

      await page.locator('#theme').focus();
      await page.keyboard.press('d');
      await until(page, `document.documentElement.dataset.theme === 'dark'`);
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(18, 23, 28)');
      await page.reload();
      await until(page, `document.documentElement.dataset.theme === 'dark'`);

      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(await focused()).toBe('main');
    });
  });

  describe("of another process's log", () => {
    async function writerOn(dir: string): Promise<Running> {
      const writer = startSpecProgram(
        'writer.ts',
        dir,
        JSON.stringify({ durability: { mode: 'sync' }, maxSegmentBytes: 4096 }),
      );
      await writer.next();
      return writer;
    }

    async function tell(writer: Running, command: string): Promise<void> {
      writer.send(command);
      await writer.next();
    }

    it('shows what the files tell, and says what they do not; closed, opened again, truncated and removed in words', async () => {
      const dir = join(root, 'another');
      const writer = await writerOn(dir);
      await tell(writer, 'append 30');
      await using served = await serveWal(dir, FAST);
      const { page, complaints, hosts } = await visit(served.url);
      const status = (text: RegExp): Promise<void> => page.locator('#status').filter({ hasText: text }).waitFor();
      await status(/^Not closed: a process has it open, or a crash has left it$/);
      await page.getByText('is known only inside the writing process').waitFor();
      expect(await page.locator('#figures dt').allTextContents()).toEqual(['Records/s', 'Bytes/s', 'Last durable LSN']);
      expect(await page.locator('#figure-commit').isVisible()).toBe(false);
      expect(await page.locator('#histograms-section').isVisible()).toBe(false);

      // A next segment proves that all before it is durable.
      await tell(writer, 'append 101');
      await tell(writer, 'rotate');
      await shows(page, 'Last durable LSN', '131');
      await page.locator('#entries code').first().filter({ hasText: '"n":131' }).waitFor();
      await tell(writer, 'checkpoint 120');
      await page.getByText('checkpoint 1 at LSN 120').waitFor();
      expect(await violations(page)).toEqual([]);

      await tell(writer, 'close');
      await writer.ended;
      await status(/^Closed: it ends with a mark for LSN 131, and nothing has been written since$/);
      const next = await writerOn(dir);
      await tell(next, 'append 11');
      await tell(next, 'rotate');
      await shows(page, 'Last durable LSN', '142');
      await status(/^Not closed/);
      await next.kill();
      rmSync(dir, { recursive: true });
      await status(/^The directory is not there$/);
      const again = await writerOn(dir);
      await tell(again, 'append 8');
      await tell(again, 'rotate');
      await shows(page, 'Last durable LSN', '8');
      expect({ complaints, hosts: [...hosts] }).toEqual({ complaints: [], hosts: [new URL(served.url).host] });
    });
  });
});
