// Draws score.json's figures; `node bench/score/draw.mjs` those of results/ once more, without measuring anything.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plotOneOfMany, plotScores } from './plot.mjs';

/** Writes score.svg and one-of-many.svg beside a score.json, as far as its results suffice. */
export async function drawScores(directory) {
  const { results } = JSON.parse(readFileSync(`${directory}/score.json`, 'utf8'));
  for (const [name, plot] of [
    ['score.svg', plotScores],
    ['one-of-many.svg', plotOneOfMany],
  ]) {
    const svg = await plot(results);
    if (svg) writeFileSync(`${directory}/${name}`, svg);
  }
}

if (fileURLToPath(import.meta.url) === process.argv[1]) await drawScores(fileURLToPath(new URL('../results', import.meta.url)));
