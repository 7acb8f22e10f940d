#!/usr/bin/env node
// Asks a service as fast as it answers while its model is replaced again and again, and checks every answer.
//
//   node load.mjs [--seconds 60] [--warm-up 60] [--connections 8] [--reloads 20] [--json] [--out FILE] [--check]
//
// Fails nothing by itself; --check: exit status 1 if a request failed, a reload failed or memory grew. --json: one object on standard output;
// --out FILE: the same into a file. Linux only (memory is read from /proc).
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { backendInfo } from 'onelogit';
import { commit, machine } from '../../bench/lib/machine.mjs';
import { Expectations } from './load/expectations.mjs';
import { Memory } from './load/memory.mjs';
import { complaints, measured, summary, write } from './load/report.mjs';
import { train } from './train.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    'warm-up': { type: 'string', default: '60' },
    connections: { type: 'string', default: '8' },
    reloads: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    check: { type: 'boolean', default: false },
  },
});
const [seconds, warmUp, connections, reloads] = ['seconds', 'warm-up', 'connections', 'reloads'].map((name) => {
  const value = Number(options[name]);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new RangeError(`Expected a number of at least 0 for --${name} but received '${options[name]}'`);
});
/**
 * Bounds of Node's heap, as a container would set them, ample for this model. Without them it grows for minutes and then falls at a full
 * collection, by a fifth of all memory: a leak would not be seen.
 */
const nodeOptions = ['--max-semi-space-size=8', '--max-old-space-size=64'];
const progress = (text) => console.error(text);

const where = machine();
const directory = await mkdtemp(join(tmpdir(), 'onelogit-load-'));
const files = ['a.safetensors', 'b.safetensors'].map((name) => join(directory, name));
progress('Training two models');
// The same layers, so that one may take over from the other; other weights, so that their answers tell them apart.
for (const [index, path] of files.entries()) await train(path, { seed: index + 1, steps: 300 });
const expectations = await Expectations.of(files);

const served = join(directory, 'model.safetensors');
await replace(files[0]);
const service = spawn(process.execPath, [...nodeOptions, 'server.mjs', '--model', served, '--port', '0', '--log-level', 'info'], {
  cwd: fileURLToPath(new URL('.', import.meta.url)),
  stdio: ['ignore', 'pipe', 'inherit'],
});
const exited = new Promise((resolve) => service.once('exit', (code, signal) => resolve(code ?? signal)));
const url = await listening(service);

try {
  progress(`Warming up for ${warmUp} s`);
  if (warmUp > 0) await fire(warmUp, reloads);
  progress(`Measuring for ${seconds} s, ${reloads} reloads`);
  const before = await reloadsCounted();
  const memory = new Memory(service.pid);
  const run = await fire(seconds, reloads);
  const rss = memory.end();
  const after = await reloadsCounted();
  service.kill('SIGTERM');
  const exitCode = await exited;
  const output = {
    benchmark: 'service',
    date: new Date().toISOString(),
    command: ['node examples/service/load.mjs', ...process.argv.slice(2)].join(' '),
    commit: commit(),
    machine: where,
    versions: { node: process.versions.node, cpu: backendInfo().cpu },
    task: { seconds, warmUpSeconds: warmUp, connections, nodeOptions, ...expectations.description },
    ...measured(run),
    reloads: { asked: reloads, ok: after.ok - before.ok, failed: after.failed - before.failed },
    residentMiB: rss,
    exitCode,
  };
  progress(summary(output));
  if (options.json) console.log(JSON.stringify(output));
  if (options.out !== undefined) await write(options.out, output);
  const wrong = options.check ? complaints(output) : null;
  if (wrong !== null) {
    progress(wrong);
    process.exitCode = 1;
  }
} finally {
  service.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
}

/** The address, from the service's log; the rest of the log is read and forgotten, so that its pipe never fills. */
async function listening(child) {
  let log = '';
  let found;
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text) => {
      if (found) return;
      log += text;
      found = /listening at (http:[^"]+)/.exec(log);
      if (found) resolve(found[1]);
    });
    child.once('exit', (code) => reject(new Error(`Expected the service to listen but it ended with ${code}: ${log}`)));
  });
}

/** Puts a model in the place of the one that is served: whole, by rename. */
async function replace(path) {
  await copyFile(path, `${served}.next`);
  await rename(`${served}.next`, served);
}

async function reloadsCounted() {
  const text = await (await fetch(`${url}/metrics`)).text();
  const value = (outcome) => Number(new RegExp(`^onelogit_reloads_total{outcome="${outcome}"} (\\d+)$`, 'm').exec(text)?.[1]);
  return { ok: value('ok'), failed: value('failed') };
}

/** All connections busy for some seconds, and so many reloads spread over them. */
async function fire(duration, count) {
  const latencies = createHistogram();
  const answers = { a: 0, b: 0, neither: 0, notOk: 0 };
  const running = autocannon({
    url,
    connections,
    duration,
    requests: expectations.requests((status, answer) => {
      if (status !== 200) answers.notOk++;
      else answers[answer]++;
    }),
  });
  running.on('response', (_client, _status, _bytes, milliseconds) => latencies.record(Math.max(1, Math.round(milliseconds * 1e6))));
  const reloading = (async () => {
    for (let i = 0; i < count; i++) {
      await delay((duration * 1000) / (count + 1));
      await replace(files[(i + 1) % 2]);
      service.kill('SIGHUP');
    }
  })();
  const [result] = await Promise.all([running, reloading]);
  // The last reload may not have been counted yet.
  await delay(500);
  return { result, latencies, answers };
}
