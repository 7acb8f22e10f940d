/** The file of a report: one HTML document that needs nothing else and may fetch nothing. */
import { createHash } from 'node:crypto';
import { notAligned } from '../alignment.js';
import type { ClassEvaluation, Evaluation, RankingErrors } from '../evaluate.js';
import type { NativeConfusion } from '../native-model.js';
import type { ReportAssets } from './assets.js';
import { type CalibrationResult, calibrationSection } from './calibration-section.js';
import { count, type Fact, modelFacts, type ReportSubject, runFacts } from './facts.js';
import { Html, html, jsonInScript } from './html.js';
import type { ReportData } from './page/report-data.js';
import { style, styleWithoutProgram } from './style.js';

export interface ReportContents {
  readonly subject: ReportSubject;
  readonly evaluation: Evaluation;
  readonly data: ReportData;
  /** The most frequent ones. */
  readonly confusions: readonly NativeConfusion[];
  /** Null for a model without thresholds, or where they are not about the scores. */
  readonly calibration: CalibrationResult | null;
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
const measure = (value: number | null) => (value === null ? '–' : value.toFixed(4));

/** 'cat', or 'class 3' without names. */
const nameOf = ({ class: one, name }: ClassEvaluation) => (name === undefined || name === '' ? `class ${one}` : name);

function header({ subject, evaluation }: ReportContents): Html {
  return html`<header>
<div><p class="kind">Evaluation report</p>
<h1 dir="auto">${subject.model}</h1>
<p class="lead">on <bdi>${subject.data}</bdi>: ${count(evaluation.examples)} examples of ${count(evaluation.classes)} classes, ${subject.date.slice(0, 10)}</p></div>
<button id="theme" type="button" hidden></button>
</header>`;
}

function warning({ subject, evaluation }: ReportContents): Html | undefined {
  const { loss } = subject.metadata;
  const texts = [
    ...(loss !== null && !loss.aligned ? [notAligned(loss.name)] : []),
    ...(evaluation.scores === 'softmax'
      ? [
          'Scores here are softmax probabilities. They take all logits of an example to compute; evaluate with single logits to see what one logit tells.',
        ]
      : []),
  ];
  return texts.length === 0 ? undefined : html`${texts.map((text) => html`<p class="warning">${text}</p>\n`)}`;
}

function measures({ evaluation }: ReportContents): Html {
  const { accuracy, misorderedPairs, separationHolds, pooled, atLeastFivePositives: five } = evaluation;
  const tiles: Fact[] = [
    ['Accuracy', percent(accuracy)],
    ['1 − AUPRC', measure(evaluation.oneMinusAuprc)],
    ['1 − P@0.9', measure(evaluation.oneMinusPrecisionAt90)],
    ['1 − P@0.99', measure(evaluation.oneMinusPrecisionAt99)],
    ['Misordered pairs', separationHolds ? 'none' : misorderedPairs.toExponential(2)],
  ];
  const row = (name: string, errors: RankingErrors<number | null>) =>
    html`<tr><th scope="row">${name}</th><td>${measure(errors.oneMinusAuprc)}</td><td>${measure(errors.oneMinusPrecisionAt90)}</td><td>${measure(errors.oneMinusPrecisionAt99)}</td></tr>`;
  return html`<section aria-labelledby="measures-title"><h2 id="measures-title">Measures</h2>
<p class="muted">Each class ranks all examples by its score alone; errors, of which less is better, are means over the ${count(evaluation.classesWithPositives)} classes that occur.
AUPRC is the area under the precision-recall curve, P@0.9 the precision at a recall of 0.9. A misordered pair is a right score that is not above a wrong one, of whatever examples.</p>
<dl class="measures">${tiles.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<div class="scroll" tabindex="0" role="region" aria-label="Other averages"><table><thead><tr><th scope="col">Averaged over</th><th scope="col">1 − AUPRC</th><th scope="col">1 − P@0.9</th><th scope="col">1 − P@0.99</th></tr></thead><tbody>
${row('classes that occur', evaluation)}
${five.classes > 0 && five.classes < evaluation.classesWithPositives && row(`classes with 5 examples or more (${count(five.classes)})`, five)}
${row(pooled.negativesPerExample === 'all' ? 'all example-class pairs in one ranking' : `all pairs, from ${count(pooled.negatives)} wrong ones`, pooled)}
</tbody></table></div></section>`;
}

function thresholds({ data, calibration }: ReportContents): Html {
  const score = data.scores === 'softmax' ? 'probability' : 'logit';
  return html`<section id="thresholds" aria-labelledby="thresholds-title"><h2 id="thresholds-title">Scores and thresholds</h2>
<p class="muted">One threshold decides: whatever reaches it is taken for the class. Move it with the slider, its arrow keys, or in the figure.</p>
<noscript><p class="warning">The figures and the table of classes need JavaScript, which is in this file; nothing is fetched.</p></noscript>
<div class="interactive">
<div class="controls"><label for="scope">Class <select id="scope"></select></label>
<label><input id="logarithmic" type="checkbox" checked> logarithmic shares</label></div>
<p class="muted" id="scope-facts"></p>
<figure class="wide"><figcaption><strong>Share of each kind by ${score}</strong>
<span><span class="swatch right"></span>right class</span><span><span class="swatch wrong"></span>wrong class</span>
<span><span class="swatch line"></span>threshold</span>${calibration && html`<span><span class="swatch dotted"></span>calibrated threshold</span>`}</figcaption>
<div id="histogram" role="img"></div></figure>
<input id="threshold" type="range" min="0" max="1" step="1" value="0" aria-labelledby="threshold-label" aria-describedby="reading">
<div class="slider"><div><label id="threshold-label" for="threshold">Threshold</label><output id="threshold-value" for="threshold" aria-live="off"></output></div>
<div id="presets" role="group" aria-label="Set the threshold">
<button type="button" data-preset="0.9">recall 0.9</button><button type="button" data-preset="0.99">recall 0.99</button>${calibration && html`<button type="button" data-preset="calibrated">calibrated</button>`}</div></div>
<div class="pair"><figure><figcaption><strong>Precision and recall</strong><span><span class="swatch dashed"></span>all classes together</span></figcaption><div id="curve" role="img"></div></figure>
<div><dl class="readings"><div><dt>Precision</dt><dd id="precision"></dd></div><div><dt>Recall</dt><dd id="recall"></dd></div><div><dt>False positive rate</dt><dd id="false-positive-rate"></dd></div></dl>
<p id="reading"></p>
<p class="notes">The counts at every position of the slider are exact. The curve steps as average precision does; a long one is drawn by the points that make its peaks and dips.</p></div></div>
<details id="tables"><summary>The figures as tables</summary><div id="tables-body"></div></details></div></section>`;
}

function classes({ evaluation, data }: ReportContents): Html {
  const { classesWithPositives } = evaluation;
  const shown = data.perClass.length;
  return html`<section id="classes" class="interactive" aria-labelledby="classes-title"><h2 id="classes-title">Classes</h2>
<p class="muted">The hardest first. Choose one to see its scores above.</p>
${
  shown < classesWithPositives &&
  html`<p><strong>Not all classes are listed.</strong> ${count(classesWithPositives)} classes occur in these examples; the figures of single classes, the list and its search have the ${count(shown)} of the lowest average precision, so that the file stays small. The measures above, and the figures of all classes together, are of all of them; <code>onelogit evaluate --json</code> has those of every class.</p>`
}
<div class="controls"><label for="search">Search <input id="search" type="search" autocomplete="off" spellcheck="false" placeholder="name or number"></label></div>
<div class="scroll" tabindex="0" role="region" aria-label="Classes"><table><thead id="classes-head"></thead><tbody id="classes-body"></tbody></table></div>
<div class="pages"><span id="shown" role="status"></span><div id="pages"><button id="previous" type="button">Previous</button><button id="next" type="button">Next</button></div></div></section>`;
}

const confusionsAtFirst = 12;

function confusions({ evaluation, data, confusions: all }: ReportContents): Html {
  const { perClass } = evaluation;
  const title = html`<h2 id="confusions-title">Most confused pairs</h2>`;
  if (all.length === 0)
    return html`<section aria-labelledby="confusions-title">${title}<p class="muted">None: in every example the right class has the highest score.</p></section>`;
  const included = new Set(data.perClass.map((one) => one.class));
  const name = (one: number) => {
    const text = nameOf(perClass[one]!);
    return included.has(one)
      ? html`<button type="button" class="name" dir="auto" data-choose="${one}" title="${text}">${text}</button>`
      : html`<span class="name" dir="auto" title="${text}">${text}</span>`;
  };
  const rows = all.map(
    ({ label, wrong, examples }, i) =>
      html`<tr${i >= confusionsAtFirst && new Html(' hidden')}><td>${name(label)}</td><td class="text">${name(wrong)}</td><td>${count(examples)}</td><td>${percent(examples / perClass[label]!.positives)}</td></tr>\n`,
  );
  return html`<section id="confusions" aria-labelledby="confusions-title">${title}
<p class="muted">In how many examples of a class a wrong one has the higher score.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Most confused pairs"><table><thead><tr><th scope="col">Class</th><th scope="col" class="text">below the wrong class</th><th scope="col">Examples</th><th scope="col">of the class’s</th></tr></thead><tbody>
${rows}</tbody></table></div>
${all.length > confusionsAtFirst && html`<p><button id="more-confusions" type="button">Show all ${count(all.length)}</button></p>`}</section>`;
}

const namedAtMost = 500;

function absentClasses({ evaluation }: ReportContents): Html | undefined {
  const absent = evaluation.perClass.filter(({ positives }) => positives === 0);
  if (absent.length === 0) return undefined;
  const named = absent.slice(0, namedAtMost);
  return html`<section aria-labelledby="absent-title"><h2 id="absent-title">Classes without examples</h2>
<p class="muted">${count(absent.length)} of ${count(evaluation.classes)} classes do not occur in these examples. They count as wrong classes of the others and are left out of the averages.</p>
<details><summary>${absent.length > named.length ? `The first ${count(named.length)}` : 'Which'}</summary><ul class="names">${named.map((one) => html`<li dir="auto">${nameOf(one)}</li>`)}</ul></details></section>`;
}

const factList = (facts: readonly Fact[]) =>
  html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd dir="auto">${value}</dd>`)}</dl>`;

function about({ subject, evaluation }: ReportContents): Html {
  return html`<section aria-labelledby="model-title"><h2 id="model-title">Model and training</h2>
<p class="muted">What the model’s file records: of its latest fit, if there were several.</p>${factList(modelFacts(subject))}</section>
<section aria-labelledby="run-title"><h2 id="run-title">This evaluation</h2>${factList(runFacts(subject, evaluation))}</section>`;
}

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Text inside a script element; it must not end the element, nor begin what changes how its end is found. */
function script(text: string): string {
  return text.replace(/<(?=\/script|!--|script)/gi, '\\x3c');
}

/** The whole file. Its policy allows its own two programs and its own style, and forbids everything else: nothing leaves the file. */
export function reportDocument(contents: ReportContents, { library, libraryStyle, program }: ReportAssets): string {
  const { subject, data, calibration } = contents;
  const styles = `${libraryStyle}\n${style}`;
  const [plotting, page] = [script(library), script(program)];
  const policy = [
    "default-src 'none'",
    `script-src ${sha256(plotting)} ${sha256(page)}`,
    `style-src ${sha256(styles)} ${sha256(styleWithoutProgram)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="onelogit ${subject.version}">
<title>${subject.model}: evaluation report</title>
<link rel="icon" href="data:,">
<style>${new Html(styles)}</style>
<noscript><style>${new Html(styleWithoutProgram)}</style></noscript>
</head>
<body>
<a class="skip" href="#thresholds">Skip to scores and thresholds</a>
${header(contents)}
<main>
${warning(contents)}
${measures(contents)}
${thresholds(contents)}
${classes(contents)}
${confusions(contents)}
${calibrationSection(calibration, subject, data.scores)}
${absentClasses(contents)}
${about(contents)}
</main>
<footer>Made by onelogit ${subject.version} at ${subject.date}. Figures by uPlot. This file is complete: it fetches nothing.</footer>
<script type="application/json" id="report-data">${new Html(jsonInScript(data))}</script>
<script>${new Html(plotting)}</script>
<script type="module">${new Html(page)}</script>
</body>
</html>
`.text;
}
