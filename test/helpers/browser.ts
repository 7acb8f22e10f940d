/** Pages in Debian's Chromium, driven by playwright-core. */
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/// <reference lib="dom.asynciterable" />
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { TestContext } from 'vitest';
import { needs } from './example.js';

const executablePath = '/usr/bin/chromium';

/** Skips the test where there is no Chromium; in CI it fails then. */
export function needsBrowser(context: TestContext): void {
  needs(executablePath, existsSync(executablePath), 'apt-get install chromium', context);
}

// Root, as in CI, has no sandbox.
export const launchBrowser = (): Promise<Browser> => chromium.launch({ executablePath, args: ['--no-sandbox'] });

export interface OpenedPage {
  page: Page;
  /** What the console said, errors that nobody caught, and requests for anything but the file. */
  complaints: string[];
  /** Milliseconds from the start of navigation until the page's program was through. */
  ready: number;
}

/** A report, once its program has run. */
export async function openReport(
  browser: Browser,
  path: string,
  { width = 1280, height = 900, colorScheme = 'light' as 'light' | 'dark', reducedMotion = 'reduce' as const } = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion });
  const page = await context.newPage();
  const complaints: string[] = [];
  const url = pathToFileURL(path).href;
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  // Not playwright's own waiting, which evaluates text in the page: the page's policy forbids that.
  const ready = () => page.evaluate(() => document.documentElement.dataset.ready !== undefined);
  for (const end = Date.now() + 30_000; !(await ready()); ) {
    if (Date.now() > end) throw new Error(`Expected the report to be ready within 30 s: ${complaints.join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { page, complaints, ready: await page.evaluate(() => performance.getEntriesByName('ready')[0]!.startTime) };
}

/** A picture of the page, in `directory`, or where `ONELOGIT_SCREENSHOTS` says, to be looked at. */
export async function screenshot(page: Page, directory: string, name: string, fullPage = true): Promise<string> {
  const to = process.env.ONELOGIT_SCREENSHOTS ?? directory;
  mkdirSync(to, { recursive: true });
  const path = join(to, `${name}.png`);
  await page.screenshot({ path, fullPage });
  return path;
}
