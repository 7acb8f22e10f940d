// The notices of what is linked into a prebuilt addon, from the copies on the machine that builds it: they are of the versions that were linked.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The file of notices, beside the addon. */
export const noticesFile = 'NOTICES.txt';

/** Paths that a pattern with '*' in its parts stands for. */
function matches(pattern) {
  return pattern
    .split('/')
    .slice(1)
    .reduce(
      (directories, part) =>
        directories.flatMap((directory) => {
          if (!part.includes('*')) return existsSync(`${directory}/${part}`) ? [`${directory}/${part}`] : [];
          const name = new RegExp(`^${part.replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
          try {
            return readdirSync(directory || '/')
              .filter((entry) => name.test(entry))
              .sort()
              .map((entry) => `${directory}/${entry}`);
          } catch {
            return [];
          }
        }),
      [''],
    );
}

/** The text of the first of these files that there is. */
function text(component, patterns) {
  const path = patterns.flatMap(matches)[0];
  if (path === undefined)
    throw new Error(
      `Expected the licence of ${component} on this machine but received none of ${patterns.join(', ')}: add its place to scripts/package/notices.mjs`,
    );
  return readFileSync(path, 'utf8').trim();
}

const nodeAddonApi = () => ({
  name: 'node-addon-api',
  use: 'Headers, compiled into it.',
  text: text('node-addon-api', [join(dirname(require.resolve('node-addon-api')), 'LICENSE.md')]),
});

const openblas = (version) => ({
  name: version,
  use: 'Linked statically: single-precision matrix products and what they need. Its LAPACK is not part of it.',
  text: text('OpenBLAS', [
    '/usr/share/doc/libopenblas-dev/copyright',
    '/usr/share/licenses/openblas*/LICENSE',
    '/usr/share/doc/openblas*/LICENSE',
  ]),
});

const gcc = () => ({
  name: 'libstdc++ and libgcc, of GCC',
  use: 'Linked statically, under the GPL with the GCC Runtime Library Exception, which permits that without conditions for the whole.',
  text: text('GCC', [
    '/usr/share/doc/gcc-*-base/copyright',
    '/opt/rh/gcc-toolset-*/root/usr/share/licenses/gcc*/COPYING.RUNTIME',
    '/usr/share/licenses/libgcc*/COPYING.RUNTIME',
  ]),
});

const cuda = (version) => ({
  name: `NVIDIA CUDA runtime ${version} (libcudart_static)`,
  use: 'Linked statically. A redistributable part of the CUDA Toolkit (Attachment A of its End User License Agreement).',
  text: 'Copyright NVIDIA Corporation. All rights reserved. Terms: https://docs.nvidia.com/cuda/eula/',
});

/** What an addon holds that is not of this package, by what it says of itself (inspect.mjs). */
function components({ openblas: linked, cuda: gpu }) {
  return [
    nodeAddonApi(),
    ...(process.platform === 'linux' ? [gcc()] : []),
    ...(linked === undefined ? [] : [openblas(linked)]),
    ...(gpu.compiled ? [cuda(gpu.runtime)] : []),
  ];
}

/** Names of what the notices of an addon must speak of. */
export const componentNames = (inspected) => components(inspected).map(({ name }) => name);

/** Writes the notices beside a prebuilt addon. */
export function writeNotices(path, inspected) {
  const parts = components(inspected);
  const line = '-'.repeat(100);
  writeFileSync(
    join(dirname(path), noticesFile),
    [
      `${basename(path)} is part of onelogit (Apache-2.0) and holds, beside its own code:`,
      '',
      ...parts.map(({ name }) => `- ${name}`),
      ...parts.flatMap(({ name, use, text }) => ['', line, name, use, line, '', text]),
      '',
    ].join('\n'),
  );
}
