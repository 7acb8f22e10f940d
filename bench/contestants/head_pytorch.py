#!/usr/bin/env python3
"""PyTorch's side of head.mjs, driven line by line over standard input, as head_onelogit.mjs is.

A step can be written in two ways:
  autograd  torch.nn.functional.linear, loss.backward(); .grad is None before, which saves zeroing and adding
  out       autograd for the loss alone; logits and the gradients of hidden, weight and bias by products into memory that is kept
"method": "auto" times both and keeps the faster.
"""
import json
import math
import re
import sys
import time

import torch
import torch.nn.functional as F

config = json.loads(sys.argv[1])
torch.set_num_threads(config["threads"])
torch.manual_seed(1)
with open(config["random"], "rb") as file:
    random = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)


def memory(field):
    with open("/proc/self/status") as status:
        return int(re.search(field + r":\s*(\d+) kB", status.read()).group(1)) * 1024


def filled(length, convert):
    result = torch.empty(length)
    block = convert(random)
    for begin in range(0, length, len(block)):
        part = result[begin : begin + len(block)]
        part.copy_(block[: len(part)])
    return result


def loss_of(z, y):
    """Value from logits m×k and labels m×1; see docs/losses.md for the formulas."""
    true = z.gather(1, y).squeeze(1)
    name = config["loss"]
    if name == "cross-entropy":
        return F.cross_entropy(z, y.squeeze(1))
    if name == "self-normalization":
        lse = torch.logsumexp(z, 1)
        return (lse - true + 0.1 * lse * lse).mean()
    if name in ("binary-cross-entropy", "nce"):
        # nce: noise that is uniform, k draws a label; so t·q = 1, and the label is one of the classes drawn from.
        positive = -true if name == "binary-cross-entropy" else F.softplus(-true)
        return (F.softplus(z).sum(1) + positive).mean()
    if name == "batch-cross-entropy":
        return torch.logsumexp(z.flatten(), 0) - true.mean() - math.log(len(z))
    false = z.scatter(1, y, -math.inf).max(1).values
    value = F.relu(1 - true + false).mean()
    if name == "batch-max-margin":
        value = value + F.relu(1 - true.min() + false.max()) / len(z)
    return value


def sampled_nce(z_drawn, true, samples, k):
    """Shared draws, uniform noise, noise ratio = draws."""
    offset = math.log(samples / k)
    return (F.softplus(offset - true) + F.softplus(z_drawn - offset).sum(1)).mean()


def make_steps(m, d, k, labels, method):
    """{method: step} for one method, or for both of "auto"; they share parameters and inputs, not gradients."""
    samples = config.get("options", {}).get("numSampled")
    hidden = filled(m * d, torch.abs).view(m, d)
    weight = filled(k * d, lambda block: block / math.sqrt(d)).view(k, d)
    bias = filled(k, lambda block: block / 10)
    y = torch.tensor(labels).unsqueeze(1)
    leaves = [hidden.detach().requires_grad_(), weight.detach().requires_grad_(), bias.detach().requires_grad_()]
    if method != "autograd":  # written once: what is timed does not include the pages' first touch
        grad_hidden, grad_weight, grad_bias = torch.ones(m, d), torch.ones(k, d), torch.ones(k)
        logits = None if samples else torch.ones(m, k)

    def draw():
        drawn = torch.randint(k, (samples,))
        return torch.cat([y.squeeze(1), drawn])

    def with_autograd():
        for leaf in leaves:
            leaf.grad = None
        h, w, b = leaves
        if samples:
            classes = draw()
            rows, biases = w.index_select(0, classes), b.index_select(0, classes)
            true = (h * rows[:m]).sum(1) + biases[:m]
            loss = sampled_nce(torch.addmm(biases[m:], h, rows[m:].t()), true, samples, k)
        else:
            loss = loss_of(F.linear(h, w, b), y)
        loss.backward()
        return loss

    @torch.no_grad()
    def with_out():
        if samples:
            classes = draw()
            rows, biases = weight.index_select(0, classes), bias.index_select(0, classes)
            z = torch.addmm(biases[m:], hidden, rows[m:].t()).requires_grad_()
            true = ((hidden * rows[:m]).sum(1) + biases[:m]).requires_grad_()
            with torch.enable_grad():
                loss = sampled_nce(z, true, samples, k)
            dz, dtrue = torch.autograd.grad(loss, (z, true))
            torch.addmm(rows[:m] * dtrue.unsqueeze(1), dz, rows[m:], out=grad_hidden)
            grad_weight.zero_().index_add_(0, classes, torch.cat([hidden * dtrue.unsqueeze(1), dz.t() @ hidden]))
            grad_bias.zero_().index_add_(0, classes, torch.cat([dtrue, dz.sum(0)]))
            return loss
        z = torch.addmm(bias, hidden, weight.t(), out=logits).detach().requires_grad_()
        with torch.enable_grad():
            loss = loss_of(z, y)
        (dz,) = torch.autograd.grad(loss, z)
        torch.mm(dz, weight, out=grad_hidden)
        torch.mm(dz.t(), hidden, out=grad_weight)
        torch.sum(dz, 0, out=grad_bias)
        return loss

    both = {"autograd": with_autograd, "out": with_out}
    return both if method == "auto" else {method: both[method]}


def seconds(step):
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


method = config["method"]
for step in make_steps(32, 64, 2000, [label % 2000 for label in config["labels"][:32]], method).values():
    step()
baseline = memory("VmRSS")
steps = make_steps(config["m"], config["d"], config["k"], config["labels"], method)
if method == "auto":
    times = {name: [seconds(step) for _ in range(3)] for name, step in steps.items()}
    method = min(times, key=lambda name: min(times[name][1:]))
step = steps[method]
value = None
for _ in range(config["warmUp"]):
    value = step().item()
print(json.dumps({"ready": True, "version": torch.__version__, "baseline": baseline, "method": method}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request.get("memory"):
        print(json.dumps({"peak": memory("VmHWM"), "value": value}), flush=True)
        continue
    begin = time.perf_counter()
    for _ in range(request["steps"]):
        value = step().item()
    print(json.dumps({"milliseconds": (time.perf_counter() - begin) * 1000 / request["steps"]}), flush=True)
