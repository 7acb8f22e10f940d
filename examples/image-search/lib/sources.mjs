// Simulated cameras: each shows images in an order of its own, through a lens of its own.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * @typedef {object} Frame
 * @property {Uint8Array} image
 * @property {number} label what the image truly shows: known here because the camera is simulated
 *
 * @typedef {object} Camera
 * @property {string} name
 * @property {(signal: AbortSignal) => AsyncGenerator<Frame[]>} frames bundles of images, as many as have come since the last
 */

/** Contrast, noise in grey levels, turn in degrees, and how much livelier than the training images the drawings are. */
const lenses = [
  { name: 'Gate', contrast: 1, noise: 4, turn: 0, strength: 0.8 },
  { name: 'Yard', contrast: 0.85, noise: 14, turn: 4, strength: 1 },
  { name: 'Dock', contrast: 0.8, noise: 16, turn: -4, strength: 0.9 },
  { name: 'Attic', contrast: 0.95, noise: 8, turn: -6, strength: 0.7 },
];

/** Bundles a second: often enough to look continuous, seldom enough that timers cost nothing. */
const ticks = 20;

/**
 * @param {import('./data.mjs').SearchData} data
 * @param {number} rate images a second and camera
 * @returns {Camera[]}
 */
export function cameras(data, rate) {
  return lenses.map((lens, index) => {
    // Drawn now: once the server listens, nothing shall keep it busy for long.
    const shown = data.shown(index, lens.strength);
    return { name: lens.name, frames: (signal) => film(data, shown, lens, rate, randomFrom(index + 1), signal) };
  });
}

async function* film(data, { inputs, labels, length }, lens, rate, random, signal) {
  const size = inputs.length / length;
  const look = through(lens, data.inputShape, random);
  const start = performance.now();
  let made = 0;
  // The signal ends the wait by an AbortError, and that the stream.
  for (;;) {
    await delay(1000 / ticks, undefined, { signal });
    // What a busy machine has no time for is lost, as with a real camera: no more than two ticks' images at once.
    const due = Math.floor(((performance.now() - start) / 1000) * rate);
    made = Math.max(made, due - Math.ceil((2 * rate) / ticks));
    const bundle = [];
    for (; made < due; made++) {
      const example = Math.floor(random() * length);
      bundle.push({ image: look(inputs.subarray(example * size, (example + 1) * size)), label: labels[example] });
    }
    if (bundle.length) yield bundle;
  }
}

/** A function that makes of an image what the camera sees: turned, with less contrast, noisy. */
function through({ contrast, noise, turn }, [height, width], random) {
  const from = turned(height, width, turn);
  return (image) => {
    const seen = new Uint8ClampedArray(image.length);
    for (let i = 0; i < seen.length; i++) seen[i] = (from[i] < 0 ? 0 : image[from[i]]) * contrast + (random() - 0.5) * 2 * noise;
    return new Uint8Array(seen.buffer);
  };
}

/** Where each pixel of a turned image comes from; -1: from outside. */
function turned(height, width, degrees) {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const [middleY, middleX] = [(height - 1) / 2, (width - 1) / 2];
  return Int32Array.from({ length: height * width }, (_, i) => {
    const [dy, dx] = [Math.floor(i / width) - middleY, (i % width) - middleX];
    const [y, x] = [Math.round(middleY + cos * dy - sin * dx), Math.round(middleX + sin * dy + cos * dx)];
    return y < 0 || y >= height || x < 0 || x >= width ? -1 : y * width + x;
  });
}

/** Numbers in [0, 1), the same for the same seed (mulberry32): a demonstration should show the same every time. */
function randomFrom(seed) {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
