/**
 * Figures as SVG, from Vega-Lite specifications, by vega and vega-lite (https://vega.github.io), which are loaded when the first one is drawn:
 * whoever draws none need not install them. They need no browser.
 */
import type { TopLevelSpec } from 'vega-lite';
import { OneLogitError } from '../errors.js';

/** Makes the text of an SVG file. */
export type DrawFigure = (specification: TopLevelSpec) => Promise<string>;

/** Colours of data, apart for every kind of colour vision and readable on white and on black. */
export const figureColours = { blue: '#2b7fd0', orange: '#e0662a', green: '#2f9e77', purple: '#9467bd', grey: '#8a8a8a' } as const;

/** Everything else has one colour on light and another on dark ground. */
const themes = {
  ground: ['#ffffff', '#16181c'],
  text: ['#333333', '#d8d8d8'],
  muted: ['#595959', '#a6a6a6'],
  line: ['#dddddd', '#3a3d42'],
} as const;
const colour = (name: keyof typeof themes) => themes[name][0];

const config = {
  background: colour('ground'),
  font: 'sans-serif',
  padding: 12,
  view: { stroke: colour('line') },
  axis: {
    grid: true,
    gridColor: colour('line'),
    domain: false,
    tickColor: colour('line'),
    labelColor: colour('muted'),
    labelFontSize: 11,
    titleColor: colour('text'),
    titleFontSize: 12,
    titleFontWeight: 'normal',
  },
  title: { color: colour('text'), subtitleColor: colour('muted'), fontSize: 13, subtitleFontSize: 11, anchor: 'start', offset: 8 },
  legend: { labelColor: colour('text'), labelFontSize: 12, labelLimit: 400 },
  text: { color: colour('text') },
} as const;

/** The dark colours as a style sheet: it wins over the attributes of the elements, where the reader prefers dark ground. */
const style = `<style>@media (prefers-color-scheme: dark) {${Object.values(themes)
  .flatMap(([bright, dark]) => [`[fill="${bright}"] { fill: ${dark} }`, `[stroke="${bright}"] { stroke: ${dark} }`])
  .join(' ')}}</style>`;

async function importVega() {
  try {
    const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
    return { vega, vegaLite };
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new OneLogitError(
      'ERR_ONELOGIT_DEPENDENCY',
      `Expected the packages vega and vega-lite, which draw figures (npm install vega vega-lite), but received: ${missing ? 'they are not installed' : (cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * Call it before the work whose results are to be drawn.
 *
 * @throws OneLogitError `ERR_ONELOGIT_DEPENDENCY` where vega or vega-lite is not installed.
 */
export async function figureDrawer(): Promise<DrawFigure> {
  const { vega, vegaLite } = await importVega();
  return async (specification) => {
    const { spec } = vegaLite.compile({ ...specification, config });
    const view = new vega.View(vega.parse(spec), { renderer: 'none' });
    try {
      const svg = await view.toSVG();
      return `${svg.replace(/^<svg[^>]*>/, (tag) => `${tag}${style}`)}\n`;
    } finally {
      view.finalize();
    }
  };
}
