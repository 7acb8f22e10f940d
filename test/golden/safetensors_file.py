"""Writes safetensors files from the format's specification: Debian has no package for them."""
import json
import struct

import torch

NAMES = {torch.float32: 'F32', torch.float64: 'F64', torch.float16: 'F16', torch.int32: 'I32', torch.int64: 'I64'}


def write_safetensors(path, tensors, metadata, double=()):
    """Tensors of float64 are stored as float32, but for those whose name ends in one of `double`."""
    header, end, data = {'__metadata__': metadata}, 0, []
    for key, value in tensors.items():
        if value.dtype == torch.float64 and not key.endswith(tuple(double)):
            value = value.float()
        data.append(value.contiguous().numpy())
        header[key] = {'dtype': NAMES[value.dtype], 'shape': list(value.shape), 'data_offsets': [end, end + data[-1].nbytes]}
        end += data[-1].nbytes
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-(len(text) + 8) % 64)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for array in data:
            file.write(array)
