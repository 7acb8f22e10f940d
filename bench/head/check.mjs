// What head.mjs --check asks for, at 128 examples, 512 features and 100,000 classes.
import { findCase, inProducts } from './layer.mjs';

const [d, k] = [512, 100_000];

/** [{ what, measured, wanted, met }]; measured is undefined where the case was not run. */
export function checkLayer(results) {
  const found = (name) => findCase(results, name, d, k);
  const batch = found('batch-cross-entropy');
  const checks = [];
  const add = (what, result, measure, relation, bound) => {
    const measured = result && batch ? measure(result) : undefined;
    checks.push({ what, measured, wanted: `${relation} ${bound}`, met: relation === '≥' ? measured >= bound : measured <= bound });
  };
  for (const name of ['binary-cross-entropy', 'batch-cross-entropy'])
    add(`${name}: share of the matrix products' rate`, found(name), ({ contestants }) => contestants.fused.share.median, '≥', 0.7);
  // Cases run one after the other: each is taken relative to the matrix products that ran beside it.
  const relative = (result) => inProducts(result) / inProducts(batch);
  for (const name of ['max-margin', 'batch-max-margin']) add(`${name} ÷ batch-cross-entropy`, found(name), relative, '≤', 0.45);
  add('cross-entropy ÷ batch-cross-entropy', found('cross-entropy'), relative, '≤', 1.45);
  if (!batch || batch.contestants.pytorch)
    // left out where PyTorch is not installed
    add('batch-cross-entropy: PyTorch ÷ fused', batch, ({ timesFused }) => timesFused.pytorch.median, '≥', 2);
  // The workspace, and an m×d sum for each of two threads and their merge.
  for (const result of results.filter((one) => one.d === d && one.k === k))
    add(`${result.name}: MiB beside arguments`, result, extra, '≤', 64 + Math.ceil((16 * result.m * d) / 2 ** 20));
  return checks;
}

const extra = ({ contestants }) => contestants.fused.memory.extra / 2 ** 20;
