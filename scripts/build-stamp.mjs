// What an addon is built from, in one hash: native sources, cmake files and the package's version. It is compiled into the addon
// (`buildStamp`), so that a binary can be told from one of other sources. Choices (matrix products, CUDA) are not part of it; `onelogit info`
// tells them.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files below a directory of `root`, as paths with '/' relative to `root`. */
function filesIn(root, directory) {
  return readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const path = `${directory}/${entry.name}`;
    return entry.isDirectory() ? filesIn(root, path) : [path];
  });
}

/** SHA-256, in hexadecimal, of the sources of the package in the directory `root`. */
export function buildStamp(root) {
  const hash = createHash('sha256');
  // A length before each text: nothing can move from one to the next unseen.
  const add = (text) => hash.update(`${text.length} `).update(text);
  add(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
  for (const path of ['CMakeLists.txt', ...filesIn(root, 'cmake'), ...filesIn(root, 'native')].sort()) {
    add(path);
    add(readFileSync(join(root, path)));
  }
  return hash.digest('hex');
}
