// How the service ends without losing a request.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * First it drains: health checks fail, so that load balancers send no more, but everything that comes is answered, each answer with
 * `Connection: close`, so that clients leave. Only then are sockets closed: closing idle ones at once would break off those requests that are
 * on their way in them. What comes still later is refused with 503; what is in flight has until the deadline.
 */
export class Shutdown {
  #options;
  #finish = () => {};
  draining = false;
  /** Settles when everything has ended. */
  finished = new Promise((resolve) => {
    this.#finish = /** @type {() => void} */ (resolve);
  });

  /** @param {{ drain: number, deadline: number }} options milliseconds */
  constructor(options) {
    this.#options = options;
  }

  /** @param {import('fastify').FastifyInstance} app */
  observe(app) {
    app.addHook('onSend', async (_, reply) => {
      if (this.draining) reply.header('connection', 'close');
    });
  }

  /**
   * @param {import('fastify').FastifyInstance} app
   * @param {string} signal
   */
  async begin(app, signal) {
    if (this.draining) {
      app.log.warn({ signal }, 'told to stop again: ending at once');
      process.exit(1);
    }
    this.draining = true;
    const { drain, deadline } = this.#options;
    app.log.info({ signal, drain, deadline }, 'stopping');
    await delay(drain);
    setTimeout(() => {
      app.log.error('Expected all requests to end before the deadline but some did not; ending without them');
      process.exit(1);
    }, deadline).unref();
    await app.close();
    app.log.info('stopped');
    this.#finish();
  }
}
