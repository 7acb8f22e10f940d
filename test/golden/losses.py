"""Writes losses.json and losses.gradients.bin: values and gradients of the seven losses, computed by an implementation that shares
nothing with the library. Run with Debian's python3-torch:

    /usr/bin/python3 test/golden/losses.py

Everything is float64 PyTorch; gradients come from autograd. Where a maximum or minimum is taken, the entry is found first (NumPy's
arg max: the lowest index on ties) and then gathered, because amax would share the gradient among ties. A hinge is
where(h > 0, h, 0), because clamp passes a gradient at exactly 0. Softplus is logaddexp, because softplus is cut off at 20.

Inputs are not stored but made again by the test (test/losses.test.ts) from the case's description, with the generator of Press et al.,
Numerical Recipes: s <- (1664525 s + 1013904223) mod 2^32, u = s / 2^32, its first four numbers left out. Logits, in row-major order, rounded to float32:

    uniform   (2u - 1) scale
    steps     (floor(levels u) - floor(levels / 2)) scale         few distinct values, so many ties
    extremes  one of -10000, 10000, 9999.75, 0, by floor(4u)
    values    as given

Labels are given, or floor(k u) from a generator of their own. losses.gradients.bin holds the gradients one after the other as
little-endian float32; a case's begin at number `offset`.
"""

import itertools
import json
import math
import pathlib

import numpy as np
import torch

MASK32 = 0xFFFFFFFF
MASK64 = 0xFFFFFFFFFFFFFFFF


def stream(seed):
    state = seed
    for number in itertools.count():
        state = (1664525 * state + 1013904223) & MASK32
        if number >= 4:
            yield state / 2**32


def make_logits(spec, count):
    if spec["kind"] == "values":
        return np.array(spec["values"], dtype=np.float32)
    u = stream(spec["seed"])
    if spec["kind"] == "uniform":
        values = [(2 * next(u) - 1) * spec["scale"] for _ in range(count)]
    elif spec["kind"] == "steps":
        levels = spec["levels"]
        values = [(math.floor(levels * next(u)) - levels // 2) * spec["scale"] for _ in range(count)]
    else:
        values = [(-10000.0, 10000.0, 9999.75, 0.0)[math.floor(4 * next(u))] for _ in range(count)]
    return np.array(values, dtype=np.float32)


def make_labels(spec, m, k):
    if isinstance(spec, list):
        return spec
    u = stream(spec["seed"])
    return [math.floor(k * next(u)) for _ in range(m)]


def softplus(x):
    return torch.logaddexp(x, torch.zeros_like(x))


def positive_part(h):
    return torch.where(h > 0, h, torch.zeros_like(h))


def reduce(per_example, options):
    return per_example.sum() if options.get("reduction") == "sum" else per_example.mean()


def truths(z, y):
    return z[torch.arange(len(y)), torch.tensor(y)]


def largest_false(z, y):
    """Column of each row's largest logit other than the label's, the lowest on ties."""
    without = z.detach().numpy().copy()
    without[np.arange(len(y)), y] = -np.inf
    return np.argmax(without, axis=1)


def cross_entropy(z, y, options):
    return reduce(torch.logsumexp(z, 1) - truths(z, y), options)


def self_normalization(z, y, options):
    lse = torch.logsumexp(z, 1)
    return reduce(lse - truths(z, y) + options.get("alpha", 0.1) * lse**2, options)


def max_margin(z, y, options):
    false = z[torch.arange(len(y)), torch.tensor(largest_false(z, y))]
    return reduce(positive_part(options.get("margin", 1.0) - truths(z, y) + false), options)


def batch_max_margin(z, y, options):
    m = len(y)
    true = truths(z, y)
    columns = largest_false(z, y)
    false = z[torch.arange(m), torch.tensor(columns)]
    # Rows in order and the lowest column within each: the lowest flat index.
    lowest = int(np.argmin(true.detach().numpy()))
    highest = int(np.argmax(false.detach().numpy()))
    batch = positive_part(options.get("margin", 1.0) - true[lowest] + false[highest])
    return max_margin(z, y, options) + batch / m


def binary_cross_entropy(z, y, options):
    true = truths(z, y)
    label = torch.zeros_like(z)
    label[torch.arange(len(y)), torch.tensor(y)] = 1
    return reduce(softplus(-true) + (softplus(z) * (1 - label)).sum(1), options)


def batch_cross_entropy(z, y, options):
    m = len(y)
    # The KL divergence itself, between 1/m at each label and the batch's softmax.
    log_q = z - torch.logsumexp(z.reshape(-1), 0)
    return (1 / m * (math.log(1 / m) - truths(log_q, y))).sum()


def philox(counter_low, counter_high, key):
    """Philox4x32-10 (Salmon et al. 2011), with counter words low to high."""
    c = [counter_low & MASK32, counter_low >> 32, counter_high & MASK32, counter_high >> 32]
    k = [key & MASK32, key >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK32, (a >> 32) ^ c[3] ^ k[1], a & MASK32]
        k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
    return c


def draw(number, k, options):
    """The class of draw `number` of step 0 (native/loss/noise.h)."""
    words = philox(number // 2, 0, options.get("seed", 0) ^ 0x6E63652D6E6F6973)
    bits = words[2 * (number % 2)] << 32 | words[2 * (number % 2) + 1]
    if options.get("noise", "uniform") == "uniform":
        return bits * k >> 64
    return min(int(math.exp((bits >> 11) / 2**53 * math.log1p(k))) - 1, k - 1)


def nce(z, y, options):
    m, k = z.shape
    noise = options.get("noise", "uniform")
    if noise == "uniform":
        q = torch.full((k,), 1 / k, dtype=torch.float64)
    elif noise == "log-uniform":
        j = torch.arange(k, dtype=torch.float64)
        q = torch.log((j + 2) / (j + 1)) / math.log(k + 1)
    else:
        q = torch.tensor(noise, dtype=torch.float64)
        q = q / q.sum()
    samples = options.get("numSampled", 0)
    t = options.get("noiseRatio", samples or k)
    x = z - torch.log(t * q)
    minus_log_one_minus_g = softplus(x)
    if samples:
        terms = []
        for i in range(m):
            first = i * samples if options.get("samples") == "per-example" else 0
            drawn = [draw(first + s, k, options) for s in range(samples)]
            kept = [j for j in drawn if not (options.get("removeAccidentalHits") and j == y[i])]
            terms.append(t / samples * minus_log_one_minus_g[i, torch.tensor(kept, dtype=torch.long)].sum())
        expectation = torch.stack(terms)
    else:
        expectation = t * (q * minus_log_one_minus_g).sum(1)
    return reduce(softplus(-truths(x, y)) + expectation, options)


LOSSES = {
    "cross-entropy": cross_entropy,
    "max-margin": max_margin,
    "self-normalization": self_normalization,
    "nce": nce,
    "binary-cross-entropy": binary_cross_entropy,
    "batch-cross-entropy": batch_cross_entropy,
    "batch-max-margin": batch_max_margin,
}
MARGIN = ("max-margin", "batch-max-margin")


def inputs():
    """(title, m, k, logits, labels) that every loss is computed on."""
    uniform = lambda seed, scale: {"kind": "uniform", "seed": seed, "scale": scale}
    for seed, (m, k) in enumerate([(1, 2), (1, 10), (2, 2), (4, 2), (5, 7), (3, 17), (16, 10), (2, 1000)]):
        yield "spread 1", m, k, uniform(seed, 1), {"seed": 100 + seed}
        yield "spread 16", m, k, uniform(50 + seed, 16), {"seed": 100 + seed}
    yield "duplicate labels", 8, 5, uniform(7, 4), [2, 2, 2, 2, 0, 0, 2, 2]
    for seed, (m, k) in enumerate([(1, 2), (3, 2), (6, 8), (2, 1000)]):
        yield "ties", m, k, {"kind": "steps", "seed": seed, "levels": 3, "scale": 0.5}, {"seed": 200 + seed}
        yield "logits of 1e4", m, k, {"kind": "extremes", "seed": seed}, {"seed": 300 + seed}
    yield "all equal", 3, 4, {"kind": "values", "values": [0.25] * 12}, [0, 1, 3]
    yield "1e4 apart", 2, 3, {"kind": "values", "values": [1e4, -1e4, -1e4, -1e4, 1e4, -1e4]}, [0, 1]
    yield "1e4 apart, wrong", 2, 3, {"kind": "values", "values": [1e4, -1e4, -1e4, -1e4, 1e4, -1e4]}, [1, 2]
    # Row hinges of exactly 0, and just above and below it; the batch hinge is above 0.
    yield "hinge 0", 2, 3, {"kind": "values", "values": [2, 1, 0.5, 0.25, 1.25, -1]}, [0, 1]
    yield "hinge 0 and next to it", 3, 2, {"kind": "values", "values": [1, 0, 1 - 2**-20, 0, 1 + 2**-20, 0]}, [0, 0, 0]
    # Batch and row hinge in the same entries.
    yield "one example far off", 3, 3, {"kind": "values", "values": [-4, 6, 5, 3, 0, 0, 0, 3, 0]}, [0, 0, 1]
    yield "separated", 3, 3, {"kind": "values", "values": [8, -8, -9, -7, 9, -8, -9, -9, 7]}, [0, 1, 2]


def cases():
    for title, m, k, logits, labels in inputs():
        for name in LOSSES:
            yield title, name, {}, m, k, logits, labels
    uniform = {"kind": "uniform", "seed": 11, "scale": 3}
    shape = (4, 6, uniform, {"seed": 12})
    for name in LOSSES:
        if not name.startswith("batch"):
            yield "sum", name, {"reduction": "sum"}, *shape
    for name in MARGIN:
        for margin in (0.3, 5):
            yield "margin", name, {"margin": margin}, *shape
        yield "batch hinge 0", name, {"margin": 0.25}, 2, 3, {"kind": "values", "values": [2, 1, 0.5, 0.25, 1.25, -1]}, [0, 1]
    for alpha in (0.01, 3):
        yield "alpha", "self-normalization", {"alpha": alpha}, *shape
    weights = [1, 2, 0.5, 4, 0.25, 8]
    for noise in ("uniform", "log-uniform", weights):
        yield "noise", "nce", {"noise": noise}, *shape
        yield "noise ratio", "nce", {"noise": noise, "noiseRatio": 2.5}, *shape
    large = (3, 300, uniform, {"seed": 13})
    for noise in ("uniform", "log-uniform"):
        for samples in ("shared", "per-example"):
            options = {"noise": noise, "samples": samples}
            yield "sampled", "nce", {**options, "numSampled": 20}, *shape
            yield "sampled", "nce", {**options, "numSampled": 21, "noiseRatio": 5, "seed": 123456789012345}, *large
            yield "no accidental hits", "nce", {**options, "numSampled": 15, "removeAccidentalHits": True, "seed": 3}, *shape
            yield "one draw", "nce", {**options, "numSampled": 1}, 2, 2, uniform, [0, 1]


def main():
    written, gradients, offset = [], [], 0
    for title, name, options, m, k, logits, labels in cases():
        z = torch.tensor(make_logits(logits, m * k).astype(np.float64).reshape(m, k), requires_grad=True)
        value = LOSSES[name](z, make_labels(labels, m, k), options)
        value.backward()
        assert math.isfinite(value.item()) and bool(torch.isfinite(z.grad).all()), (title, name)
        written.append(
            {"title": title, "loss": name, "options": options, "m": m, "k": k, "logits": logits, "labels": labels,
             "value": value.item(), "offset": offset}
        )
        gradients.append(z.grad.numpy().astype("<f4").reshape(-1))
        offset += m * k
    folder = pathlib.Path(__file__).parent
    lines = ",\n".join(json.dumps(case) for case in written)
    (folder / "losses.json").write_text('{"writtenBy": "PyTorch %s",\n"cases": [\n%s\n]}\n' % (torch.__version__, lines))
    (folder / "losses.gradients.bin").write_bytes(np.concatenate(gradients).tobytes())


main()
