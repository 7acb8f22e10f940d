#!/usr/bin/env python3
"""PyTorch's side of the last layer with its loss on a GPU: one line of JSON for every way of one shape.

  pytorch_head.py M K D LOSS      LOSS: cross-entropy or batch-cross-entropy

A step is value and gradients of hidden, weight and bias, and the update of weight and bias (sgd). bfloat16 by autocast where it says so.
  full           logits m*k, then the loss
  compile        the same under torch.compile
  linear-cross-entropy  torch.nn.functional.linear_cross_entropy, where this PyTorch has it (cross-entropy)
  liger          liger_kernel's fused linear cross-entropy, where it is installed (cross-entropy)
What is not there, or does not fit, is said so.
"""
import json
import math
import statistics
import sys
import time

m, k, d = (int(text) for text in sys.argv[1:4])
loss_name = sys.argv[4]


def say(**message):
    print(json.dumps({"benchmark": "pytorch-head", "loss": loss_name, "m": m, "k": k, "d": d, **message}), flush=True)


try:
    import torch
    import torch.nn.functional as F

    if not torch.cuda.is_available():
        raise RuntimeError("torch.cuda.is_available() is false")
except Exception as error:
    say(way="pytorch", available=False, reason=f"{type(error).__name__}: {error}"[:300])
    sys.exit(0)

device = torch.device("cuda")


def full(hidden, weight, bias, labels):
    logits = F.linear(hidden, weight, bias).float()
    if loss_name == "cross-entropy":
        return F.cross_entropy(logits, labels)
    return torch.logsumexp(logits.flatten(), 0) - logits.gather(1, labels.unsqueeze(1)).mean() - math.log(m)


def linear_cross_entropy():
    if loss_name != "cross-entropy":
        return "computes cross-entropy alone"
    if not hasattr(F, "linear_cross_entropy"):
        return f"not available: PyTorch {torch.__version__} has no torch.nn.functional.linear_cross_entropy"
    # Without options it makes all logits; with them, chunks.
    options = getattr(torch.nn, "LinearCrossEntropyOptions", None)
    if options is None:
        return f"not available: PyTorch {torch.__version__} has linear_cross_entropy, but not in chunks"
    return lambda hidden, weight, bias, labels: F.linear_cross_entropy(
        hidden, weight, labels, linear_bias=bias, options=options()
    )


def liger():
    if loss_name != "cross-entropy":
        return "computes cross-entropy alone"
    try:
        from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss
    except Exception as error:
        return f"not available: {type(error).__name__}: {error}"[:300]
    fused = LigerFusedLinearCrossEntropyLoss()
    return lambda hidden, weight, bias, labels: fused(weight, hidden, labels, bias)


def measure(way, precision, loss_of):
    torch.cuda.empty_cache()
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.manual_seed(1)
    hidden = torch.randn(m, d, device=device, requires_grad=True)
    weight = (torch.randn(k, d, device=device) * 0.02).requires_grad_()
    bias = torch.zeros(k, device=device, requires_grad=True)
    labels = torch.randint(k, (m,), device=device)
    optimizer = torch.optim.SGD([weight, bias], lr=1e-6)

    def step():
        hidden.grad = None
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = loss_of(hidden, weight, bias, labels)
        loss.backward()
        optimizer.step()
        return loss

    torch.cuda.reset_peak_memory_stats()
    for _ in range(3):
        loss = step()
    torch.cuda.synchronize()
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        step()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    say(
        way=way,
        precision=precision,
        available=True,
        version=torch.__version__,
        value=loss.item(),
        seconds={"median": statistics.median(times), "least": min(times), "most": max(times)},
        # The allocator's reserve is what others cannot have: the fair counterpart of cudaMemGetInfo.
        bytes=torch.cuda.max_memory_reserved(),
    )


ways = {
    "full": lambda: full,
    "compile": lambda: torch.compile(full),
    "linear-cross-entropy": linear_cross_entropy,
    "liger": liger,
}
for way, make in ways.items():
    for precision in ("float32", "tf32", "bfloat16"):
        try:
            loss_of = make()
            if isinstance(loss_of, str):
                say(way=way, available=False, reason=loss_of)
                break
            measure(way, precision, loss_of)
        except Exception as error:  # no memory, no compiler: recorded, and the next way begins
            say(way=way, precision=precision, available=False, reason=f"{type(error).__name__}: {error}"[:300])
