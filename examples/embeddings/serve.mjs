// Answers over HTTP whether an image shows a class: the backbone makes an embedding of it, the head's logit of that class is compared with its threshold.
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { SingleLogitClassifier } from 'onelogit';
import { Backbone, checkPreprocessing, preprocessings } from './lib/backbone.mjs';
import { number, required, run, usageError } from './lib/options.mjs';

const help = `Usage: node serve.mjs --backbone FILE --head FILE [OPTIONS]

  --backbone FILE      the ONNX graph that the embeddings were made by
  --head FILE          what train.mjs saved
  --preprocessing NAME of bytes before the graph, as embed.mjs had it: ${Object.keys(preprocessings).join(', ')} (default: none)
  --image-size N       height and width of an image, where the graph takes any
  --output NAME        of the graph's outputs (default: embedding, else the first)
  --port N             0 takes a free one (default: 8080)
  --help               this text

POST /score/:class     body: the bytes of one image, height × width × channels; :class is a number, or the name of a class
                       answer: { "class": 3, "score": 11.2, "matches": true }`;

run('serve', async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      backbone: { type: 'string' },
      head: { type: 'string' },
      preprocessing: { type: 'string', default: 'none' },
      output: { type: 'string' },
      'image-size': { type: 'string' },
      port: { type: 'string', default: '8080' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(help);
  const backboneFile = required(values, 'backbone', 'FILE');
  const headFile = required(values, 'head', 'FILE');
  const preprocessing = checkPreprocessing(values.preprocessing);
  const size = values['image-size'] === undefined ? undefined : number(values['image-size'], 'image-size', 1, 10_000);
  const port = number(values.port, 'port', 0, 65_535);

  const head = await SingleLogitClassifier.load(headFile);
  if (head.thresholds === null)
    throw Object.assign(new Error(`Expected thresholds in ${headFile} but received none`), { code: 'ERR_FORMAT' });
  const backbone = await Backbone.open(backboneFile, { preprocessing, output: values.output });
  const known = backbone.imageShape.map((length, axis) => (typeof length === 'number' ? length : axis < 2 ? size : 3));
  const shape = known.filter((length) => length !== undefined);
  if (shape.length < known.length) throw usageError('Expected --image-size for a graph that takes images of any size but received none');
  const bytes = shape.reduce((product, length) => product * length, 1);
  // A head for other embeddings is found out before anybody asks.
  const { features } = await backbone.embed(new Uint8Array(bytes), shape);
  if (features !== head.inputShape.reduce((product, length) => product * length, 1))
    throw Object.assign(new Error(`Expected a head for embeddings of ${features} numbers but received one for [${head.inputShape}]`), {
      code: 'ERR_FORMAT',
    });
  const ids = new Map((head.classNames ?? []).map((name, id) => [name, id]));

  const server = createServer(async (request, response) => {
    const answer = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    try {
      const [, asked] = /^\/score\/([^/?]+)$/.exec(request.url ?? '') ?? [];
      if (request.method !== 'POST' || asked === undefined)
        return answer(404, { code: 'ERR_NOT_FOUND', message: `Expected POST /score/:class but received ${request.method} ${request.url}` });
      const classId = classOf(asked, ids, head.classes);
      if (classId === undefined)
        return answer(404, {
          code: 'ERR_UNKNOWN_CLASS',
          message: `Expected a class from 0 to ${head.classes - 1} or a name but received '${asked}'`,
        });
      const image = await bodyOf(request, bytes);
      if (image === undefined)
        return answer(400, { code: 'ERR_INPUT', message: `Expected ${bytes} bytes (${shape.join(' × ')}) but received another number` });
      const { embeddings } = await backbone.embed(image, shape);
      const bound = head.bind(embeddings);
      answer(200, { class: classId, score: bound.score(classId), matches: bound.matches(classId) });
    } catch (error) {
      console.error(error);
      answer(500, { code: 'ERR_INTERNAL', message: 'Expected an answer but the service failed; its log says why' });
    }
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.once(signal, () => server.close());
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => {
      console.log(`Listening at http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`);
    });
    server.on('close', resolve);
  });
  await backbone.release();
  head.dispose();
});

function classOf(asked, ids, classes) {
  let text;
  try {
    text = decodeURIComponent(asked);
  } catch {
    return undefined;
  }
  if (/^\d{1,15}$/.test(text)) return Number(text) < classes ? Number(text) : undefined;
  return ids.get(text);
}

/** A body of exactly so many bytes; undefined for another number. What is too long is not kept. */
async function bodyOf(request, bytes) {
  const body = new Uint8Array(bytes);
  let received = 0;
  for await (const piece of request) {
    if (received + piece.length <= bytes) body.set(piece, received);
    received += piece.length;
  }
  return received === bytes ? body : undefined;
}
