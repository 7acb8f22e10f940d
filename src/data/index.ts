/**
 * Data from files, from the network, and data that is generated.
 *
 * @module datasets
 */
export type { DownloadName } from './catalogue.js';
export { type DownloadOptions, type DownloadProgress, type DownloadResult, download } from './download.js';
export type { LoadedDataset, LoadedStream, Split } from './format.js';
export type { FormatName } from './format-names.js';
export { type GlyphDataset, type GlyphOptions, glyphs } from './glyphs.js';
export { type LoadOptions, load } from './load.js';
export type { LoadProgress } from './meter.js';
