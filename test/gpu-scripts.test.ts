/** The two programs for GPU hosts, where there is no GPU: help, wrong options, and one sentence. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from './helpers/process.js';
import { temporaryFile } from './helpers/temporary.js';

describe.each(['test-gpu', 'bench-gpu'])('%s', (name) => {
  // With a PATH of its own, so that it finds no nvidia-smi on a machine that has one.
  const start = (args: string[]) =>
    spawnSync(process.execPath, [join(packageRoot, `scripts/${name}.mjs`), ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH: '/nowhere' },
    });

  it('without a GPU: status 1, one sentence, no result', () => {
    using out = temporaryFile('none');
    const { status, stdout, stderr } = start(['--out', out.name]);
    expect({ status, stdout, stderr }).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Expected an NVIDIA GPU on this machine but received none: there is no nvidia-smi\n',
    });
    expect(existsSync(out.name)).toBe(false);
  });

  it('--help names its phases', () => {
    const { status, stdout, stderr } = start(['--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^usage: node scripts\//);
    for (const phase of ['environment', 'train']) expect(stdout).toMatch(new RegExp(`^ {2}${phase}`, 'm'));
  });

  it.each([
    [['--fast'], /--fast/],
    [['parity'], /parity/],
    [['--only', 'parity,nonsense'], /Expected phases among .* but received '(parity|nonsense)'/],
    [['--minutes', 'ten'], /Expected a positive number for --minutes but received 'ten'/],
  ])('%j is an error', (args, message) => {
    const { status, stdout, stderr } = start(args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

it('a phase leaves time for those after it, and what it throws is its result', async () => {
  using out = temporaryFile('phases');
  const { runPhases } = (await import(`${packageRoot}scripts/gpu/phases.mjs`)) as {
    runPhases(run: object): Promise<{ result: { phases: Record<string, object> }; failed: string[]; skipped: string[] }>;
  };
  const given: number[] = [];
  const phase = (name: string, run: () => object) => ({
    name,
    run: async ({ seconds }: { seconds(): number }) => {
      given.push(seconds());
      return run();
    },
  });
  const phases = [
    phase('hangs', () => {
      throw new Error('it had too little time');
    }),
    phase('left out', () => ({})),
    phase('works', () => ({ results: 3 })),
    phase('last', () => ({})),
  ];
  const options = { only: new Set(['hangs', 'works', 'last']), minutes: 10, out: out.name };
  const { result, failed, skipped } = await runPhases({ name: 'gpu', options, device: { name: 'a', driver: '1' }, phases });
  expect(given.map((seconds) => Math.round(seconds))).toEqual([360, 360, 600]);
  expect([failed, skipped]).toEqual([['hangs'], []]);
  expect(result.phases).toMatchObject({
    hangs: { ok: false, error: 'it had too little time' },
    works: { ok: true, results: 3 },
    last: { ok: true },
  });
  expect(JSON.parse(readFileSync(join(out.name, 'gpu.json'), 'utf8')).phases).toEqual(result.phases);
});

it('native tests that take all of a GPU’s memory have names by which the sanitizers leave them out', () => {
  const [, excluded] = readFileSync(join(packageRoot, 'scripts/gpu/test-phases.mjs'), 'utf8').match(/-tce=([^'"]+)/)!;
  const words = excluded!.split(',').map((pattern) => pattern.replaceAll('*', ''));
  const directory = join(packageRoot, 'test/native/cuda');
  const names = readdirSync(directory).flatMap((file) => {
    const onGpu = readFileSync(join(directory, file), 'utf8').replaceAll(/#if defined\(ONELOGIT_CUDA_HOST\)[\s\S]*?#(else|endif)/g, '');
    const cases = file === 'host_test.cc' ? [] : onGpu.matchAll(/TEST_CASE\(\s*"([^"]+)"\) \{([\s\S]*?)^\}/gm);
    return [...cases].filter(([, , body]) => /limit_memory\([1-9]/.test(body!)).map(([, name]) => name!);
  });
  expect(names.length).toBeGreaterThan(4);
  expect(names.filter((name) => !words.some((word) => name.includes(word)))).toEqual([]);
});
