/** What the Markdown files of this repository hold: code blocks, links, headings. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import GithubSlugger from 'github-slugger';
import MarkdownIt from 'markdown-it';
import { packageRoot } from '../helpers/process.js';

/** A page, by its path from the root of the repository. */
export interface Page {
  path: string;
  text: string;
}

/** A fenced block. Lines are counted from 1; `line` is that of its first line, below the fence. */
export interface Block {
  /** What follows the fence: `'ts'`; `'sh'` where nothing does. */
  language: string;
  text: string;
  line: number;
  /** Why it is not run, from a comment above it: `<!-- not run: needs a GPU -->`. */
  notRun?: string;
}

export interface Link {
  target: string;
  line: number;
}

const markdown = new MarkdownIt({ html: true });

/** Every directory but those that hold what others wrote, or what was built. */
const isOurs = (name: string) =>
  !['node_modules', '.git', '.gpu', '.cache', 'dist', 'build', 'state'].includes(name) && !name.startsWith('build-');

/** Paths of all files below a directory, in the order of their letters. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => isOurs(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
    });
}

/** Every Markdown file of the repository. */
export const pages: readonly Page[] = filesBelow(packageRoot)
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path: relative(packageRoot, path), text: readFileSync(path, 'utf8') }));

/** What a source file's comments say, each line where it is in the file. */
function commentsOf(text: string): string {
  const comments = text.matchAll(/^[ \t]*\/\*\*.*?\*\//gms);
  const lines = text.split('\n').map(() => '');
  for (const { 0: comment, index } of comments) {
    const first = text.slice(0, index).split('\n').length - 1;
    for (const [i, line] of comment.split('\n').entries()) lines[first + i] = line.replace(/^\s*(?:\/\*\*|\*\/|\*) ?/, '');
  }
  return lines.join('\n');
}

/** The source files whose exports are public: those that index.ts exports from, and so on. */
function publicFiles(path = join(packageRoot, 'src/index.ts'), found = new Set<string>()): Set<string> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, other] of readFileSync(path, 'utf8').matchAll(/^export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;]*?from '(\.[^']+)\.js'/gm))
    publicFiles(join(dirname(path), `${other}.ts`), found);
  return found;
}

/** Of those, whose comments have examples. */
const examples: readonly Page[] = [...publicFiles()]
  .map((path) => ({ path: relative(packageRoot, path), text: commentsOf(readFileSync(path, 'utf8')) }))
  .filter(({ text }) => text.includes('```'));

/** Whose code blocks are run: not those of results, which programs wrote. */
export const documentation: readonly Page[] = [...pages.filter(({ path }) => !path.startsWith('bench/results/')), ...examples];

const notRun = /^<!--\s*not run:\s*(.*?)\s*-->\s*$/s;

export function blocksOf({ text }: Page): Block[] {
  const blocks: Block[] = [];
  let comment: string | undefined;
  for (const token of markdown.parse(text, {})) {
    if (token.type === 'fence') {
      const language = token.info.trim().split(/\s/)[0] || 'sh';
      blocks.push({ language, text: token.content, line: token.map![0] + 2, ...(comment === undefined ? {} : { notRun: comment }) });
    }
    comment = token.type === 'html_block' ? notRun.exec(token.content)?.[1] : undefined;
  }
  return blocks;
}

/** Links and images, those in HTML included. */
export function linksOf({ text }: Page): Link[] {
  const links: Link[] = [];
  for (const token of markdown.parse(text, {})) {
    const line = (token.map?.[0] ?? 0) + 1;
    const html = (content: string) => {
      for (const [, target] of content.matchAll(/\b(?:href|src|srcset)\s*=\s*"([^"]*)"/g)) links.push({ target: target!, line });
    };
    if (token.type === 'html_block') html(token.content);
    for (const child of token.children ?? []) {
      if (child.type === 'html_inline') html(child.content);
      const target = child.attrGet(child.type === 'image' ? 'src' : 'href');
      if ((child.type === 'image' || child.type === 'link_open') && target !== null) links.push({ target: String(target), line });
    }
  }
  return links;
}

/** What a link to a place in the page may end with: the headings, as GitHub names them, and explicit ids. */
export function anchorsOf({ text }: Page): Set<string> {
  const slugger = new GithubSlugger();
  const anchors = new Set<string>();
  const tokens = markdown.parse(text, {});
  for (const [i, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      const shown = (tokens[i + 1]!.children ?? []).filter(({ type }) => type === 'text' || type === 'code_inline');
      anchors.add(slugger.slug(shown.map(({ content }) => content).join('')));
    }
    const html = token.type === 'html_block' ? token.content : (token.children ?? []).map(({ content }) => content).join('');
    for (const [, id] of html.matchAll(/<[a-z]+ [^>]*\b(?:id|name)="([^"]+)"/g)) anchors.add(id!);
  }
  return anchors;
}

/** Inline code, with the line of its paragraph. */
export function inlineCodeOf({ text }: Page): { code: string; line: number }[] {
  return markdown
    .parse(text, {})
    .flatMap((token) =>
      (token.children ?? [])
        .filter(({ type }) => type === 'code_inline')
        .map(({ content }) => ({ code: content, line: (token.map?.[0] ?? 0) + 1 })),
    );
}
