// What Prometheus asks for.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds: from a request that costs one small network to one that waits in a queue. */
const buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export class Metrics {
  #registry = new Registry();
  #durations;
  #scores;

  /** @param {import('./scoring.mjs').Scoring} scoring */
  constructor(scoring) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#durations = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the arrival of a request to the end of its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets,
      registers,
    });
    this.#scores = new Counter({
      name: 'onelogit_scores_total',
      help: 'Examples scored, by whether they reached the threshold of the class asked for.',
      labelNames: ['outcome'],
      registers,
    });
    this.reloads = new Counter({
      name: 'onelogit_reloads_total',
      help: 'Reloads of the model file; after a failed one the old weights serve on.',
      labelNames: ['outcome'],
      registers,
    });
    // Present from the start: a rate over a series that begins at its first failure misses that failure.
    for (const outcome of ['match', 'no_match']) this.#scores.inc({ outcome }, 0);
    for (const outcome of ['ok', 'failed']) this.reloads.inc({ outcome }, 0);
    new Gauge({
      name: 'onelogit_model_generation',
      help: 'Changes whenever the weights were replaced.',
      registers,
      collect() {
        this.set(scoring.generation);
      },
    });
    new Gauge({
      name: 'onelogit_model_info',
      help: 'The model served, as labels.',
      labelNames: ['classes', 'features', 'storage', 'loss'],
      registers,
      collect() {
        this.reset();
        this.set(scoring.description, 1);
      },
    });
  }

  /** @param {import('fastify').FastifyInstance} app */
  observe(app) {
    app.addHook('onResponse', async (request, reply) => {
      // The route as declared, never the address as sent: its class would be a series each, and an attacker's would be endless.
      const route = request.routeOptions.url ?? 'unknown';
      // Methods are a finite list, which the HTTP parser checks.
      this.#durations.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
    });
  }

  /** @param {boolean[]} matches */
  count(matches) {
    const matched = matches.filter(Boolean).length;
    this.#scores.inc({ outcome: 'match' }, matched);
    this.#scores.inc({ outcome: 'no_match' }, matches.length - matched);
  }

  get contentType() {
    return this.#registry.contentType;
  }

  text() {
    return this.#registry.metrics();
  }
}
