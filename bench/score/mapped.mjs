// The section "left in the file": a bfloat16 head of 10⁷ classes, mapped into memory; from the disk and from the page cache.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { Contestant } from '../lib/contestant.mjs';
import { spread } from '../lib/statistics.mjs';
import { writeHeadFile } from './head-file.mjs';

const script = fileURLToPath(new URL('../contestants/score_mapped.mjs', import.meta.url));

export async function measureMapped({ quick, rounds, directory, progress }) {
  const task = { d: 64, k: quick ? 1e6 : 1e7, storage: 'bfloat16', scores: 10_000 };
  const file = join(directory, 'mapped.safetensors');
  progress(`left in the file: writing ${task.k} classes`);
  writeHeadFile(file, task);
  synchronize(file);
  try {
    const before = await state(file);
    const uncached = [];
    const cached = [];
    let bytesAfterDrop;
    for (let round = 0; round < rounds; round++) {
      progress(`left in the file: round ${round + 1} of ${rounds}`);
      bytesAfterDrop = dropFromCache(file);
      uncached.push(await run(file, task));
      await checksum(file); // reads it all
      cached.push(await run(file, task));
    }
    progress('left in the file: comparing');
    const after = await state(file);
    return {
      ...task,
      bytes: before.size,
      bytesInCacheAfterDrop: bytesAfterDrop,
      unchanged: JSON.stringify(before) === JSON.stringify(after),
      sha256: after.sha256,
      uncached: summary(uncached),
      cached: summary(cached),
    };
  } finally {
    rmSync(file);
  }
}

async function run(file, { d, k, scores }) {
  const contestant = new Contestant('mapped', process.execPath, [script, JSON.stringify({ file, d, k, scores })]);
  const said = await contestant.next();
  await contestant.close();
  return said;
}

function summary(measured) {
  const of = (value) => spread(measured.map(value));
  return {
    openMilliseconds: of(({ openMilliseconds }) => openMilliseconds),
    microseconds: of(({ microseconds }) => microseconds),
    resident: of(({ after }) => after.resident),
    anonymous: of(({ after }) => after.anonymous),
    file: of(({ after }) => after.file),
    residentBefore: of(({ before }) => before.resident),
  };
}

function synchronize(path) {
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}

/** posix_fadvise(POSIX_FADV_DONTNEED), which Node does not have. Returns the bytes that stayed in the page cache, if they can be known. */
function dropFromCache(path) {
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' });
  try {
    return Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' }));
  } catch {
    return undefined;
  }
}

async function checksum(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest('hex');
}

/** What must not change. */
async function state(path) {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  return { size: Number(size), modified: String(mtimeNs), sha256: await checksum(path) };
}
