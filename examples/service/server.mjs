// Answers over HTTP whether examples belong to a class; README.md says how to use it.
import { createApp } from './lib/app.mjs';
import { Metrics } from './lib/metrics.mjs';
import { help, readOptions } from './lib/options.mjs';
import { Scoring } from './lib/scoring.mjs';
import { Shutdown } from './lib/shutdown.mjs';

async function main() {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(help);
  const scoring = await Scoring.open(options.model, options);
  const metrics = new Metrics(scoring);
  const shutdown = new Shutdown(options);
  const app = createApp({ options, scoring, metrics, shutdown });
  const { log } = app;

  process.on('SIGHUP', async () => {
    try {
      await scoring.reload();
      metrics.reloads.inc({ outcome: 'ok' });
      log.info({ generation: scoring.generation }, 'reloaded');
    } catch (error) {
      // The old weights serve on: a broken file must not end a service.
      metrics.reloads.inc({ outcome: 'failed' });
      log.error({ err: error }, 'Expected a model that can take over but the file was refused; the old one goes on');
    }
  });
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(signal, () => shutdown.begin(app, signal));

  try {
    await app.listen({ port: options.port, host: options.host });
    await shutdown.finished;
  } finally {
    scoring.dispose();
  }
}

main().catch((error) => {
  // A mistake of the caller's needs no stack: its message says what to do.
  console.error(error.code ? `onelogit-service: ${error.message}` : error);
  process.exitCode = error.code === 'ERR_USAGE' || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1;
});
