#!/usr/bin/env node
// What prebuildify starts in the place of node-gyp, whose arguments (a version of Node, a cache of its headers) mean nothing here: the binary is
// the same for every Node.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './paths.mjs';

const { status } = spawnSync(process.execPath, [join(root, 'scripts/build-native.mjs'), '--prebuild'], { stdio: 'inherit' });
process.exitCode = status ?? 1;
