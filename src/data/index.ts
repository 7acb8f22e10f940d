/**
 * The namespace `datasets`: data from files, and data that is generated.
 */
export type { DownloadName } from './catalogue.js';
export { type DownloadOptions, type DownloadProgress, type DownloadResult, download } from './download.js';
export type { LoadedDataset, LoadedStream, Split } from './format.js';
export { type GlyphDataset, type GlyphOptions, glyphs } from './glyphs.js';
export { type FormatName, type LoadOptions, load } from './load.js';
