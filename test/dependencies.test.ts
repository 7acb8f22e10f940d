/** Every dependency has a line that says why it is there: docs/dependencies.md and the README of each example. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './helpers/process.js';

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8');

/** What a package.json asks for, `name version`; of examples not this package. */
function wanted(directory: string): Record<string, string[]> {
  const manifest = JSON.parse(read(join(directory, 'package.json')));
  const kinds = { dependencies: {}, peerDependencies: {}, devDependencies: {}, overrides: {}, ...manifest };
  return Object.fromEntries(
    ['dependencies', 'peerDependencies', 'devDependencies', 'overrides'].map((kind) => [
      kind,
      Object.entries(kinds[kind])
        .filter(([, version]) => version !== 'file:../..')
        .map(([name, version]) => `${name} ${version}`)
        .sort(),
    ]),
  );
}

/** The rows of a page's section: `name version`, from tables whose rows begin with `` | `name` version | reason | ``. */
function listed(path: string, heading: string): string[] {
  const [section, ...others] = read(path)
    .split(/^(?=#{2,3} )/m)
    .filter((part) => part.startsWith(`${heading}\n`));
  expect(others.length === 0 && section, `${path} has one section '${heading}'`).toBeTruthy();
  return [...section!.matchAll(/^\| `([^`]+)` ([^|]+?)(?: \([^|]*\))? \| ([^|]+) \|/gm)]
    .map(([, name, version, reason]) => {
      expect(reason!.trim().length, `a reason for ${name} in ${path}`).toBeGreaterThan(10);
      return `${name} ${version}`;
    })
    .sort();
}

const examples = readdirSync(join(packageRoot, 'examples')).filter((name) =>
  existsSync(join(packageRoot, 'examples', name, 'package.json')),
);

describe('docs/dependencies.md', () => {
  const page = 'docs/dependencies.md';
  const own = wanted('.');

  it('lists what is installed with the package', () => {
    expect(listed(page, '## Installed with the package')).toEqual(own.dependencies);
    expect(own.dependencies!.length, 'production dependencies').toBeLessThanOrEqual(4);
  });

  it('lists what is used where it is installed', () => {
    expect(listed(page, '## Used where they are installed')).toEqual(own.peerDependencies);
  });

  it('lists what development needs', () => {
    expect(listed(page, '## For development')).toEqual(own.devDependencies);
  });

  it('lists what benchmarks compare with', () => {
    const { dependencies, devDependencies } = wanted('bench');
    expect(listed(page, '## For benchmarks')).toEqual([...dependencies!, ...devDependencies!].sort());
  });

  it('pins everything that users do not choose', () => {
    for (const directory of ['.', 'bench', ...examples.map((name) => `examples/${name}`)]) {
      const { dependencies, devDependencies, overrides } = wanted(directory);
      for (const dependency of [...dependencies!, ...devDependencies!, ...overrides!]) expect(dependency).toMatch(/ \d+\.\d+\.\d+$/);
    }
  });
});

describe.each(examples)('examples/%s', (name) => {
  it('lists what it needs', () => {
    const { dependencies, devDependencies, overrides } = wanted(`examples/${name}`);
    expect(listed(`examples/${name}/README.md`, '## Dependencies')).toEqual([...dependencies!, ...devDependencies!, ...overrides!].sort());
  });
});
