"""Writes independent.safetensors with nothing but struct and json, from the format's specification, so that our reader is
compared with files that our writer did not make. Run in this directory: python3 write_safetensors.py"""

import json
import struct


def bfloat16(value):
    return struct.pack("<f", value)[2:]


tensors = [
    ("weight", "F32", [3, 4], b"".join(struct.pack("<f", i * 0.5 - 2) for i in range(12))),
    ("half", "F16", [2, 3], b"".join(struct.pack("<e", v) for v in [0.0, -1.5, 65504.0, 2.0**-24, 2.0**-14, float("inf")])),
    ("brain", "BF16", [3], b"".join(bfloat16(v) for v in [1.0, -2.5, 3.0e38])),
    ("double", "F64", [2], struct.pack("<2d", 0.1, -1e300)),
    ("labels", "I64", [4], struct.pack("<4q", 0, -1, 2**62, -(2**63))),
    ("bytes", "U8", [5], b"h\xc3\xa9!\x00"),
    ("scalar", "F32", [], struct.pack("<f", 42.0)),
    ("empty", "F32", [0, 7], b""),
    ("naïve \"quoted\"\n\U0001f600", "I32", [1], struct.pack("<i", -7)),
]

header = {"__metadata__": {"format": "pt", "título": "línea 1\nline 2 \U0001f600"}}
offset = 0
for name, dtype, shape, data in tensors:
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
    offset += len(data)
text = json.dumps(header).encode()  # escapes beyond ASCII, as surrogate pairs
text += b" " * (-len(text) % 8)
with open("independent.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in tensors))

# Seeds of the fuzzer (test/native/fuzz/safetensors_fuzz.cc).
for name, header, data in [
    ("empty", {}, b""),
    ("metadata", {"__metadata__": {"onelogit": json.dumps({"format": 1, "layers": []})}}, b""),
    (
        "tensors",
        {
            "0.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "0.bias": {"dtype": "BF16", "shape": [2], "data_offsets": [24, 28]},
            "n": {"dtype": "I64", "shape": [], "data_offsets": [28, 36]},
            "\u00e9\U0001f600\n": {"dtype": "F16", "shape": [0, 9], "data_offsets": [36, 36]},
            "d": {"dtype": "F64", "shape": [1, 1, 2], "data_offsets": [36, 52]},
        },
        bytes(range(52)),
    ),
]:
    text = json.dumps(header).encode()
    with open(f"../native/fuzz/corpus/{name}.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
