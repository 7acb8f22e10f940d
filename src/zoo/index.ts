import { mlp } from './mlp.js';

/** Architectures by name, each with its number of classes as an argument. */
export const zoo = { mlp } as const;
