/*
 * Takes the picture of the README, of a real run: `npm run screenshot`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { main } from '../../examples/dashboard';

const PICTURE = join(__dirname, '../../examples/dashboard.png');
const RUN_MS = 75_000;
/** Points on the time axis, one a second. */
const POINTS = 62;

async function take(url: string): Promise<void> {
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    await page.goto(url);
    // Asked once a report: the page is measured, too.
    const response = page.evaluate(`new Promise((done) => {
      const stream = new EventSource('/events');
      stream.addEventListener('report', () => state.points.length >= ${POINTS} && done(stream.close()));
    })`);
    await response;
    await page.screenshot({ path: PICTURE });
  } finally {
    await browser.close();
  }
}

async function run(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'orders-'));
  try {
    let taken = Promise.resolve();
    await main(dir, RUN_MS, 0, (url) => {
      taken = take(url);
    });
    await taken;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

void run();
