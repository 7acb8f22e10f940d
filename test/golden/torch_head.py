"""Writes heads of PyTorch as safetensors files, and the logits PyTorch computes from them: torch_head.safetensors (float32, float16 and
bfloat16 versions of one torch.nn.Linear), torch_head-0000{1,2}-of-00002.safetensors with their index (weight and bias in different
files), and torch_head.json (embeddings and logits). Run with Debian's python3-torch:

    /usr/bin/python3 test/golden/torch_head.py

Debian has no safetensors for Python: the files are written from the format's specification, the bytes are those of the state dict's tensors.
"""

import json
import pathlib
import struct

import torch

here = pathlib.Path(__file__).parent
names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def raw(tensor):
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.contiguous().numpy().tobytes()


def write(name, tensors):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for key, tensor in tensors.items():
        data = raw(tensor)
        header[key] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (here / name).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(raw(tensor) for tensor in tensors.values()))


torch.manual_seed(7)
classes, features, examples = 23, 37, 5
fc = torch.nn.Linear(features, classes)
x = torch.randn(examples, features)
state = {"fc." + key: value.detach() for key, value in fc.state_dict().items()}
half = {"half." + key: value.detach().half() for key, value in fc.state_dict().items()}
brain = {"brain." + key: value.detach().bfloat16() for key, value in fc.state_dict().items()}
# What a real state dict has beside its head.
others = {"bn.num_batches_tracked": torch.tensor(12), "conv.weight": torch.randn(4, 3, 2, 2)}
write("torch_head.safetensors", {**others, **state, **half, **brain})
write("torch_head-00001-of-00002.safetensors", {"fc.weight": state["fc.weight"], **others})
write("torch_head-00002-of-00002.safetensors", {"fc.bias": state["fc.bias"]})
index = {
    "metadata": {"total_size": 4 * (classes * features + classes)},
    "weight_map": {"fc.weight": "torch_head-00001-of-00002.safetensors", "fc.bias": "torch_head-00002-of-00002.safetensors"},
}
(here / "torch_head.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def logits(prefix, tensors, bias=True):
    weight = tensors[prefix + ".weight"].double()
    return (x.double() @ weight.T + (tensors[prefix + ".bias"].double() if bias else 0)).flatten().tolist()


golden = {
    "torch": torch.__version__,
    "classes": classes,
    "features": features,
    "inputs": x.flatten().tolist(),
    "logits": {
        "fc": logits("fc", state),
        "half": logits("half", half),
        "brain": logits("brain", brain),
        "fcWithoutBias": logits("fc", state, False),
    },
}
(here / "torch_head.json").write_text(json.dumps(golden) + "\n")
