import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogueEntry, Member } from '../src/data/catalogue.js';
import { downloadEntry } from '../src/data/download.js';
import { extractMembers } from '../src/data/tar.js';
import { datasets } from '../src/index.js';
import { mnistDirectory } from './helpers/data.js';

// Everything here talks to a server on 127.0.0.1 in this process.
let directory: string;
const servers: Server[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-download-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(directory, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const content = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 5));
const file = { name: 'data.bin', bytes: content.length, sha256: sha256(content) };

interface Request {
  url: string;
  range: string | undefined;
}

/** A mirror that does as `answer` says; returns its address and what it was asked. */
async function mirror(answer: (request: IncomingMessage, response: ServerResponse, count: number) => void) {
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    requests.push({ url: request.url ?? '', range: request.headers.range });
    answer(request, response, requests.length);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/data/`, requests };
}

/** A well-behaved answer: ranges, lengths. */
function send(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string | number> = { 'content-length': bytes.length - from, 'accept-ranges': 'bytes' };
  if (from > 0) headers['content-range'] = `bytes ${from}-${bytes.length - 1}/${bytes.length}`;
  response.writeHead(from > 0 ? 206 : 200, headers).end(bytes.subarray(from));
}

const serve = (request: IncomingMessage, response: ServerResponse) => send(request, response, content);

const missing = (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(404).end('no such file');
};

/** Announces everything, sends `length` bytes of it and breaks off. */
function breakOff(request: IncomingMessage, response: ServerResponse, length: number): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const headers: Record<string, string | number> = { 'content-length': content.length - from };
  if (from > 0) headers['content-range'] = `bytes ${from}-${content.length - 1}/${content.length}`;
  response.writeHead(from > 0 ? 206 : 200, headers);
  response.write(content.subarray(from, from + length));
  // Once they have arrived: what is still on its way when a connection breaks is lost.
  const timer = setInterval(() => {
    if ((statSync(join(directory, 'data.bin.part'), { throwIfNoEntry: false })?.size ?? 0) < from + length) return;
    clearInterval(timer);
    response.destroy();
  }, 2);
}

function run(mirrors: string[], o: { timeout?: number; signal?: AbortSignal; onProgress?: datasets.DownloadOptions['onProgress'] } = {}) {
  const entry: CatalogueEntry = { mirrors, files: [file] };
  return downloadEntry(entry, directory, o.timeout ?? 10, o.onProgress, o.signal);
}
/** By its checksum: comparing 300,000 elements one by one takes seconds. */
const arrived = async () => sha256(await readFile(join(directory, 'data.bin')));

describe('downloads', () => {
  it('fetches a file, checks it, and does not fetch it again', async () => {
    const { address, requests } = await mirror(serve);
    expect(await run([address])).toEqual({ directory, files: ['data.bin'] });
    expect(await arrived()).toBe(file.sha256);
    expect(await readdir(directory)).toEqual(['data.bin']);
    await run([address.slice(0, -1)]); // without the slash
    expect(requests).toEqual([{ url: '/data/data.bin', range: undefined }]);
  });

  it('fetches again what was changed since', async () => {
    const { address, requests } = await mirror(serve);
    await writeFile(join(directory, 'data.bin'), Buffer.alloc(content.length));
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
    expect(requests).toHaveLength(1);
  });

  it('continues after dropped connections, on the same mirror', async () => {
    const { address, requests } = await mirror((request, response, count) =>
      count <= 2 ? breakOff(request, response, 100_000) : serve(request, response),
    );
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
    expect(requests.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('continues on the next mirror what the first began', async () => {
    const first = await mirror((request, response, count) =>
      count === 1 ? breakOff(request, response, 120_000) : missing(request, response),
    );
    const second = await mirror(serve);
    await run([first.address, second.address]);
    expect(await arrived()).toBe(file.sha256);
    expect(second.requests).toEqual([{ url: '/data/data.bin', range: 'bytes=120000-' }]);
  });

  it('continues what an earlier run left', async () => {
    await writeFile(join(directory, 'data.bin.part'), content.subarray(0, 250_000));
    const { address, requests } = await mirror(serve);
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
    expect(requests).toEqual([{ url: '/data/data.bin', range: 'bytes=250000-' }]);
    expect(await readdir(directory)).toEqual(['data.bin']);
  });

  it.each([
    ['of something else', Buffer.alloc(100_000, 1)],
    ['that is complete but wrong', Buffer.alloc(content.length, 1)],
    ['that is too long', Buffer.alloc(content.length + 1, 1)],
  ])('starts over when the earlier part is one %s', async (_, part) => {
    await writeFile(join(directory, 'data.bin.part'), part);
    const { address } = await mirror(serve);
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
  });

  it('starts over at a server that ignores Range', async () => {
    await writeFile(join(directory, 'data.bin.part'), content.subarray(0, 200_000));
    const { address, requests } = await mirror((_, response) => response.writeHead(200, { 'content-length': content.length }).end(content));
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
    expect(requests[0].range).toBe('bytes=200000-');
  });

  it('lets two runs fetch the same file at the same time', async () => {
    // Each connection brings the file in pieces, so that both are under way at once.
    const { address } = await mirror(async (_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      for (let at = 0; at < content.length; at += 50_000) {
        response.write(content.subarray(at, at + 50_000));
        await sleep(5);
      }
      response.end();
    });
    await Promise.all([run([address]), run([address]), run([address])]);
    expect(await arrived()).toBe(file.sha256);
    expect(await readdir(directory)).toEqual(['data.bin']);
  });

  it('takes a body of unknown length', async () => {
    const { address } = await mirror((_, response) => response.writeHead(200).end(content));
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
  });

  it('follows a redirect', async () => {
    const { address } = await mirror((request, response) =>
      request.url?.startsWith('/data/') ? response.writeHead(302, { location: '/elsewhere' }).end() : serve(request, response),
    );
    await run([address]);
    expect(await arrived()).toBe(file.sha256);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void, string]>([
    ['says 404', missing, 'status 404'],
    ['says 500', (_, response) => response.writeHead(500).end(), 'status 500'],
    ['has another file of that size', (request, response) => send(request, response, Buffer.alloc(content.length)), 'a file with SHA-256'],
    ['has a shorter file', (request, response) => send(request, response, content.subarray(0, 9)), 'a file of 9 bytes'],
    ['sends too much', (_, response) => response.writeHead(200).end(Buffer.concat([content, content])), 'more than 300000 bytes'],
    ['ends early', (_, response) => response.writeHead(200).end(content.subarray(0, 1000)), 'status 416'],
    ['hangs up', (_, response) => response.destroy(), 'fetch failed'],
    [
      'compresses',
      (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content)),
      'content-encoding gzip',
    ],
    ['sends another range', (_, response) => response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('abcde'), 'status 206'],
  ])('goes on to the next mirror when one %s, and says why when there is none', async (what, answer, reason) => {
    const bad = await mirror((request, response, count) =>
      what === 'ends early' && count > 1 ? response.writeHead(416).end() : answer(request, response),
    );
    const failure = await run([bad.address]).catch((error) => error);
    expect(failure).toMatchObject({ name: 'OneLogitError', code: 'ERR_ONELOGIT_DOWNLOAD' });
    expect(failure.message).toContain(reason);
    expect(failure.message).toContain(`${bad.address}data.bin`);
    expect(failure.message).toContain(directory);
    expect(existsSync(join(directory, 'data.bin'))).toBe(false);
    const good = await mirror(serve);
    await run([bad.address, good.address]);
    expect(await arrived()).toBe(file.sha256);
  });

  it('gives up a mirror that falls silent, before or after the first bytes', async () => {
    const never = await mirror(() => {});
    const stalls = await mirror((_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 5000));
    });
    const failure = await run([never.address, stalls.address], { timeout: 1 }).catch((error) => error);
    expect(failure.code).toBe('ERR_ONELOGIT_DOWNLOAD');
    expect(failure.message.match(/nothing for 1 s/g)).toHaveLength(2);
    const good = await mirror(serve);
    await run([never.address, good.address], { timeout: 1 });
    expect(good.requests[0].range).toBe('bytes=5000-'); // what the mirror that stalled had brought
  });

  it('says when nobody listens', async () => {
    const { address } = await mirror(serve);
    const server = servers.pop();
    await new Promise((resolve) => server!.close(resolve));
    await expect(run([address])).rejects.toThrow('ECONNREFUSED');
  });

  it('stops when aborted, and continues the next time', async () => {
    const controller = new AbortController();
    const slow = await mirror((_, response) => {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 70_000));
    });
    const onProgress = ({ bytes }: datasets.DownloadProgress) => bytes > 0 && controller.abort();
    await expect(run([slow.address], { signal: controller.signal, onProgress })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(run([slow.address], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(slow.requests).toHaveLength(1);
    const { address, requests } = await mirror(serve);
    await run([address]);
    expect(requests[0].range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(await arrived()).toBe(file.sha256);
  });

  it('reports progress that grows to the whole', async () => {
    const { address } = await mirror(serve);
    const reports: datasets.DownloadProgress[] = [];
    const onProgress = (progress: datasets.DownloadProgress) => reports.push(progress);
    await run([address], { onProgress });
    expect(reports.at(-1)).toEqual({ file: 'data.bin', bytes: content.length, totalBytes: content.length });
    for (let i = 1; i < reports.length; i++) expect(reports[i].bytes).toBeGreaterThanOrEqual(reports[i - 1].bytes);
    reports.length = 0;
    await run([address], { onProgress });
    expect(reports).toHaveLength(1);
  });

  it('passes on what the progress call-back throws', async () => {
    const { address, requests } = await mirror(serve);
    const onProgress = () => {
      throw new Error('from the call-back');
    };
    await expect(run([address], { onProgress })).rejects.toThrow('from the call-back');
    expect(requests).toHaveLength(1);
  });

  it('says when the directory cannot be made', async () => {
    await writeFile(join(directory, 'in-the-way'), '');
    const entry: CatalogueEntry = { mirrors: ['http://127.0.0.1:9/'], files: [file] };
    await expect(downloadEntry(entry, join(directory, 'in-the-way'), 1, undefined, undefined)).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
    });
  });
});

/** A ustar archive, as small as its readers allow. */
function tar(entries: { name: string; bytes: Uint8Array; type?: string; size?: string }[], broken = false): Buffer {
  const blocks = entries.flatMap(({ name, bytes, type = '0', size }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(size ?? bytes.length.toString(8).padStart(11, '0'), 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write('ustar\0', 257);
    const sum = header.reduce((total, byte) => total + byte, broken ? 1 : 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

describe('archives', () => {
  const train = Buffer.alloc(70_000, 3);
  const members: Member[] = [{ name: 'names.txt' }, { name: 'train.bin', bytes: train.length }];
  const good = [
    { name: 'set/', bytes: Buffer.alloc(0), type: '5' },
    { name: 'set/other.bin', bytes: Buffer.alloc(777, 1) },
    { name: 'set/train.bin', bytes: train },
    { name: '../../names.txt', bytes: Buffer.from('a\nb\n') },
  ];

  async function unpack(archive: Buffer) {
    const { address, requests } = await mirror((request, response) => send(request, response, archive));
    const entry: CatalogueEntry = {
      mirrors: [address],
      files: [{ name: 'set.tar.gz', bytes: archive.length, sha256: sha256(archive) }],
      members,
    };
    return { result: await downloadEntry(entry, directory, 10, undefined, undefined), entry, requests };
  }

  it('unpacks the members that belong to the data set, under their base names', async () => {
    const { result, entry, requests } = await unpack(gzipSync(tar(good)));
    expect(result).toEqual({ directory, files: ['names.txt', 'train.bin'] });
    expect((await readdir(directory)).sort()).toEqual(['names.txt', 'train.bin']);
    expect(sha256(await readFile(join(directory, 'train.bin')))).toBe(sha256(train));
    expect(await readFile(join(directory, 'names.txt'), 'utf8')).toBe('a\nb\n');
    await downloadEntry(entry, directory, 10, undefined, undefined);
    expect(requests).toHaveLength(1);
  });

  it.each<[string, Buffer, string]>([
    ['a member is missing', tar(good.slice(0, 3)), 'names.txt'],
    ['a member has another size', tar([{ name: 'train.bin', bytes: train.subarray(1) }]), 'Expected 70000 bytes of train.bin'],
    ['a text is too long', tar([{ name: 'names.txt', bytes: Buffer.alloc(70_000) }]), 'at most 65536 bytes'],
    ['a member is a link', tar([{ name: 'names.txt', bytes: Buffer.alloc(0), type: '2' }]), 'names.txt'],
    ['a header is damaged', tar(good, true), 'a tar header with its checksum'],
    ['a size is not a number', tar([{ name: 'names.txt', bytes: Buffer.alloc(0), size: 'x' }]), 'octal digits'],
    ['it ends within a member', tar(good).subarray(0, 40_000), 'its end'],
    ['it is something else', Buffer.alloc(4000, 65), 'a tar header'],
  ])('refuses an archive of which %s', async (_, archive, message) => {
    const failure = await unpack(gzipSync(archive)).catch((error) => error);
    expect(failure).toMatchObject({ code: 'ERR_ONELOGIT_FORMAT' });
    expect(failure.message).toContain(message);
    expect(existsSync(join(directory, 'names.txt'))).toBe(false);
    expect((await readdir(directory)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('leaves alone what another process unpacks at the same time', async () => {
    const archive = join(directory, 'set.tar.gz');
    await writeFile(archive, gzipSync(tar(good)));
    const foreign = join(directory, 'train.bin.part');
    await writeFile(foreign, 'of another process');
    await extractMembers(archive, directory, members);
    expect(await readFile(foreign, 'utf8')).toBe('of another process');
    expect(sha256(await readFile(join(directory, 'train.bin')))).toBe(sha256(train));
  });

  it('says where a member cannot be written', async () => {
    await mkdir(join(directory, 'train.bin'));
    await expect(unpack(gzipSync(tar(good)))).rejects.toMatchObject({
      code: 'ERR_ONELOGIT_FILE',
      message: expect.stringMatching(/^Expected files that can be written in .* but received: EISDIR.*train.bin/),
    });
  });
});

describe('datasets.download', () => {
  it('fetches MNIST from a mirror of one’s own, to be loaded', async (context) => {
    const source = mnistDirectory(context);
    const { address, requests } = await mirror(async (request, response) => {
      send(request, response, await readFile(join(source, request.url!.split('/').at(-1)!)));
    });
    const result = await datasets.download('mnist', { to: join(directory, 'a', 'mnist'), mirrors: [address] });
    expect(result.directory).toBe(join(directory, 'a', 'mnist'));
    expect(requests).toHaveLength(4);
    expect((await datasets.load(result.directory, { split: 'test' })).length).toBe(10_000);
  });

  it('uses the cache directory by default', async () => {
    const before = process.env.ONELOGIT_CACHE;
    process.env.ONELOGIT_CACHE = directory;
    try {
      const { address } = await mirror(missing);
      const failure = await datasets.download('svhn', { mirrors: [address] }).catch((error) => error);
      expect(failure.message).toContain(`put it into ${join(directory, 'svhn')}`);
    } finally {
      if (before === undefined) delete process.env.ONELOGIT_CACHE;
      else process.env.ONELOGIT_CACHE = before;
    }
  });

  it('refuses wrong arguments', async () => {
    const to = directory;
    await expect(datasets.download('imagenet' as never)).rejects.toThrow("Expected 'mnist' or 'cifar10' or 'cifar100' or 'svhn'");
    await expect(datasets.download('mnist', { dir: 'x' } as never)).rejects.toMatchObject({ code: 'ERR_ONELOGIT_UNKNOWN_OPTION' });
    for (const mirrors of [[], 'http://x', ['file:///etc'], ['x'], [5]])
      await expect(datasets.download('mnist', { to, mirrors: mirrors as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(datasets.download('mnist', { to, timeout: 0 })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_RANGE' });
    await expect(datasets.download('mnist', { to, onProgress: 1 as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
    await expect(datasets.download('mnist', { to, signal: {} as never })).rejects.toMatchObject({ code: 'ERR_ONELOGIT_ARGUMENT' });
  });
});
