/** What the build makes of the sources: `scripts/build-typescript.mjs`. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as sources from '../src/index.js';
import { packageRoot, packageUrl, runModule } from './helpers/process.js';

const dist = join(packageRoot, 'dist');

/** Everything that a module exports, as text: functions and classes by their own names, objects by those of their properties. */
const describeExports = `
  const describe = (value) =>
    typeof value === 'function' ? [value.name, ...Object.getOwnPropertyNames(value.prototype ?? {})].join() : typeof value === 'object' ? Object.keys(value).join() : String(value);
  const exported = (module) => Object.fromEntries(Object.entries(module).map(([name, value]) => [name, describe(value)]));
`;

it('exports what the sources export, under the same names', async () => {
  const { stdout, stderr } = await runModule(`${describeExports} console.log(JSON.stringify(exported(await import('${packageUrl}'))));`);
  expect(stderr).toBe('');
  const exported = new Function(`${describeExports} return exported;`)() as (module: object) => object;
  expect(JSON.parse(stdout)).toEqual(exported(sources));
});

it('reads few files when it is imported', async () => {
  // Every module of the package that is loaded by import is looked up by this hook.
  const hook = `
    let files = 0;
    export async function load(url, context, next) {
      if (url.includes('/dist/')) process._rawDebug('loaded ' + url);
      return next(url, context);
    }`;
  const { stderr } = await runModule(`
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hook)}));
    await import('${packageUrl}');`);
  const loaded = stderr.match(/loaded \S+/g) ?? [];
  expect(loaded.length).toBeGreaterThan(0);
  expect(loaded.length).toBeLessThanOrEqual(3);
});

it('has no file without a use: stale output, maps, declarations that nothing leads to', () => {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(dist, path)).isFile());
  expect(files.filter((path) => !/^[\w/-]+\.(js|d\.ts)$/.test(path))).toEqual([]);
  // What index.d.ts leads to is not of the command.
  expect(files.filter((path) => path.startsWith('cli/') && path.endsWith('.d.ts'))).toEqual([]);
});
