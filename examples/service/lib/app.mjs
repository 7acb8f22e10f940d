// The routes, and what goes wrong at them.
import underPressure from '@fastify/under-pressure';
import fastify, { LogController } from 'fastify';
import { bodySchema, clientError, expectedBody, inputsOfBytes, inputsOfJson } from './inputs.mjs';

/** Characters that a number may take in JSON, with its comma. */
const jsonDigits = 16;

/**
 * What fastify finds wrong, in words that say what to do.
 *
 * @type {Record<string, (request: import('fastify').FastifyRequest) => string>}
 */
const messages = {
  FST_ERR_CTP_BODY_TOO_LARGE: ({ routeOptions: { bodyLimit } }) =>
    `Expected a body of at most ${bodyLimit} bytes but received more: send fewer examples at once, or bytes instead of JSON`,
  FST_ERR_CTP_INVALID_JSON_BODY: () => 'Expected JSON but received something else: note that NaN and Infinity are no JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: () => 'Expected JSON but received an empty body',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ({ headers }) =>
    `Expected application/json or application/octet-stream as content type but received '${headers['content-type']?.slice(0, 100)}'`,
};

/**
 * @param {object} parts
 * @param {import('./options.mjs').Options} parts.options
 * @param {import('./scoring.mjs').Scoring} parts.scoring
 * @param {import('./metrics.mjs').Metrics} parts.metrics
 * @param {import('./shutdown.mjs').Shutdown} parts.shutdown
 */
export function createApp({ options, scoring, metrics, shutdown }) {
  const { maxInputs } = options;
  const app = fastify({
    logger: { level: options.logLevel },
    // A line for every request would cost more than the request; what goes wrong is logged below.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimit ?? Math.min(64 * 2 ** 20, 4096 + maxInputs * scoring.inputSize * jsonDigits),
    // As sent or not at all: no null that becomes 0, no misspelt property that is dropped.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
    schemaErrorFormatter: ([error], part) => {
      const where = `${part}${error?.instancePath.replaceAll('/', '.') ?? ''} ${error?.message}`;
      const wanted = part === 'body' ? expectedBody(scoring, maxInputs) : 'type to be float32, uint8 or int32';
      return clientError(400, 'ERR_INPUT', `Expected ${wanted} but ${where}`);
    },
  });
  metrics.observe(app);
  shutdown.observe(app);
  if (options.maxDelay > 0) app.register(underPressure, { maxEventLoopDelay: options.maxDelay, retryAfter: 1 });
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) => done(null, body));

  app.setErrorHandler((/** @type {import('fastify').FastifyError} */ error, request, reply) => {
    // What the package finds wrong with an input (an integer that is no row of the embedding, say) is the client's to mend as well.
    const theirs = error instanceof RangeError && error.code?.startsWith('ERR_ONELOGIT_');
    const status = error.statusCode ?? (theirs ? 400 : 500);
    if (status >= 500) request.log.error({ err: error }, 'a request failed');
    const message =
      messages[error.code]?.(request) ?? (status === 500 ? 'Expected an answer but the service failed; its log says why' : error.message);
    reply.code(status).send({ code: status === 500 ? 'ERR_INTERNAL' : error.code, message });
  });
  app.setNotFoundHandler((request, reply) => {
    reply.code(404).send({
      code: 'ERR_NOT_FOUND',
      message: `Expected POST /score/:class, GET /healthz or GET /metrics but received ${request.method} ${request.url.slice(0, 200)}`,
    });
  });

  app.get('/healthz', async (_, reply) => {
    reply.header('cache-control', 'no-store').code(shutdown.draining ? 503 : 200);
    return { status: shutdown.draining ? 'stopping' : 'ok', generation: scoring.generation, ...scoring.description };
  });
  app.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.text()));

  app.register(async (scope) => {
    const params = { type: 'object', properties: { class: { type: 'string' } } };
    const querystring = { type: 'object', properties: { type: { enum: ['float32', 'uint8', 'int32'] } }, additionalProperties: false };
    const body = { content: { 'application/json': { schema: bodySchema(scoring, maxInputs) } } };
    scope.post('/score/:class', { schema: { params, querystring, body } }, async (request) => {
      const { class: asked } = /** @type {{ class: string }} */ (request.params);
      const classId = scoring.classId(asked);
      if (classId === undefined)
        throw clientError(
          404,
          'ERR_UNKNOWN_CLASS',
          `Expected a number from 0 to ${scoring.description.classes - 1} or the name of a class but received '${asked.slice(0, 100)}'`,
        );
      const { type = scoring.inputType } = /** @type {{ type?: 'float32' | 'uint8' | 'int32' }} */ (request.query);
      const given = /** @type {any} */ (request.body);
      // Without a content type there is no body, and nothing was checked.
      if (given === undefined) throw clientError(400, 'ERR_INPUT', `Expected ${expectedBody(scoring, maxInputs)} but received no body`);
      const inputs = Buffer.isBuffer(given) ? inputsOfBytes(given, type, scoring, maxInputs) : inputsOfJson(given, scoring);
      const answer = await scoring.score(inputs, classId);
      // Sums of large numbers overflow. JSON would make null of such a score, and an infinite one matches everything.
      const wrong = answer.scores.findIndex((score) => !Number.isFinite(score));
      if (wrong >= 0)
        throw clientError(
          400,
          'ERR_SCORE_NOT_FINITE',
          `Expected numbers of the size of the training data but the score of example ${wrong} is ${answer.scores[wrong]}`,
        );
      metrics.count(answer.matches);
      return { class: classId, ...answer };
    });
  });
  return app;
}
