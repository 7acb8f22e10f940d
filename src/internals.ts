/** What tests and benchmarks use of the compiled package beside its public interface. Not published. */
export { commands } from './cli/commands.js';
export { parseCommandLine } from './cli/options.js';
export { Output } from './cli/output.js';
export { writeMetadata } from './metadata.js';
export { native } from './native.js';
