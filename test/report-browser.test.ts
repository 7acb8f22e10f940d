/** A report as it is read: in a browser, by mouse, keyboard and finger, in the light and in the dark. */

import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { layers, Model } from '../src/index.js';
import type { ReportData } from '../src/report/page/report-data.js';
import { shortName } from '../src/short-name.js';
import { launchBrowser, needsBrowser, openReport, screenshot } from './helpers/browser.js';
import { countReaching, datasetOf, identityModel, type Logits, randomLogits, readReport } from './helpers/report.js';

const directory = await mkdtemp(join(tmpdir(), 'onelogit-report-'));
const classes = 40;
const problem = randomLogits(2000, classes);
const classNames = Array.from({ length: classes }, (_, j) => ['cat', 'dog', 'bird', 'fish', 'tree'][j % 5] + (j < 5 ? '' : ` ${j}`));
const thresholds = Float32Array.from({ length: classes }, (_, j) => 4 + j / 20);
const small = join(directory, 'small.html');
let data: ReportData;
let browser: Browser | undefined;

async function writeReport(path: string, logits: Logits, names?: string[]): Promise<ReportData> {
  using model = await identityModel(logits.classes, names ? { classNames: names } : {});
  await model.evaluate(datasetOf(logits), {
    report: { path, model: 'animals.safetensors', data: 'animals/ (test)', ...(logits === problem ? { thresholds } : {}) },
  });
  return readReport(path).data;
}

beforeAll(async () => {
  data = await writeReport(small, problem, classNames);
});
beforeEach(async (context) => {
  needsBrowser(context);
  browser ??= await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await rm(directory, { recursive: true, force: true });
});

const text = (page: Page, id: string) => page.evaluate((name) => document.getElementById(name)!.textContent!, id);
const rows = (page: Page) =>
  page.evaluate(() => [...document.querySelectorAll('#classes-body tr')].map((row) => [...row.children].map((cell) => cell.textContent!)));
const number = (shown: string) => Number(shown.replace('−', '-'));

/** What the page says at the threshold that it shows. */
async function reading(page: Page) {
  return {
    threshold: number(await text(page, 'threshold-value')),
    precision: await text(page, 'precision'),
    recall: await text(page, 'recall'),
    falsePositiveRate: await text(page, 'false-positive-rate'),
    sentence: await text(page, 'reading'),
  };
}

function expected(threshold: number, one?: number) {
  const { truePositives, falsePositives, positives, negatives } = countReaching(problem, threshold, one);
  return {
    precision: truePositives + falsePositives === 0 ? '–' : (truePositives / (truePositives + falsePositives)).toFixed(4),
    recall: (truePositives / positives).toFixed(4),
    truePositives,
    falsePositives,
    negatives,
  };
}

const setSlider = (page: Page, index: number) =>
  page.evaluate((value) => {
    const slider = document.getElementById('threshold') as HTMLInputElement;
    slider.value = String(value);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  }, index);

describe('a report in a browser', () => {
  it('shows what reaches the threshold, of all classes and of each, wherever the slider is', async () => {
    const { page, complaints } = await openReport(browser!, small);
    const last = data.edges.length - 1;
    for (const one of [undefined, 0, 7, 38]) {
      await page.selectOption('#scope', one === undefined ? '' : String(one));
      for (const index of [1, Math.round(last * 0.3), Math.round(last * 0.55), Math.round(last * 0.7), last]) {
        await setSlider(page, index);
        const shown = await reading(page);
        const { precision, recall, truePositives, falsePositives, negatives } = expected(data.edges[index]!, one);
        expect(shown).toMatchObject({ precision, recall });
        expect(shown.threshold).toBeCloseTo(data.edges[index]!, 6);
        expect(shown.sentence).toContain(truePositives.toLocaleString('en-US'));
        expect(shown.sentence).toContain(`${falsePositives.toLocaleString('en-US')} `);
        expect(Math.abs(Number(shown.falsePositiveRate.replace('…', '')) - falsePositives / negatives)).toBeLessThan(1e-4);
      }
    }
    // Buttons set what their names say; thresholds of the model are those that were given.
    await page.selectOption('#scope', '7');
    await page.click('#presets [data-preset="0.9"]');
    expect(Number(await text(page, 'recall'))).toBeGreaterThanOrEqual(0.9);
    expect(await text(page, 'precision')).toBe(data.perClass.find((one) => one.class === 7)!.precisionAt90.toFixed(4));
    await page.click('#presets [data-preset=calibrated]');
    const { precision, recall } = expected(thresholds[7]!, 7);
    expect(await reading(page)).toMatchObject({ precision, recall });
    await page.selectOption('#scope', '');
    expect(await page.isDisabled('#presets [data-preset=calibrated]')).toBe(true);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('draws the figures, and moves the threshold where the histogram is pressed', async () => {
    const { page, complaints } = await openReport(browser!, small);
    const ink = (id: string) =>
      page.evaluate((name) => {
        const canvas = document.querySelector<HTMLCanvasElement>(`#${name} canvas`)!;
        const { data: pixels } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Map<string, number>();
        for (let i = 0; i < pixels.length; i += 4)
          if (pixels[i + 3]! > 200) {
            const colour = `${pixels[i]! >> 4},${pixels[i + 1]! >> 4},${pixels[i + 2]! >> 4}`;
            colours.set(colour, (colours.get(colour) ?? 0) + 1);
          }
        return [...colours.values()].filter((pixelsOfColour) => pixelsOfColour > 50).length;
      }, id);
    expect(await ink('histogram')).toBeGreaterThanOrEqual(3); // right, wrong, text
    expect(await ink('curve')).toBeGreaterThanOrEqual(2);
    await page.evaluate(() => document.getElementById('thresholds')!.scrollIntoView());
    const over = (await page.locator('#histogram .u-over').boundingBox())!;
    for (const share of [0.25, 0.6]) {
      await page.mouse.click(over.x + share * over.width, over.y + 50);
      const wanted = data.edges[0]! + share * (data.edges.at(-1)! - data.edges[0]!);
      const width = data.edges[1]! - data.edges[0]!;
      const shown = await reading(page);
      expect(Math.abs(shown.threshold - wanted)).toBeLessThanOrEqual(width);
      expect(shown).toMatchObject({ recall: expected(data.edges[Number(await page.inputValue('#threshold'))]!).recall });
      // The thumb of the slider is below the line.
      const slider = (await page.locator('#threshold').boundingBox())!;
      const thumb = slider.x + 10 + ((slider.width - 20) * Number(await page.inputValue('#threshold'))) / (data.edges.length - 1);
      expect(Math.abs(thumb - (over.x + share * over.width))).toBeLessThan(6);
    }
    await page.mouse.move(over.x + 0.3 * over.width, over.y + 40);
    await page.mouse.down();
    await page.mouse.move(over.x + 0.5 * over.width, over.y + 60, { steps: 5 });
    await page.mouse.up();
    expect((await reading(page)).threshold).toBeCloseTo(data.edges[0]! + 0.5 * (data.edges.at(-1)! - data.edges[0]!), 0);
    await page.click('#logarithmic');
    expect(await ink('histogram')).toBeGreaterThanOrEqual(2);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('sorts and searches classes, a page at a time', async () => {
    const { page, complaints } = await openReport(browser!, small);
    expect(await rows(page)).toHaveLength(25);
    const byPrecision = [...data.perClass].map((one) => one.averagePrecision.toFixed(4));
    expect((await rows(page)).map((cells) => cells[2])).toEqual(byPrecision.slice(0, 25));
    const sorted = () =>
      page.evaluate(() =>
        [...document.querySelectorAll('#classes-head th')].map((header) => header.getAttribute('aria-sort')).map((order) => order ?? ''),
      );
    expect(await sorted()).toEqual(['', '', 'ascending', '', '', '', '', '']);
    const header = page.locator('#classes-head button');
    await header.nth(1).click();
    await header.nth(1).click();
    expect(await sorted()).toEqual(['', 'descending', '', '', '', '', '', '']);
    const examples = (await rows(page)).map((cells) => Number(cells[1]));
    expect(examples).toEqual([...examples].sort((a, b) => b - a));
    expect(examples[0]).toBe(Math.max(...data.perClass.map((one) => one.positives)));
    await page.click('#next');
    expect(await rows(page)).toHaveLength(data.perClass.length - 25);
    expect(await text(page, 'shown')).toBe(`26–${data.perClass.length} of ${data.perClass.length} classes`);
    // By the thresholds' own columns, too.
    await header.nth(6).click();
    const recalls = (await rows(page)).map((cells) => Number(cells[6]));
    expect(recalls).toEqual([...recalls].sort((a, b) => a - b));

    await page.fill('#search', 'BIRD');
    expect((await rows(page)).every((cells) => cells[0]!.includes('bird'))).toBe(true);
    expect(await rows(page)).toHaveLength(8);
    expect(await page.isVisible('#pages')).toBe(false);
    await page.fill('#search', '17');
    expect((await rows(page)).map((cells) => cells[0])).toEqual(['17bird 17']);
    await page.click('#classes-body button');
    expect(await page.inputValue('#scope')).toBe('17');
    expect(await page.evaluate(() => document.activeElement!.id)).toBe('scope');
    expect(await text(page, 'reading')).toContain(`examples of this class`);
    await page.fill('#search', 'nothing of the kind');
    expect(await rows(page)).toHaveLength(0);
    expect(await text(page, 'shown')).toBe('No class has this in its name or number.');
    // A pair of classes leads to the class.
    await page.locator('#confusions button[data-choose]').first().click();
    expect(await page.inputValue('#scope')).toBe(await page.locator('#confusions button[data-choose]').first().getAttribute('data-choose'));
    const shownPairs = () => page.locator('#confusions tbody tr:not([hidden])').count();
    expect(await shownPairs()).toBe(12);
    await page.click('#more-confusions');
    expect(await shownPairs()).toBeGreaterThan(12);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('can be used by keyboard alone, and has a name for everything', async () => {
    const { page, complaints } = await openReport(browser!, small);
    const focused = () => page.evaluate(() => document.activeElement!.id || document.activeElement!.textContent);
    await page.keyboard.press('Tab');
    expect(await focused()).toContain('Skip to');
    await page.keyboard.press('Enter');
    for (const wanted of ['scope', 'logarithmic', 'threshold', 'recall 0.9', 'recall 0.99']) {
      await page.keyboard.press('Tab');
      expect(await focused()).toBe(wanted);
    }
    await page.focus('#threshold');
    const before = await reading(page);
    const position = Number(await page.inputValue('#threshold'));
    for (const [key, by] of [
      ['ArrowRight', 1],
      ['ArrowUp', 2],
      ['ArrowLeft', 1],
    ] as const) {
      await page.keyboard.press(key);
      expect(Number(await page.inputValue('#threshold'))).toBe(position + by);
    }
    const after = await reading(page);
    expect(after).toMatchObject({
      precision: expected(data.edges[position + 1]!).precision,
      recall: expected(data.edges[position + 1]!).recall,
    });
    expect(after.threshold).not.toBe(before.threshold);
    expect(await page.getAttribute('#threshold', 'aria-valuetext')).toBe(
      `${await text(page, 'threshold-value')}: precision ${after.precision}, recall ${after.recall}`,
    );
    await page.keyboard.press('End');
    expect((await reading(page)).precision).toBe('–');
    await page.keyboard.press('Home');
    expect(Number((await reading(page)).recall)).toBe(1);
    // A class by its first letters, in the list.
    await page.focus('#scope');
    await page.keyboard.type('17');
    await page.keyboard.press('Enter');
    expect(await page.inputValue('#scope')).toBe('17');
    await page.focus('#classes-head th:nth-child(4) button');
    await page.keyboard.press('Enter');
    expect(await page.getAttribute('#classes-head th:nth-child(4)', 'aria-sort')).toBe('ascending');

    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button, input, select, summary, [role=img], [role=region], section')]
        .filter((node) => {
          const labels = (node as HTMLInputElement).labels;
          const labelledBy = node.getAttribute('aria-labelledby');
          const name =
            node.getAttribute('aria-label') ??
            (labelledBy ? document.getElementById(labelledBy)?.textContent : undefined) ??
            (labels?.length ? labels[0]!.textContent : node.matches('section') ? '' : node.textContent);
          return !name?.trim();
        })
        .map((node) => node.outerHTML.slice(0, 100)),
    );
    expect(nameless).toEqual([]);
    // Figures are tables, too.
    await page.click('#tables summary');
    await page.waitForSelector('#tables tbody tr'); // they are filled when the browser says that they were opened
    const tables = await page.evaluate(() => [...document.querySelectorAll('#tables-body tbody')].map((body) => body.children.length));
    expect(tables[0]).toBeGreaterThan(10);
    expect(tables[1]).toBe(12);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('follows the system to the dark, changes by its button, and keeps text readable in both', async () => {
    const { page, complaints } = await openReport(browser!, small, { colorScheme: 'dark' });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const contrasts = () =>
      page.evaluate(() => {
        const luminance = (colour: string) => {
          const [r, g, b] = [...colour.matchAll(/[\d.]+/g)].slice(0, 3).map(([value]) => {
            const c = Number(value) / 255;
            return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
        };
        const groundOf = (node: Element | null): string => {
          for (let at = node; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (colour !== 'rgba(0, 0, 0, 0)') return colour;
          }
          return 'rgb(255, 255, 255)';
        };
        const poor: string[] = [];
        for (const node of document.querySelectorAll<HTMLElement>('body *')) {
          const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent!.trim() !== '');
          if (!own || node.closest('script, option, [hidden], :disabled, .skip, details:not([open]) > :not(summary)')) continue;
          const [a, b] = [luminance(getComputedStyle(node).color), luminance(groundOf(node))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) poor.push(`${node.tagName} ${node.className} ${ratio.toFixed(2)}`);
        }
        return poor;
      });
    const dark = await ground();
    expect(await contrasts()).toEqual([]);
    await screenshot(page, directory, 'dark');
    await page.click('#theme');
    const light = await ground();
    expect(light).toBe('rgb(255, 255, 255)');
    expect(dark).not.toBe(light);
    expect(await contrasts()).toEqual([]);
    await page.click('#theme');
    expect(await ground()).toBe(dark);
    await page.click('#theme');
    await page.emulateMedia({ colorScheme: 'light' });
    expect(await ground()).toBe(light);
    await screenshot(page, directory, 'light');
    await page.selectOption('#scope', '12');
    await page.click('#presets [data-preset=calibrated]');
    await page.evaluate(() => document.getElementById('thresholds')!.scrollIntoView());
    await screenshot(page, directory, 'light-class', false);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await ground()).toBe(light);
    expect(await page.isVisible('#threshold')).toBe(false);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('fits screens of any width', async () => {
    const { page, complaints } = await openReport(browser!, small);
    for (const width of [360, 480, 719, 721, 760, 900, 1024, 1920]) {
      await page.setViewportSize({ width, height: 900 });
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      expect([width, await page.evaluate(() => document.documentElement.scrollWidth)]).toEqual([width, width]);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('says without JavaScript what needs it, and shows the rest', async () => {
    const page = await (await browser!.newContext({ javaScriptEnabled: false })).newPage();
    await page.goto(pathToFileURL(small).href);
    expect(await page.locator('.warning').innerText()).toContain('need JavaScript');
    for (const hidden of ['#threshold', '#search', '#theme']) expect(await page.isVisible(hidden)).toBe(false);
    for (const shown of ['.measures', '#confusions table', '.facts >> nth=0']) expect(await page.isVisible(shown)).toBe(true);
    await page.context().close();
  });

  it('fits a telephone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, complaints } = await openReport(browser!, small, { width: 360, height: 740, colorScheme });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
      await page.selectOption('#scope', '3');
      const canvas = (await page.locator('#histogram canvas').boundingBox())!;
      expect(canvas.x + canvas.width).toBeLessThanOrEqual(360);
      await screenshot(page, directory, `mobile-${colorScheme}`);
      // As much as the new width allows.
      await page.setViewportSize({ width: 800, height: 740 });
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      expect((await page.locator('#histogram canvas').boundingBox())!.width).toBeGreaterThan(600);
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  });

  it('can fetch nothing, run no text and be sent nowhere', async () => {
    const { page } = await openReport(browser!, small);
    const tried = await page.evaluate(async () => {
      const refused = async (attempt: () => unknown) => {
        try {
          await attempt();
          return false;
        } catch {
          return true;
        }
      };
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      // Not eval: what playwright evaluates may.
      setTimeout('window.ran = true' as unknown as () => void);
      const image = new Image();
      const failed = new Promise((resolve) => {
        image.onerror = () => resolve(true);
        image.onload = () => resolve(false);
      });
      image.src = 'http://127.0.0.1:9/x.png';
      return {
        fetch: await refused(() => fetch('http://127.0.0.1:9/')),
        image: await failed,
        script: (window as { ran?: boolean }).ran === undefined,
      };
    });
    expect(tried).toEqual({ fetch: true, image: true, script: true });
    await page.context().close();
  });

  it('shows names as text, whatever is in them', async () => {
    const names = [
      '</script><img src=x onerror="window.hacked = 1">',
      '<b>bold</b> &amp; "quotes"',
      '\u202e\u05e9\u05dc\u05d5\u05dd right to left',
      '👩‍👩‍👧‍👦',
      `very long ${'name'.repeat(400)}`,
      '\u2028\0',
      '<script>window.hacked = 2</script>',
    ];
    const path = join(directory, 'hostile.html');
    await writeReport(path, randomLogits(300, names.length), names);
    const { page, complaints } = await openReport(browser!, path, { width: 360 });
    const shown = (await rows(page)).map((cells) => cells[0]!);
    for (const name of names.slice(0, 5)) expect(shown.some((cell) => cell.endsWith(shortName(name)))).toBe(true);
    for (const one of ['0', '1', '2', '4']) await page.selectOption('#scope', one);
    expect(await page.evaluate(() => (window as { hacked?: number }).hacked)).toBeUndefined();
    expect(await page.evaluate(() => document.querySelectorAll('img, b').length)).toBe(0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    await screenshot(page, directory, 'hostile');
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('says that not all classes are listed, where they are not', async () => {
    const path = join(directory, 'many.html');
    const many = 2600;
    using model = Model.sequential({ inputShape: [8], layers: [layers.dense(many)], seed: 1 });
    const labels = Int32Array.from({ length: many }, (_, i) => i);
    const inputs = Float32Array.from({ length: many * 8 }, (_, i) => 3 * Math.sin(i * 1.7 + i * i));
    await model.evaluate({ inputs, labels, inputShape: [8], classes: many, length: many }, { report: path });
    const listed = readReport(path).data.perClass;
    const shown = listed.length.toLocaleString('en-US');
    expect(listed.length).toBeLessThanOrEqual(2000);
    const { page, complaints } = await openReport(browser!, path);
    expect(await page.locator('#classes').innerText()).toContain(`Not all classes are listed. 2,600 classes occur in these examples;`);
    expect(await text(page, 'shown')).toBe(`1–25 of the ${shown} hardest classes`);
    const present = new Set(listed.map((one) => one.class));
    const absent = labels.findLast((one) => !present.has(one))!;
    await page.fill('#search', String(absent));
    expect(await text(page, 'shown')).toBe(
      `None of the ${shown} hardest classes has this in its name or number; the others are not in this file.`,
    );
    await page.fill('#search', String(listed[0]!.class));
    expect(await text(page, 'shown')).toMatch(/^1–\d+ of \d+ class(es)?$/);
    await page.fill('#search', '');
    await page.evaluate(() => document.getElementById('classes')!.scrollIntoView());
    await screenshot(page, directory, 'many', false);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('is small and ready at once with 1,000 classes', async () => {
    const path = join(directory, 'thousand.html');
    const thousand = randomLogits(20_000, 1000, 2);
    const report = await writeReport(path, thousand);
    expect(report.perClass).toHaveLength(999);
    expect(statSync(path).size).toBeLessThan(3_000_000);
    const { page, complaints, ready } = await openReport(browser!, path);
    expect(ready).toBeLessThan(3000);
    const start = Date.now();
    for (const one of [5, 400, 998]) await page.selectOption('#scope', String(one));
    await page.fill('#search', '99');
    expect(Date.now() - start).toBeLessThan(3000);
    const index = Math.round(report.edges.length * 0.6);
    await setSlider(page, index);
    const { truePositives, positives } = countReaching(thousand, report.edges[index]!, 998);
    expect(await text(page, 'recall')).toBe((truePositives / positives).toFixed(4));
    await screenshot(page, directory, 'thousand');
    console.log(`report of 1,000 classes: ${statSync(path).size} bytes, ready after ${Math.round(ready)} ms`);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
