// The web server: the page, pictures of classes, and a stream of events for every browser.

import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import files from '@fastify/static';
import fastify from 'fastify';

/** Nothing from elsewhere: the page needs no network but this server. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'";

/**
 * @param {import('./search.mjs').ImageSearch} search
 * @param {import('./data.mjs').SearchData} data
 */
export function createApp(search, data) {
  const app = fastify({ logger: { level: 'warn', stream: process.stderr }, forceCloseConnections: 'idle' });
  app.addHook('onSend', async (_, reply) => {
    reply.headers({ 'content-security-policy': policy, 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });
  app.register(files, { root: fileURLToPath(new URL('../public', import.meta.url)) });

  app.get('/about', async () => ({ classes: data.classes, inputShape: data.inputShape, data: data.describe }));

  const classId = { type: 'integer', minimum: 0, maximum: data.classes - 1 };
  const count = { type: 'integer', minimum: 1, maximum: 100 };
  app.get('/portraits', { schema: query({ from: classId, count }) }, async (request) => {
    const { from, count } = /** @type {{ from: number, count: number }} */ (request.query);
    return Array.from({ length: Math.min(count, data.classes - from) }, (_, i) => ({
      classId: from + i,
      image: Buffer.from(data.portrait(from + i)).toString('base64'),
    }));
  });

  app.get('/events', { schema: query({ class: classId }) }, (request, reply) => {
    const viewer = search.join(/** @type {{ class: number }} */ (request.query).class);
    // The stream asks for the next event only when the connection has taken the last: a slow one makes the viewer's queue forget.
    const stream = Readable.from(serverSentEvents(viewer), { highWaterMark: 1 });
    stream.once('close', () => search.leave(viewer));
    reply.headers({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', connection: 'close' }).send(stream);
  });
  return app;
}

/** The schema of a query string all of whose parts are needed. */
function query(properties) {
  return { querystring: { type: 'object', required: Object.keys(properties), properties } };
}

async function* serverSentEvents(viewer) {
  // At once, so that the browser knows the connection stands; after a restart of the server it comes back within a second.
  yield `retry: 1000\nevent: looking\ndata: ${JSON.stringify({ classId: viewer.classId, threshold: viewer.threshold })}\n\n`;
  for await (const { event, data } of viewer.events()) yield `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
