import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ExampleProcess, exampleDirectory, needs, needsExample, requireFromExample } from './helpers/example.js';
import { writeTinyIdx } from './helpers/tiny-idx.js';

const name = 'image-search';
const chromium = '/usr/bin/chromium';
const classes = 300;
const cache = await mkdtemp(join(tmpdir(), 'onelogit-image-search-'));
const running: ExampleProcess[] = [];

function start(...args: string[]): ExampleProcess {
  const server = new ExampleProcess(name, 'server.mjs', ['--port', '0', '--cache', cache, ...args]);
  running.push(server);
  return server;
}

/** The server of most tests; trains at its first start. */
let shared: Promise<string> | undefined;
const address = () => {
  shared ??= start('--classes', String(classes)).find(/Searching at (\S+)/, 100_000);
  return shared;
};

afterAll(async () => {
  for (const server of running) server.kill('SIGKILL');
  await rm(cache, { recursive: true, force: true });
});

beforeEach((context) => needsExample(name, context));

/** A stream of events, as the page reads it. */
async function* events(url: string): AsyncGenerator<{ event: string; data: Record<string, unknown> }> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, event] = /^event: (.*)$/m.exec(text.slice(0, end))!;
      const [, data] = /^data: (.*)$/m.exec(text.slice(0, end))!;
      text = text.slice(end + 2);
      yield { event: event!, data: JSON.parse(data!) };
    }
  }
}

/** Reads until a number of matches and a report with costs have come. */
async function watch(classId: number, wanted: number) {
  const matches: Record<string, unknown>[] = [];
  let report: Record<string, unknown> | undefined;
  for await (const { event, data } of events(`${await address()}/events?class=${classId}`)) {
    if (event === 'match') matches.push(data);
    if (event === 'report' && data.costs) report = data;
    if (matches.length >= wanted && report) break;
  }
  return { matches, report: report! };
}

describe('the server', () => {
  it('keeps its network beside itself, whatever is in the name of that directory', async () => {
    const directory = join(cache, 'a copy 100% é');
    for (const part of ['server.mjs', 'lib', 'package.json'])
      await cp(exampleDirectory(name) + part, join(directory, part), { recursive: true });
    await symlink(`${exampleDirectory(name)}node_modules`, join(directory, 'node_modules'));
    // No network, so that it ends at once; in any other place it would look in vain, and begin to train.
    const kept = join(directory, '.cache', 'glyphs-2.safetensors');
    await mkdir(join(directory, '.cache'));
    await writeFile(kept, 'no network');
    const server = new ExampleProcess(name, join(directory, 'server.mjs'), ['--port', '0', '--classes', '2']);
    running.push(server);
    expect(await server.find(/^(Using .*|Training)/m)).toBe(`Using ${kept}; remove it to train again`);
    expect((await server.exited).code).toBe(1);
  });

  it('gives every browser matches of the class it asked for, most of them truly of that class', async () => {
    const all = await Promise.all([7, 123, 7].map(async (classId) => ({ classId, ...(await watch(classId, 12)) })));
    let right = 0;
    for (const { classId, matches, report } of all) {
      for (const match of matches) {
        expect(match.score).toBeGreaterThanOrEqual(match.threshold as number);
        expect(Buffer.from(match.image as string, 'base64')).toHaveLength(784);
        expect(match.right).toBe(match.label === classId);
        if (match.right) right++;
      }
      expect(new Set(matches.map(({ source }) => source)).size).toBeGreaterThan(1);
      expect(report).toMatchObject({ sources: [{ name: 'Gate' }, { name: 'Yard' }, { name: 'Dock' }, { name: 'Attic' }] });
      const costs = report.costs as { one: number; all: number; predict: number };
      expect(costs.one).toBeGreaterThan(0);
      expect(costs.all).toBeGreaterThan(costs.one);
      expect(costs.predict).toBeGreaterThan(costs.one);
    }
    expect(right / (3 * 12)).toBeGreaterThan(0.75);
  });

  it('refuses classes that there are not', async () => {
    for (const wrong of ['', '?class=', '?class=-1', `?class=${classes}`, '?class=1.5', '?class=seven', '?class=1&class=2']) {
      const response = await fetch(`${await address()}/events${wrong}`);
      expect([wrong, response.status]).toEqual([wrong, 400]);
    }
    expect((await fetch(`${await address()}/portraits?from=0&count=101`)).status).toBe(400);
    expect((await (await fetch(`${await address()}/portraits?from=${classes - 2}&count=100`)).json()) as unknown[]).toHaveLength(2);
  });

  it('forgets matches that a slow connection does not take, and says how many', async () => {
    // Every image matches sooner or later with 2 classes: thousands a second, more than the sockets between us hold.
    const server = start('--classes', '2', '--rate', '8000');
    const url = await server.find(/Searching at (\S+)/, 100_000);
    const response = await new Promise<IncomingMessage>((resolve, reject) =>
      get(`${url}/events?class=1`, { highWaterMark: 1024 } as object, resolve).on('error', reject),
    );
    response.pause();
    await new Promise((resolve) => setTimeout(resolve, 4000));
    // It reads on: the counts come with the next report.
    let tail = '';
    response.setEncoding('utf8');
    for await (const chunk of response) {
      tail = (tail + chunk).slice(-4096);
      if (/"forgotten":[1-9]/.test(tail)) break;
    }
    expect(tail).toMatch(/"forgotten":[1-9]/);
    server.kill('SIGKILL');
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'ends with 0 on %s though browsers are connected, and uses its cache at the next start',
    async (signal) => {
      await address();
      expect(existsSync(join(cache, `glyphs-${classes}.safetensors`))).toBe(true);
      const server = start('--classes', String(classes));
      const url = await server.find(/Searching at (\S+)/);
      expect(server.stderr).not.toContain('Training');
      const streams = [1, 2].map(async (classId) => {
        for await (const _ of events(`${url}/events?class=${classId}`));
      });
      await new Promise((resolve) => setTimeout(resolve, 700));
      server.kill(signal);
      await Promise.all(streams); // ended, not broken off
      expect(await server.exited).toEqual({ code: 0, signal: null });
    },
  );

  it('streams a data set instead', async () => {
    await writeTinyIdx(join(cache, 'tiny'));
    const url = await start('--data', join(cache, 'tiny')).find(/Searching at (\S+)/, 100_000);
    expect(await (await fetch(`${url}/about`)).json()).toMatchObject({ classes: 4, inputShape: [6, 6, 1] });
    for await (const { event, data } of events(`${url}/events?class=2`)) {
      if (event !== 'match') continue;
      expect(Buffer.from(data.image as string, 'base64')).toHaveLength(36);
      break;
    }
  });

  it.each([
    [['--clases', '5'], "Unknown option '--clases'"],
    [['--classes', 'many'], "Expected an integer from 2 to 20000 for --classes but received 'many'"],
    [['--classes', '5', '--data', 'x'], 'Expected one of --data and --classes but received both'],
  ])('refuses %j', async (args, message) => {
    const server = start(...args);
    expect(await server.exited).toMatchObject({ code: 1 });
    expect(server.stderr).toContain(message);
    expect(server.stderr).not.toContain('    at ');
  });
});

/** What is used of playwright's page. */
interface Page {
  goto(url: string): Promise<unknown>;
  evaluate<T>(expression: string): Promise<T>;
  screenshot(options: { path: string }): Promise<unknown>;
  on(event: string, listener: (value: { text?(): string }) => void): void;
  keyboard: { press(key: string): Promise<void>; type(text: string): Promise<void> };
  locator(selector: string): { click(): Promise<void>; focus(): Promise<void> };
}

describe('the page, in a browser', () => {
  it.each(['light', 'dark'])('searches for another class whenever asked, by mouse and keyboard (%s)', async (colorScheme) => {
    const url = await address();
    const browser = await requireFromExample(name, 'playwright-core').chromium.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    try {
      const page: Page = await (await browser.newContext({ colorScheme, viewport: { width: 1280, height: 900 } })).newPage();
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text!()));
      page.on('pageerror', (error) => complaints.push(String(error)));

      // Not playwright's own waiting: it evaluates in the page, which the page's policy forbids.
      const until = async (condition: string) => {
        for (const end = Date.now() + 30_000; !(await page.evaluate(condition)); )
          if (Date.now() > end) throw new Error(`Expected within 30 s: ${condition}`);
          else await new Promise((resolve) => setTimeout(resolve, 50));
      };
      const labels = () =>
        page.evaluate<number[]>(`[...document.querySelectorAll('#matches li')].map((card) => Number(card.dataset.label))`);
      const searchesFor = async (classId: number) => {
        await until(`location.hash === '#${classId}' && document.querySelectorAll('#matches li').length >= 6`);
        expect(await page.evaluate(`document.getElementById('class').value`)).toBe(String(classId));
        expect(await page.evaluate(`document.querySelector('.others [aria-pressed=true]').dataset.class`)).toBe(String(classId));
        const shown = await labels();
        expect(shown.filter((label) => label === classId).length / shown.length).toBeGreaterThan(0.6);
        expect(
          await page.evaluate(
            `[...document.querySelectorAll('#matches li')].every(({ dataset }) => Number(dataset.score) >= Number(dataset.threshold))`,
          ),
        ).toBe(true);
      };

      await page.goto(`${url}/#12`);
      await searchesFor(12);
      // A class from the list, by mouse.
      await page.locator('.others button[data-class="15"]').click();
      await searchesFor(15);
      // The field, by arrow key and by number.
      await page.locator('#class').focus();
      await page.keyboard.press('ArrowUp');
      await searchesFor(16);
      for (const key of ['Backspace', 'Backspace']) await page.keyboard.press(key);
      await page.keyboard.type('204');
      await page.keyboard.press('Enter');
      await searchesFor(204);
      // The list, by keyboard: it begins after the field, the button and nothing else.
      for (const key of ['Tab', 'Tab', 'Enter']) await page.keyboard.press(key);
      await searchesFor(200);

      // Images are drawn, not only framed.
      expect(
        await page.evaluate(
          `[...document.querySelectorAll('#matches canvas')].every((canvas) => canvas.getContext('2d').getImageData(0, 0, 28, 28).data.some((value) => value > 128))`,
        ),
      ).toBe(true);
      await until(`/^\\d+(\\.\\d)? ×$/.test(document.getElementById('ratio').textContent)`);
      for (const id of ['cost-one', 'cost-all', 'cost-predict'])
        expect(await page.evaluate(`document.getElementById('${id}').textContent`)).toMatch(/^\d+\.\d µs$/);
      // Everything that can be used has a name for those who do not see it.
      expect(
        await page.evaluate(
          `[...document.querySelectorAll('button, input, canvas:not([aria-hidden])')].filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length)).length`,
        ),
      ).toBe(0);
      await page.screenshot({ path: join(cache, `${colorScheme}.png`) });
      expect(existsSync(join(cache, `${colorScheme}.png`))).toBe(true);
      // A class that there is not: the field says so, and the search goes on.
      await page.locator('#class').focus();
      await page.keyboard.type('99');
      await page.keyboard.press('Enter');
      expect(await page.evaluate('location.hash')).toBe('#200');
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  beforeEach((context) => needs(chromium, existsSync(chromium), 'apt-get install chromium', context));
});
