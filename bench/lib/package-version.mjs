import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Of a package installed in bench/. */
export function version(name) {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../node_modules/${name}/package.json`, import.meta.url)), 'utf8')).version;
}
