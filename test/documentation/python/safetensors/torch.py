"""What the documentation uses of safetensors.torch, for machines without that package: the format is
https://github.com/huggingface/safetensors#format."""
import json

import torch

_names = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.int64: "I64"}


def save_file(tensors, filename):
    header, data = {}, b""
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(f"Expected a contiguous tensor for {name}")
        values = tensor.detach().cpu().numpy().tobytes()
        header[name] = {
            "dtype": _names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(values)],
        }
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(filename, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


def load_file(filename):
    with open(filename, "rb") as file:
        content = file.read()
    length = int.from_bytes(content[:8], "little")
    types = {name: dtype for dtype, name in _names.items()}
    tensors = {}
    for name, entry in json.loads(content[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(content[begin:end]), dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return tensors
