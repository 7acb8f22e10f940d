// Vega-Lite specifications as SVG, without a browser.
import * as vega from 'vega';
import { compile } from 'vega-lite';

const theme = {
  background: 'white',
  font: 'sans-serif',
  view: { stroke: '#ddd' },
  axis: { gridColor: '#eee', domain: false, tickColor: '#ddd', labelColor: '#555', titleColor: '#333', titleFontWeight: 'normal' },
  title: { fontSize: 14, fontWeight: 'normal', anchor: 'start' },
  legend: { labelFontSize: 12, labelLimit: 400 },
  header: { labelFontSize: 12, labelColor: '#333' },
};

export function svg(specification) {
  const { spec } = compile({ ...specification, config: { ...theme, ...specification.config } });
  return new vega.View(vega.parse(spec), { renderer: 'none' }).toSVG();
}
