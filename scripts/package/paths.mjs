import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of package.json. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
/** Where the addon for this platform lies in the package. */
export const prebuildDirectory = join(root, 'prebuilds', `${process.platform}-${process.arch}`);
/** That addon. */
export const prebuild = join(prebuildDirectory, process.platform === 'linux' ? 'onelogit.glibc.node' : 'onelogit.node');
/** What `npm run test:package` makes: the tarball, Node's other versions, installations. */
export const packageBuild = join(root, 'build-package');
