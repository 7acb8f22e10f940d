/** The style sheet of a report. Contrast of text is at least 4.5 : 1 on its ground, light and dark. */

const light = `
  --ground: #ffffff; --raised: #f5f6f8; --text: #1d2126; --muted: #5a626c; --line: #dde1e6; --link: #1a5fa8;
  --right: #1f6fbf; --right-area: rgb(43 127 208 / 0.30); --wrong: #c8541b; --wrong-area: rgb(224 102 42 / 0.26);
  --warning-ground: #fff4e0; --warning-line: #d99a2b;`;
const dark = `
  --ground: #14161a; --raised: #1d2026; --text: #e4e7eb; --muted: #a3abb5; --line: #343941; --link: #82b7f0;
  --right: #5ea6ee; --right-area: rgb(94 166 238 / 0.30); --wrong: #f08a52; --wrong-area: rgb(240 138 82 / 0.26);
  --warning-ground: #33270f; --warning-line: #b98a35;`;

export const style = `
:root { color-scheme: light; ${light} }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { color-scheme: dark; ${dark} } }
:root[data-theme=dark] { color-scheme: dark; ${dark} }
@media print { :root:root:root { color-scheme: light; ${light} } }

* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
h1, h2, h3, p, dl, figure, table { margin: 0; }
h1 { font-size: clamp(1.25rem, 5vw, 2.1rem); line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; }
section { margin-top: 56px; scroll-margin-top: 16px; }
section > p, .interactive > p { max-width: 72ch; margin-top: 8px; }
.muted, section > p.muted { color: var(--muted); }
code { font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--raised); padding: 0.15em 0.4em; border-radius: 4px; overflow-wrap: anywhere; }
a { color: var(--link); }

.skip { position: absolute; left: -999px; }
.skip:focus { left: 16px; top: 8px; background: var(--ground); padding: 8px 12px; z-index: 1; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
button, select, input[type=search] { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--muted); border-radius: 6px; padding: 6px 12px; min-height: 38px; }
button { cursor: pointer; }
button:hover:enabled { background: var(--raised); }
button:disabled { color: var(--muted); border-color: var(--line); cursor: default; }
select, input[type=search] { max-width: 100%; }
input[type=checkbox] { width: 18px; height: 18px; accent-color: var(--link); }

header { padding-top: 40px; display: flex; gap: 24px; justify-content: space-between; align-items: flex-start; }
header > div { min-width: 0; }
.kind { color: var(--muted); font-size: 0.9rem; }
header .lead { margin-top: 6px; color: var(--muted); overflow-wrap: anywhere; }
.warning { margin-top: 28px; padding: 14px 18px; background: var(--warning-ground); border-left: 4px solid var(--warning-line); border-radius: 4px; max-width: none; }

.measures { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 24px 28px; margin-top: 36px; }
.measures div { border-top: 2px solid var(--text); padding-top: 10px; display: flex; flex-direction: column; justify-content: space-between; }
.measures dt { font-size: 0.875rem; color: var(--muted); }
.measures dd { margin: 2px 0 0; white-space: nowrap; font-size: clamp(1.35rem, 2.6vw, 1.75rem); font-weight: 600; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }

.controls { display: flex; flex-wrap: wrap; gap: 12px 24px; align-items: center; margin-top: 20px; }
.controls label { display: inline-flex; gap: 8px; align-items: center; max-width: 100%; }
.controls select { min-width: 0; width: 22rem; }
#scope-facts { min-height: 1.5em; overflow-wrap: anywhere; }
figure { min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 20px; font-size: 0.9rem; margin-bottom: 4px; }
figcaption strong { font-weight: 600; }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 6px; border-radius: 2px; vertical-align: -1px; }
.swatch.right { background: var(--right-area); border: 2px solid var(--right); }
.swatch.wrong { background: var(--wrong-area); border: 2px solid var(--wrong); }
.swatch.line { width: 0; height: 14px; border-left: 2px solid var(--text); border-radius: 0; }
.swatch.dotted { width: 0; height: 14px; border-left: 2px dotted var(--muted); border-radius: 0; }
.swatch.dashed { width: 18px; height: 0; border-top: 2px dashed var(--muted); border-radius: 0; vertical-align: 4px; }
.wide { margin-top: 20px; }
#histogram .u-over { cursor: ew-resize; touch-action: pan-y; }
/* As wide as the plot above it (histogram.ts: axisWidth, rightPadding), with half a thumb more at each end. */
#threshold { display: block; appearance: none; background: none; width: calc(100% - 64px - 12px + 20px); margin: 0 2px 0 54px; height: 32px; cursor: ew-resize; }
#threshold::-webkit-slider-runnable-track { height: 4px; border-radius: 2px; background: var(--muted); }
#threshold::-moz-range-track { height: 4px; border-radius: 2px; background: var(--muted); }
#threshold::-webkit-slider-thumb { appearance: none; width: 20px; height: 20px; margin-top: -8px; border-radius: 50%; border: 3px solid var(--ground); background: var(--text); box-shadow: 0 0 0 1px var(--text); }
#threshold::-moz-range-thumb { width: 14px; height: 14px; border-radius: 50%; border: 3px solid var(--ground); background: var(--text); box-shadow: 0 0 0 1px var(--text); }
.slider { display: flex; flex-wrap: wrap; gap: 10px 20px; align-items: center; justify-content: space-between; margin: 4px 12px 0 64px; }
.slider label { font-weight: 600; }
.slider output { font-size: 1.15rem; font-weight: 600; font-variant-numeric: tabular-nums; margin-left: 8px; }
#presets { display: flex; flex-wrap: wrap; gap: 8px; }
#presets button { padding: 4px 12px; min-height: 34px; font-size: 0.9rem; }
.pair { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); gap: 20px 48px; margin-top: 32px; align-items: center; }
.readings { display: flex; flex-wrap: wrap; gap: 16px 36px; }
.readings div { display: flex; flex-direction: column; justify-content: space-between; }
.readings dt { font-size: 0.875rem; color: var(--muted); }
.readings dd { margin: 0; font-size: 1.75rem; font-weight: 600; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
#reading { margin-top: 20px; max-width: 46ch; min-height: 4.5em; }
.pair .notes { margin-top: 12px; font-size: 0.9rem; color: var(--muted); max-width: 52ch; }
details { margin-top: 20px; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
#tables-body { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 24px; margin-top: 12px; }
#tables-body .scroll { max-height: 360px; overflow-y: auto; }

.scroll { overflow-x: auto; margin-top: 16px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0 8px; }
th, td { padding: 8px 12px; text-align: right; border-bottom: 1px solid var(--line); font-weight: 400; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-size: 0.875rem; color: var(--muted); vertical-align: bottom; border-bottom: 1px solid var(--muted); }
.text { text-align: left; }
#classes thead button { border: 0; padding: 6px 0; background: none; min-height: 32px; text-align: inherit; white-space: normal; font-size: inherit; color: var(--muted); }
#classes thead button:hover { color: var(--text); text-decoration: underline; }
#classes thead th[aria-sort] button { color: var(--text); font-weight: 600; }
#classes thead th[aria-sort=ascending] button::after { content: " ▲"; font-size: 0.7em; }
#classes thead th[aria-sort=descending] button::after { content: " ▼"; font-size: 0.7em; }
.name { display: inline-block; max-width: min(46vw, 24rem); overflow: hidden; text-overflow: ellipsis; vertical-align: middle; white-space: nowrap; border: 0; background: none; padding: 2px 0; min-height: 28px; color: var(--link); text-align: start; unicode-bidi: isolate; }
button.name:hover { background: none; text-decoration: underline; }
span.name { color: inherit; }
.number { color: var(--muted); margin-right: 10px; vertical-align: middle; }
td.precision { background: linear-gradient(to right, var(--right) calc(100% * var(--share)), var(--line) 0) no-repeat 12px calc(100% - 3px) / calc(100% - 24px) 3px; }
.leans { font-size: 0.8rem; color: var(--muted); border: 1px solid var(--line); border-radius: 999px; padding: 1px 8px; margin-right: 8px; }
.pages { display: flex; flex-wrap: wrap; gap: 12px; align-items: center; justify-content: space-between; margin-top: 14px; }
.pages div { display: flex; gap: 8px; }
[hidden] { display: none !important; }

.facts { display: grid; grid-template-columns: minmax(160px, 260px) minmax(0, 1fr); gap: 8px 24px; margin-top: 16px; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.names { columns: 14rem; margin: 12px 0 0; padding-left: 20px; }
.names li { overflow-wrap: anywhere; }
footer { margin-top: 64px; padding-top: 20px; padding-bottom: 48px; color: var(--muted); font-size: 0.875rem; }

@media (max-width: 720px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 24px; }
  section { margin-top: 44px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  .measures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px; }
  .measures div:first-child { grid-column: 1 / -1; }
  .readings dd { font-size: 1.4rem; }
  .slider { margin: 4px 0 0; }
  .controls label:first-child, .controls select { width: 100%; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 2px; }
  .facts dd { margin-bottom: 10px; }
  th, td { padding: 8px; }
  th[scope=row], thead th { white-space: normal; }
  #classes th[scope=row] { white-space: nowrap; }
  .readings { gap: 16px 22px; }
}
@media print {
  body { font-size: 11pt; }
  header button, #threshold, #presets, .controls, .pages div, #more-confusions, label[for=search], #search, details:not([open]) { display: none !important; }
  section { break-inside: avoid-page; margin-top: 28px; }
  #classes, #confusions { break-inside: auto; }
}
`;

/** For readers without JavaScript: what would do nothing. */
export const styleWithoutProgram = '.interactive { display: none; }';
