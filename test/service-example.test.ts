import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { datasets, layers, losses, Model, optimizers, SingleLogitClassifier } from '../src/index.js';
import { ExampleProcess, needsExample, requireFromExample } from './helpers/example.js';

const name = 'service';
const classes = 12;
const data = datasets.glyphs({ classes, examplesPerClass: 40, seed: 5, distortion: 0.5 });
/** The n-th example, which is of class n mod `classes`. */
const example = (n: number) => data.inputs.slice(n * 784, (n + 1) * 784);

let directory: string;
/** Two trainings of one network, one of a smaller network, one without thresholds. */
let files: { a: string; b: string; other: string; uncalibrated: string };
let models: { a: SingleLogitClassifier; b: SingleLogitClassifier };
const running: ExampleProcess[] = [];

async function train(file: string, seed: number, { hidden = 32, calibrate = true } = {}): Promise<void> {
  const model = Model.sequential({
    inputShape: data.inputShape,
    layers: [layers.flatten(), layers.dense(hidden), layers.relu(), layers.dense(classes)],
    seed,
  });
  await model.fit(data, {
    loss: losses.batchCrossEntropy(),
    optimizer: optimizers.sgd({ learningRate: 0.05, momentum: 0.9 }),
    batchSize: 64,
    steps: 400,
  });
  if (!calibrate) return model.save(file);
  const classifier = await SingleLogitClassifier.load(model);
  await classifier.calibrate(data, { recall: 0.9 });
  await classifier.save(file);
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'onelogit-service-'));
  const path = (file: string) => join(directory, `${file}.safetensors`);
  files = { a: path('a'), b: path('b'), other: path('other'), uncalibrated: path('uncalibrated') };
  await train(files.a, 1);
  await train(files.b, 2);
  await train(files.other, 1, { hidden: 16 });
  await train(files.uncalibrated, 3, { calibrate: false });
  models = { a: await SingleLogitClassifier.load(files.a), b: await SingleLogitClassifier.load(files.b) };
});

afterAll(async () => {
  for (const service of running) service.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

beforeEach((context) => needsExample(name, context));

class Service {
  readonly #served: string;
  readonly process: ExampleProcess;
  url = '';

  private constructor(served: string, args: readonly string[]) {
    this.#served = served;
    this.process = new ExampleProcess(name, 'server.mjs', ['--model', served, '--port', '0', ...args]);
    running.push(this.process);
  }

  static async start(...args: string[]): Promise<Service> {
    const served = join(directory, `served-${running.length}.safetensors`);
    await copyFile(files.a, served);
    const service = new Service(served, args);
    service.url = await service.process.find(/listening at (http:[^"]+)/);
    return service;
  }

  post(path: string, body: RequestInit['body'], type: string | null = 'application/json', method = 'POST') {
    return fetch(`${this.url}${path}`, { method, body: body ?? null, headers: type === null ? {} : { 'content-type': type } });
  }

  async score(classId: number, image: Uint8Array): Promise<number> {
    const response = await this.post(`/score/${classId}`, new Uint8Array(image), 'application/octet-stream');
    expect(response.status).toBe(200);
    return ((await response.json()) as { scores: number[] }).scores[0]!;
  }

  /** A sample of /metrics by its name and labels. */
  async metric(sample: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${sample} `));
    if (!line) throw new Error(`Expected ${sample} in\n${text}`);
    return Number(line.slice(sample.length));
  }

  /** Replaces the model file by rename and asks for a reload; settles when it was counted. */
  async reload(source: string | Uint8Array, outcome: 'ok' | 'failed'): Promise<void> {
    const sample = `onelogit_reloads_total{outcome="${outcome}"}`;
    const before = await this.metric(sample);
    const next = `${this.#served}.next`;
    if (typeof source === 'string') await copyFile(source, next);
    else await writeFile(next, source);
    await rename(next, this.#served);
    this.process.kill('SIGHUP');
    for (const end = Date.now() + 20_000; (await this.metric(sample)) === before; )
      if (Date.now() > end) throw new Error(`Expected ${sample} above ${before}; log:\n${this.process.stdout}`);
  }
}

let shared: Promise<Service> | undefined;
const service = () => {
  shared ??= Service.start('--max-inputs', '40');
  return shared;
};

const json = (value: unknown) => JSON.stringify(value);
const numbers = (image: Uint8Array) => Array.from(image);

describe('POST /score/:class', () => {
  it('answers what the package answers, for one example and for several, in JSON and in bytes', async () => {
    const server = await service();
    const image = example(4);
    const score = models.a.score(image, 4);
    const one = { class: 4, scores: [expect.closeTo(score, 4)], matches: [models.a.matches(image, 4)] };
    const answer = async (path: string, body: RequestInit['body'], type?: string) => {
      const response = await server.post(path, body, type);
      expect(response.status).toBe(200);
      return response.json();
    };
    expect(await answer('/score/4', json({ input: numbers(image) }))).toEqual(one);
    expect(await answer('/score/glyph%204', json({ input: numbers(image) }))).toEqual(one);
    expect(await answer('/score/4', json({ input: numbers(image) }), 'application/json; charset=utf-8')).toEqual(one);
    expect(await answer('/score/4', new Uint8Array(image), 'application/octet-stream')).toEqual(one);
    expect(await answer('/score/4?type=float32', new Uint8Array(Float32Array.from(image).buffer), 'application/octet-stream')).toEqual(one);

    // 40 are more than are scored on the event loop.
    for (const count of [3, 40]) {
      // A match first: not every example of a class reaches its threshold.
      const match = Array.from({ length: 40 }, (_, index) => 4 + index * classes).find((id) => models.a.matches(example(id), 4))!;
      const ids = [match, ...Array.from({ length: count - 1 }, (_, index) => index)];
      const many = {
        class: 4,
        scores: ids.map((id) => expect.closeTo(models.a.score(example(id), 4), 4)),
        matches: ids.map((id) => models.a.matches(example(id), 4)),
      };
      expect(many.matches).toContain(true);
      expect(many.matches).toContain(false);
      expect(await answer('/score/4', json({ inputs: ids.map((id) => numbers(example(id))) }))).toEqual(many);
      const bytes = new Uint8Array(ids.flatMap((id) => numbers(example(id))));
      expect(await answer('/score/4?type=uint8', bytes, 'application/octet-stream')).toEqual(many);
    }
  });

  const zeros = new Array(784).fill(0);
  const bytes = 'application/octet-stream';
  const nan = Float32Array.from(zeros);
  nan[5] = Number.NaN;
  it.each<[string, number, string, string, RequestInit['body'], string | null, string?]>([
    ['too few numbers', 400, 'ERR_INPUT', '/score/1', json({ input: zeros.slice(1) }), 'application/json'],
    ['too many numbers', 400, 'ERR_INPUT', '/score/1', json({ input: [...zeros, 0] }), 'application/json'],
    ['one of several too short', 400, 'ERR_INPUT', '/score/1', json({ inputs: [zeros, zeros.slice(1)] }), 'application/json'],
    ['no example', 400, 'ERR_INPUT', '/score/1', json({ inputs: [] }), 'application/json'],
    ['too many examples', 400, 'ERR_INPUT', '/score/1', json({ inputs: new Array(41).fill(zeros) }), 'application/json'],
    ['both properties', 400, 'ERR_INPUT', '/score/1', json({ input: zeros, inputs: [zeros] }), 'application/json'],
    ['neither', 400, 'ERR_INPUT', '/score/1', json({}), 'application/json'],
    ['an unknown property', 400, 'ERR_INPUT', '/score/1', json({ imput: zeros }), 'application/json'],
    ['a null among numbers', 400, 'ERR_INPUT', '/score/1', json({ input: [null, ...zeros.slice(1)] }), 'application/json'],
    [
      'a NaN that JSON.stringify made null',
      400,
      'ERR_INPUT',
      '/score/1',
      json({ input: [Number.NaN, ...zeros.slice(1)] }),
      'application/json',
    ],
    ['a string among numbers', 400, 'ERR_INPUT', '/score/1', json({ input: ['1', ...zeros.slice(1)] }), 'application/json'],
    ['1e999, which JSON.parse reads as Infinity', 400, 'ERR_INPUT', '/score/1', `{"input":[1e999${',0'.repeat(783)}]}`, 'application/json'],
    ['1e39, infinite as a float32', 400, 'ERR_INPUT', '/score/1', `{"input":[1e39${',0'.repeat(783)}]}`, 'application/json'],
    ['NaN', 400, 'FST_ERR_CTP_INVALID_JSON_BODY', '/score/1', '{"input":[NaN]}', 'application/json'],
    ['broken JSON', 400, 'FST_ERR_CTP_INVALID_JSON_BODY', '/score/1', '{"input":[0,0', 'application/json'],
    ['a poisoned prototype', 400, 'FST_ERR_CTP_INVALID_JSON_BODY', '/score/1', '{"__proto__":{"input":[]}}', 'application/json'],
    ['an empty body', 400, 'FST_ERR_CTP_EMPTY_JSON_BODY', '/score/1', '', 'application/json'],
    ['null', 400, 'ERR_INPUT', '/score/1', 'null', 'application/json'],
    ['an array', 400, 'ERR_INPUT', '/score/1', json([zeros]), 'application/json'],
    ['no body at all', 400, 'ERR_INPUT', '/score/1', null, null],
    ['bytes of no whole example', 400, 'ERR_INPUT_LENGTH', '/score/1', new Uint8Array(783), bytes],
    ['no bytes', 400, 'ERR_INPUT_LENGTH', '/score/1', new Uint8Array(0), bytes],
    ['bytes of too many examples', 400, 'ERR_INPUT_LENGTH', '/score/1', new Uint8Array(41 * 784), bytes],
    ['floats that are not finite', 400, 'ERR_INPUT_NOT_FINITE', '/score/1?type=float32', new Uint8Array(nan.buffer), bytes],
    ['integers for a model of images', 400, 'ERR_INPUT_TYPE', '/score/1?type=int32', new Uint8Array(784 * 4), bytes],
    ['an unknown type', 400, 'ERR_INPUT', '/score/1?type=float16', new Uint8Array(784 * 2), bytes],
    ['an unknown parameter', 400, 'ERR_INPUT', '/score/1?typ=uint8', new Uint8Array(784), bytes],
    ['a class beyond the last', 404, 'ERR_UNKNOWN_CLASS', `/score/${classes}`, json({ input: zeros }), 'application/json'],
    ['a negative class', 404, 'ERR_UNKNOWN_CLASS', '/score/-1', json({ input: zeros }), 'application/json'],
    ['a fraction of a class', 404, 'ERR_UNKNOWN_CLASS', '/score/1.5', json({ input: zeros }), 'application/json'],
    ['an unknown name', 404, 'ERR_UNKNOWN_CLASS', '/score/__proto__', json({ input: zeros }), 'application/json'],
    ['another address', 404, 'ERR_NOT_FOUND', '/scores/1', json({ input: zeros }), 'application/json'],
    ['another method', 404, 'ERR_NOT_FOUND', '/score/1', json({ input: zeros }), 'application/json', 'PUT'],
    ['another content type', 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE', '/score/1', 'input=0', 'application/x-www-form-urlencoded'],
    ['text', 415, 'FST_ERR_CTP_INVALID_MEDIA_TYPE', '/score/1', json({ input: zeros }), 'text/plain'],
    ['a body without end', 413, 'FST_ERR_CTP_BODY_TOO_LARGE', '/score/1', ' '.repeat(2 ** 20), 'application/json'],
  ])('refuses %s', async (_, status, code, path, body, type, method) => {
    const response = await (await service()).post(path, body, type, method);
    const answer = (await response.json()) as { code: string; message: string };
    expect([response.status, answer.code]).toEqual([status, code]);
    expect(answer.message).toMatch(/^Expected .*(but|note)/);
  });

  it('refuses numbers whose score overflows', async () => {
    const model = await Model.load(files.b);
    const { name } = model.tensors.findLast(({ name }) => name.endsWith('weight'))!;
    model.setTensor(
      name,
      model.tensor(name).map((weight) => weight * 1e30),
    );
    const classifier = await SingleLogitClassifier.load(model);
    await classifier.calibrate(data, { recall: 0.9 });
    const large = join(directory, 'large.safetensors');
    await classifier.save(large);
    const server = await Service.start();
    await server.reload(large, 'ok');
    for (const input of [numbers(example(1)), new Array(784).fill(3e38)]) {
      const response = await server.post('/score/1', json({ input }));
      const { code } = (await response.json()) as { code?: string };
      expect([response.status, code]).toEqual(input[0] === 3e38 ? [400, 'ERR_SCORE_NOT_FINITE'] : [200, undefined]);
    }
  });

  it('serves on after all that', async () => {
    const image = example(7);
    expect(await (await service()).score(7, image)).toBeCloseTo(models.a.score(image, 7), 4);
    expect((await service()).process.stdout).not.toContain('"level":50');
  });
});

describe('GET', () => {
  it('/healthz describes the model', async () => {
    const response = await fetch(`${(await service()).url}/healthz`);
    expect([response.status, await response.json()]).toMatchObject([
      200,
      { status: 'ok', classes, features: 32, loss: 'batch-cross-entropy' },
    ]);
  });

  it('/metrics is what Prometheus reads: every sample declared, histograms that add up, no series from what clients invent', async () => {
    const server = await service();
    const before = await server.metric('onelogit_scores_total{outcome="match"}');
    const image = example(2);
    const inputs = [image, image, example(3)].map(numbers);
    const { matches } = (await (await server.post('/score/2', json({ inputs }))).json()) as { matches: boolean[] };
    expect(await server.metric('onelogit_scores_total{outcome="match"}')).toBe(before + matches.filter(Boolean).length);
    await fetch(`${server.url}/invented/${Math.random()}`);

    const response = await fetch(`${server.url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    const declared = new Set(Array.from(text.matchAll(/^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/gm), ([, metric]) => metric));
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of samples) {
      const [, metric] = /^([a-zA-Z_:][\w:]*)(?:\{(?:\w+="[^"\\\n]*",?)*\})? (?:-?[\d.]+(?:e[-+]?\d+)?|[+-]Inf|NaN)$/i.exec(line) ?? [];
      expect([line, metric !== undefined && (declared.has(metric) || declared.has(metric.replace(/_(bucket|sum|count)$/, '')))]).toEqual([
        line,
        true,
      ]);
    }
    const ok = 'method="POST",route="/score/:class",status="200"';
    expect(await server.metric(`http_request_duration_seconds_bucket{le="+Inf",${ok}}`)).toBe(
      await server.metric(`http_request_duration_seconds_count{${ok}}`),
    );
    expect(text).toContain('route="unknown",status="404"');
    expect(text).not.toMatch(/invented|__proto__/);
    expect(samples.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true);
    expect(
      await server.metric(`onelogit_model_info{classes="${classes}",features="32",storage="float32",loss="batch-cross-entropy"}`),
    ).toBe(1);
  });
});

describe('SIGHUP', () => {
  it('takes a new file, and leaves the old weights where the new ones are refused', async () => {
    const server = await Service.start();
    const image = example(4);
    const [a, b] = [models.a.score(image, 4), models.b.score(image, 4)];
    expect(Math.abs(a - b)).toBeGreaterThan(0.01);
    const generation = await server.metric('onelogit_model_generation');
    expect(await server.score(4, image)).toBeCloseTo(a, 4);
    await server.reload(files.b, 'ok');
    expect(await server.score(4, image)).toBeCloseTo(b, 4);
    const reloaded = await server.metric('onelogit_model_generation');
    expect(reloaded).not.toBe(generation);
    for (const wrong of [new Uint8Array(100).fill(7), new Uint8Array(0), files.other, files.uncalibrated]) {
      await server.reload(wrong, 'failed');
      expect(await server.score(4, image)).toBeCloseTo(b, 4);
    }
    expect(await server.metric('onelogit_model_generation')).toBe(reloaded);
    await server.reload(files.a, 'ok');
    expect(await server.score(4, image)).toBeCloseTo(a, 4);
    expect(await server.metric('onelogit_reloads_total{outcome="ok"}')).toBe(2);
    expect(await server.metric('onelogit_reloads_total{outcome="failed"}')).toBe(4);
  });

  it('answers with --memory-map, too', async () => {
    const server = await Service.start('--memory-map');
    const image = example(4);
    expect(await server.score(4, image)).toBeCloseTo(models.a.score(image, 4), 4);
    await server.reload(files.b, 'ok');
    expect(await server.score(4, image)).toBeCloseTo(models.b.score(image, 4), 4);
  });
});

describe('SIGTERM', () => {
  it('loses no request under load', async () => {
    const server = await Service.start('--drain', '1500');
    const autocannon = requireFromExample(name, 'autocannon');
    const run = autocannon({
      url: `${server.url}/score/3`,
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: Buffer.from(example(3)),
      connections: 6,
      duration: 30,
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    server.process.kill('SIGTERM');
    // Within the drain: the load balancer is told, and stops.
    await server.process.find(/"msg":"stopping"/);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 500));
    run.stop();
    const result = await run;
    expect(result['2xx']).toBeGreaterThan(100);
    expect([result.errors, result.timeouts, result.non2xx]).toEqual([0, 0, 0]);
    expect(await server.process.exited).toEqual({ code: 0, signal: null });
  });

  /** A connection on which a request can be sent in pieces. */
  function piecewise(url: string) {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    const received = new Promise<string>((resolve, reject) => {
      let text = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text)).on('error', reject);
    });
    return { send: (text: string | Uint8Array) => new Promise<void>((resolve) => socket.write(text, () => resolve())), received };
  }

  it('finishes what has begun and refuses what comes later', async () => {
    const server = await Service.start('--drain', '100');
    const [begun, late] = [piecewise(server.url), piecewise(server.url)];
    const image = example(3);
    const head = `POST /score/3 HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: ${image.length}\r\n`;
    await begun.send(`${head}\r\n`);
    await begun.send(image.subarray(0, 400));
    await late.send(head); // not even its head is complete
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.process.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 700));
    await late.send('\r\n');
    await late.send(image);
    expect(await late.received).toMatch(/^HTTP\/1\.1 503 /);
    await begun.send(image.subarray(400));
    const answer = await begun.received;
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.toLowerCase()).toContain('\r\nconnection: close\r\n');
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).scores[0]).toBeCloseTo(models.a.score(image, 3), 4);
    expect(await server.process.exited).toEqual({ code: 0, signal: null });
  });

  it('ends after the deadline what does not end by itself', async () => {
    const server = await Service.start('--drain', '0', '--deadline', '300');
    const stuck = piecewise(server.url);
    stuck.received.catch(() => {}); // broken off
    await stuck.send('POST /score/3 HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 784\r\n\r\nbegun');
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.process.kill('SIGTERM');
    expect(await server.process.exited).toEqual({ code: 1, signal: null });
    expect(server.process.stdout).toContain('before the deadline');
  });
});

describe('the command line', () => {
  it.each([
    [['--model', 'x', '--prot', '1'], 2, "Unknown option '--prot'"],
    [[], 2, 'Expected --model FILE but received none'],
    [['--model', 'x', '--port', '65536'], 2, "Expected an integer from 0 to 65535 for --port but received '65536'"],
    [['--model', 'x', '--log-level', 'loud'], 2, 'Expected one of fatal, error'],
    [['--model', '/nowhere/x.safetensors'], 1, '/nowhere/x.safetensors'],
  ])('refuses %j', async (args, code, message) => {
    const child = new ExampleProcess(name, 'server.mjs', args);
    expect(await child.exited).toEqual({ code, signal: null });
    expect(child.stderr).toContain(message);
    expect(child.stderr).not.toContain('    at ');
  });

  it('refuses a model without thresholds', async () => {
    const child = new ExampleProcess(name, 'server.mjs', ['--model', files.uncalibrated]);
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(child.stderr).toContain('run onelogit calibrate');
  });

  it('explains itself', async () => {
    const child = new ExampleProcess(name, 'server.mjs', ['--help']);
    expect(await child.exited).toEqual({ code: 0, signal: null });
    for (const option of ['--model', '--port', '--drain', 'SIGHUP']) expect(child.stdout).toContain(option);
  });
});

describe('the load run', () => {
  it('answers every request by one of the two models while they are exchanged', async () => {
    const child = new ExampleProcess(name, 'load.mjs', [
      '--seconds',
      '4',
      '--warm-up',
      '2',
      '--reloads',
      '6',
      '--connections',
      '4',
      '--json',
    ]);
    expect(await child.exited, child.stderr).toEqual({ code: 0, signal: null });
    const result = JSON.parse(child.stdout);
    expect(result.failures).toEqual({ socket: 0, timeouts: 0, non2xx: 0, neitherModel: 0 });
    expect(result.reloads).toEqual({ asked: 6, ok: 6, failed: 0 });
    expect(result.exitCode).toBe(0);
    expect(result.requests.byModelA).toBeGreaterThan(0);
    expect(result.requests.byModelB).toBeGreaterThan(0);
    const { p50, p99, p999 } = result.latencyMilliseconds;
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
    expect(p999).toBeGreaterThanOrEqual(p99);
    // Memory is judged over a minute, after a warm-up, by `node load.mjs --check`: here only that it was measured.
    expect(result.residentMiB.firstThird).toBeGreaterThan(10);
  });
});
