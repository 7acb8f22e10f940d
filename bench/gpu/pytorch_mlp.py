#!/usr/bin/env python3
"""PyTorch's side of the MLP training on a GPU, driven line by line over standard input: one mode a process.

Reads {"steps": n} and answers {"milliseconds": per step}; says {"ready": true, ...} first, or {"ready": false, "reason": ...}.
Batches are on the GPU beforehand: what is timed is forward, loss, backward and update alone.
  eager    as written
  compile  torch.compile of model and loss
  graph    forward, backward and update captured as one CUDA graph, batches copied into its inputs
"""
import json
import math
import sys
import time

config = json.loads(sys.argv[1])


def say(message):
    print(json.dumps(message), flush=True)


def make_step(torch):
    torch.manual_seed(1)
    device = torch.device("cuda")
    m, layers = config["batchSize"], config["layers"]
    modules = []
    for inputs, outputs in zip(layers[:-2], layers[1:-1]):
        modules += [torch.nn.Linear(inputs, outputs), torch.nn.BatchNorm1d(outputs), torch.nn.ReLU()]
    modules.append(torch.nn.Linear(layers[-2], layers[-1]))
    model = torch.nn.Sequential(*modules).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["learningRate"], momentum=config["momentum"])
    batches = [
        (torch.rand(m, layers[0], device=device), torch.randint(layers[-1], (m, 1), device=device))
        for _ in range(config["batches"])
    ]

    def value(x, labels):
        # batch cross-entropy: the log-sum-exp over all m*k logits, less the mean true logit, less ln m
        logits = model(x)
        return torch.logsumexp(logits.flatten(), 0) - logits.gather(1, labels).mean() - math.log(m)

    def train(loss_of, x, labels):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, labels)
        loss.backward()
        optimizer.step()
        return loss

    position = 0

    def next_batch():
        nonlocal position
        position += 1
        return batches[position % len(batches)]

    mode = config["mode"]
    if mode == "eager":
        return lambda: train(value, *next_batch())
    if mode == "compile":
        compiled = torch.compile(value)
        return lambda: train(compiled, *next_batch())

    x, labels = (tensor.clone() for tensor in batches[0])
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            train(value, x, labels)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        captured = train(value, x, labels)

    def replay():
        next_x, next_labels = next_batch()
        x.copy_(next_x)
        labels.copy_(next_labels)
        graph.replay()
        return captured

    return replay


try:
    import torch

    step = make_step(torch)
    for _ in range(config["warmUp"]):
        loss = step()
    torch.cuda.synchronize()
    say({"ready": True, "version": torch.__version__, "cuda": torch.version.cuda, "loss": loss.item()})
except Exception as error:  # whatever this PyTorch lacks: recorded as not available
    say({"ready": False, "reason": f"{type(error).__name__}: {error}"[:500]})
    sys.exit(0)
for line in sys.stdin:
    steps = json.loads(line)["steps"]
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(steps):
        step()
    torch.cuda.synchronize()
    say({"milliseconds": (time.perf_counter() - begin) * 1000 / steps})
