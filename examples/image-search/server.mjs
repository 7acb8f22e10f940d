// Searches several streams of images for the class that each browser asks for; README.md says how to use it.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createApp } from './lib/app.mjs';
import { openData } from './lib/data.mjs';
import { trainedModel } from './lib/model.mjs';
import { ImageSearch } from './lib/search.mjs';
import { cameras } from './lib/sources.mjs';

const help = `Usage: node server.mjs [OPTIONS]

Trains a small network at the first start (some seconds), keeps it in .cache/, and serves a page that searches streams of images.

  --classes N    number of generated characters (default: 2000)
  --data DIR     stream the test images of an IDX data set (MNIST, say) instead of generated ones
  --rate N       images a second and camera (default: 500)
  --port N       0 takes a free one (default: 3000)
  --host HOST    the address to listen at (default: 127.0.0.1)
  --cache DIR    where the trained network is kept (default: .cache beside this file)
  --help         this text`;

/** An option that is a whole number. */
function integer(name, text, least, most) {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new Error(`Expected an integer from ${least} to ${most} for --${name} but received '${text}'; see --help`);
}

function options() {
  const { values } = parseArgs({
    options: {
      classes: { type: 'string' },
      data: { type: 'string' },
      rate: { type: 'string', default: '500' },
      port: { type: 'string', default: '3000' },
      host: { type: 'string', default: '127.0.0.1' },
      cache: { type: 'string', default: fileURLToPath(new URL('.cache', import.meta.url)) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.data !== undefined && values.classes !== undefined)
    throw new Error('Expected one of --data and --classes but received both: a data set brings its own classes');
  return {
    help: values.help,
    data: values.data,
    host: values.host,
    cache: values.cache,
    classes: integer('classes', values.classes ?? '2000', 2, 20_000),
    rate: integer('rate', values.rate, 1, 10_000),
    port: integer('port', values.port, 0, 65_535),
  };
}

async function main() {
  const given = options();
  if (given.help) return console.log(help);
  const stopping = new AbortController();
  const stop = () => {
    // The second signal ends the process as if there were no handler.
    process.off('SIGINT', stop).off('SIGTERM', stop);
    stopping.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  const { signal } = stopping;

  const data = await openData(given);
  const { model, classifier } = await trainedModel(data, given.cache, signal);
  const search = new ImageSearch({ model, classifier, cameras: cameras(data, given.rate) });
  const app = createApp(search, data);
  const address = await app.listen({ port: given.port, host: given.host });
  console.log(`Searching at ${address}`);
  try {
    await search.run(signal);
  } finally {
    // The event streams have ended with the search; what remains are idle connections.
    await app.close();
    classifier.dispose();
    model.dispose();
  }
}

main().catch((error) => {
  if (error.name === 'AbortError') return;
  // A mistake of the caller's needs no stack: its message says what to do.
  console.error(error.code || error.constructor === Error ? error.message : error);
  process.exitCode = 1;
});
