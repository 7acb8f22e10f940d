#!/usr/bin/env python3
"""PyTorch's side of forward.mjs, driven line by line over standard input: {"batch": m, "forwards": n, "method": ...}.

Methods:
  eager          the model as torchvision makes it, without gradients
  channels_last  the same with images and weights in that memory format
  frozen         traced, frozen and optimized for inference (torch.jit), in the default format
{"export": path} writes the model as ONNX instead.
"""
import json
import os
import sys
import time

import torch
import torchvision

config = json.loads(sys.argv[1])
torch.set_num_threads(config["threads"])
torch.manual_seed(1)
size = config["size"]
model = getattr(torchvision.models, config["torchvision"])(weights=None, **config.get("options", {})).eval()
inputs = {batch: torch.rand(batch, 3, size, size) for batch in config["batches"]}
made = {}


def runner(method, batch):
    """A function of no arguments; made, and warmed up, when it is first asked for."""
    if (method, batch) not in made:
        x = inputs[batch]
        if method == "eager":
            run = model.to(memory_format=torch.contiguous_format)
        elif method == "channels_last":
            # A copy: the formats must not take turns on the same weights.
            if "channels_last" not in made:
                copy = getattr(torchvision.models, config["torchvision"])(weights=None, **config.get("options", {})).eval()
                copy.load_state_dict(model.state_dict())
                made["channels_last"] = copy.to(memory_format=torch.channels_last)
            run, x = made["channels_last"], x.contiguous(memory_format=torch.channels_last)
        else:
            run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))
        forward = lambda: run(x)
        for _ in range(3 if method == "frozen" else 1):
            forward()
        made[method, batch] = forward
    return made[method, batch]


with torch.inference_mode():
    runner("eager", config["batches"][0])
    print(
        json.dumps(
            {
                "ready": True,
                "version": torch.__version__,
                "torchvision": torchvision.__version__,
                "onednn": torch.backends.mkldnn.is_available(),
                "parameters": sum(parameter.numel() for parameter in model.parameters()),
            }
        ),
        flush=True,
    )
for line in sys.stdin:
    request = json.loads(line)
    if "export" in request:
        try:
            with torch.no_grad():
                torch.onnx.export(
                    model,
                    torch.rand(1, 3, size, size),
                    request["export"],
                    input_names=["x"],
                    output_names=["y"],
                    dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
                    opset_version=13,
                )
            answer = {"exported": os.path.getsize(request["export"])}
        except Exception as error:  # what is missing is said, and onnxruntime left out
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)
        continue
    try:
        with torch.inference_mode():
            forward = runner(request.get("method", "eager"), request["batch"])
            begin = time.perf_counter()
            for _ in range(request["forwards"]):
                forward()
            answer = {"milliseconds": (time.perf_counter() - begin) * 1000 / request["forwards"]}
    except Exception as error:
        answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(answer), flush=True)
