/** Whatever a page or a source file refers to is there. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { anchorsOf, filesBelow, inlineCodeOf, linksOf, type Page, pages } from './documentation/markdown.js';
import { packageRoot } from './helpers/process.js';

const anchors = new Map<string, Set<string>>();

/** The anchors of a page; undefined for a file that is none. */
function anchorsIn(path: string): Set<string> | undefined {
  const page = pages.find((one) => one.path === path);
  if (page && !anchors.has(path)) anchors.set(path, anchorsOf(page));
  return anchors.get(path);
}

/** What is wrong with a link of a page; undefined if nothing is. Other sites are not asked. */
function wrong(target: string, page: Page): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) {
    const url = URL.canParse(target) ? new URL(target) : undefined;
    const fine = url && (url.protocol === 'https:' || url.protocol === 'http:') && url.hostname.includes('.') && !/\s/.test(target);
    return fine ? undefined : 'no address of a site';
  }
  const [file, anchor] = decodeURI(target).split('#') as [string, string | undefined];
  const path = file === '' ? page.path : normalize(join(dirname(page.path), file)).replace(/\/$/, '');
  if (path.startsWith('..')) return 'outside the repository';
  if (path !== page.path && !existsSync(join(packageRoot, path))) return 'no such file';
  if (anchor === undefined) return undefined;
  const known = path === page.path ? anchorsOf(page) : anchorsIn(path);
  if (!known) return `no page, so without '#${anchor}'`;
  return known.has(anchor) ? undefined : `no such heading; there are ${[...known].join(', ')}`;
}

const deadLinks = (page: Page) =>
  linksOf(page).flatMap(({ target, line }) => {
    const reason = wrong(target, page);
    return reason === undefined ? [] : [`${page.path}:${line}: ${target}: ${reason}`];
  });

/** Pages and scripts that text mentions: `docs/x.md#heading`, `npm run x`, `node bench/x.mjs`. */
function deadMentions(text: string, where: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const dead: string[] = [];
  for (const [, path, anchor] of text.matchAll(/(?<![\w/.-])(docs\/[\w/-]+\.md)(?:#([\w-]+))?/g)) {
    if (!existsSync(join(packageRoot, path!))) dead.push(`${where}: ${path} is not there`);
    else if (anchor !== undefined && !anchorsIn(path!)!.has(anchor)) dead.push(`${where}: ${path} has no heading #${anchor}`);
  }
  for (const [, path] of text.matchAll(/\bnode ((?:bench|examples|scripts)\/[\w/-]+\.mjs)/g))
    if (!existsSync(join(packageRoot, path!))) dead.push(`${where}: ${path} is not there`);
  for (const [, script, prefix] of text.matchAll(/\bnpm run(?: --silent)? ([\w:-]*\w)( --prefix)?/g))
    if (prefix === undefined && !(script! in scripts)) dead.push(`${where}: there is no script ${script}`);
  return dead;
}

describe('links', () => {
  it.each(pages.map((page) => [page.path, page] as const))('of %s lead to what is there', (_, page) => {
    expect(deadLinks(page)).toEqual([]);
  });

  it('lead from somewhere: they are found in pages', () => {
    expect(pages.flatMap(linksOf).length).toBeGreaterThan(50);
  });

  it('reach every page of docs/ from README', () => {
    const reached = new Set<string>();
    const follow = (path: string) => {
      const page = pages.find((one) => one.path === path);
      if (!page || reached.has(path)) return;
      reached.add(path);
      for (const { target } of linksOf(page)) follow(normalize(join(dirname(path), target.split('#')[0]!)));
    };
    follow('README.md');
    const all = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/'));
    expect(all.filter((path) => !reached.has(path))).toEqual([]);
    expect(all.length).toBeGreaterThan(8);
  });

  const planted = (text: string): Page => ({ path: 'docs/planted.md', text });

  it.each([
    ['[x](nothing.md)', /nothing\.md: no such file/],
    ['[x](../src/nothing.ts)', /no such file/],
    ['[x](losses.md#nothing)', /losses\.md#nothing: no such heading/],
    ['[x](#nothing)', /#nothing: no such heading/],
    ['[x](../LICENSE#a)', /no page/],
    ['[x](../../elsewhere.md)', /outside the repository/],
    ['![x](../bench/results/nothing.svg)', /no such file/],
    ['<img src="nothing.svg" alt="">', /nothing\.svg: no such file/],
    ['| a |\n| --- |\n| [x](nothing.md) |', /docs\/planted\.md:\d+: nothing\.md/],
    ['[x][y]\n\n[y]: nothing.md', /nothing\.md/],
    ['[x](https://)', /no address/],
    ['[x](htps://example.org)', /no address/],
    ['[x](https://localhost/a)', /no address/],
  ])('finds %j', (text, complaint) => {
    const [dead, ...others] = deadLinks(planted(text));
    expect(dead).toMatch(complaint);
    expect(others).toEqual([]);
  });

  it('finds nothing where nothing is wrong', () => {
    const text =
      '# A `b` & c\n\n## A `b` & c\n\n[1](#a-b--c) [2](#a-b--c-1) [3](losses.md#one-by-one) [4](../bench/) [5](https://example.org/a#b) [6](#here) <a id="here"></a>';
    expect(deadLinks(planted(text))).toEqual([]);
  });
});

describe('mentions', () => {
  const sources = filesBelow(packageRoot).filter(
    (path) =>
      /\.(?:ts|mjs|js|cc|h|cu|c|py|sh|cmake|json|yml)$|\/(?:CMakeLists\.txt|run)$/.test(path) &&
      !/package-lock\.json$|\/bench\/results\/|\/test\/golden\/.*\.json$/.test(path) &&
      statSync(path).size < 1e6,
  );

  it('of pages and scripts in source files are right', () => {
    const own = /\/test\/(?:links|documentation)\.test\.ts$/; // which plant wrong ones
    const dead = sources
      .filter((path) => !own.test(path))
      .flatMap((path) => deadMentions(readFileSync(path, 'utf8'), relative(packageRoot, path)));
    expect(dead).toEqual([]);
    expect(sources.length).toBeGreaterThan(300);
  });

  it('of scripts in pages are right', () => {
    const dead = pages.flatMap((page) => inlineCodeOf(page).flatMap(({ code, line }) => deadMentions(code, `${page.path}:${line}`)));
    expect(dead).toEqual([]);
  });

  it.each([
    ['// see docs/nothing.md', 'x: docs/nothing.md is not there'],
    ['// see docs/losses.md#nothing', 'x: docs/losses.md has no heading #nothing'],
    ['node bench/nothing.mjs', 'x: bench/nothing.mjs is not there'],
    ['npm run nothing', 'x: there is no script nothing'],
  ])('finds %j', (text, complaint) => {
    expect(deadMentions(text, 'x')).toEqual([complaint]);
  });
});
