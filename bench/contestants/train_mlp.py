#!/usr/bin/env python3
"""PyTorch's side of train-mlp.mjs: the same network and step, eager, driven line by line over standard input.

Reads one JSON object a line ({"steps": n}) and answers with {"milliseconds": per step}; says {"ready": ..., "version": ...} first.
Batches are cut beforehand: what is timed is forward, loss, backward and update alone.
"""
import json
import math
import sys
import time

import torch

config = json.loads(sys.argv[1])
torch.set_num_threads(config["threads"])
torch.manual_seed(1)
m, layers = config["batchSize"], config["layers"]

modules = []
for inputs, outputs in zip(layers[:-2], layers[1:-1]):
    modules += [torch.nn.Linear(inputs, outputs), torch.nn.BatchNorm1d(outputs), torch.nn.ReLU()]
modules.append(torch.nn.Linear(layers[-2], layers[-1]))
model = torch.nn.Sequential(*modules)
optimizer = torch.optim.SGD(model.parameters(), lr=config["learningRate"], momentum=config["momentum"])
batches = [(torch.rand(m, layers[0]), torch.randint(layers[-1], (m, 1))) for _ in range(config["batches"])]
position = 0


def step():
    global position
    x, labels = batches[position % len(batches)]
    position += 1
    optimizer.zero_grad(set_to_none=True)
    logits = model(x)
    # batch cross-entropy: the log-sum-exp over all m*k logits, less the mean true logit, less ln m
    loss = torch.logsumexp(logits.flatten(), 0) - logits.gather(1, labels).mean() - math.log(m)
    loss.backward()
    optimizer.step()
    return loss


for _ in range(config["warmUp"]):
    loss = step()
print(json.dumps({"ready": True, "version": torch.__version__, "loss": loss.item()}), flush=True)
for line in sys.stdin:
    steps = json.loads(line)["steps"]
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    print(json.dumps({"milliseconds": (time.perf_counter() - begin) * 1000 / steps}), flush=True)
