"""Reads a safetensors file, by the format's description alone (https://github.com/huggingface/safetensors#format) and the standard library.

Prints one JSON object: the metadata, every tensor's dtype, shape and numbers, and where the bytes begin. Refuses what the format forbids.

    python3 read_safetensors.py FILE
"""
import json
import math
import struct
import sys

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CODES = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b", "U8": "B", "BOOL": "?"}
LARGEST_HEADER = 100_000_000


def require(condition, expected, received):
    if not condition:
        sys.exit(f"Expected {expected} but received {received}")


def unique(pairs):
    """An object whose keys are all different: the format forbids others."""
    names = [name for name, _ in pairs]
    require(len(set(names)) == len(names), "different names", names)
    return dict(pairs)


def numbers(dtype, raw):
    count = len(raw) // BYTES[dtype]
    if dtype == "BF16":
        # The upper half of a float32.
        halves = struct.unpack(f"<{count}H", raw)
        return [struct.unpack("<f", struct.pack("<I", half << 16))[0] for half in halves]
    return list(struct.unpack(f"<{count}{CODES[dtype]}", raw))


def read(path):
    with open(path, "rb") as file:
        content = file.read()
    require(len(content) >= 8, "8 bytes of the header's length", len(content))
    (length,) = struct.unpack("<Q", content[:8])
    require(length <= LARGEST_HEADER and 8 + length <= len(content), "a header within the file", length)
    text = content[8 : 8 + length]
    require(text[:1] == b"{", "a header that begins with {", text[:1])
    header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    metadata = header.pop("__metadata__", {})
    for key, value in metadata.items():
        require(isinstance(key, str) and isinstance(value, str), "metadata of strings", (key, value))

    data = content[8 + length :]
    tensors = {}
    end = 0
    # Every byte belongs to one tensor: no gaps and no overlaps from the first to the last.
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        require(sorted(entry) == ["data_offsets", "dtype", "shape"], "dtype, shape and data_offsets", entry)
        dtype, shape = entry["dtype"], entry["shape"]
        begin, after = entry["data_offsets"]
        require(begin == end, f"{name} to begin at {end}", begin)
        require(after - begin == math.prod(shape) * BYTES[dtype], f"{name} to have as many bytes as its shape says", after - begin)
        tensors[name] = {
            "dtype": dtype,
            "shape": shape,
            "begin": begin,
            "aligned": (8 + length + begin) % BYTES[dtype] == 0,
            "values": numbers(dtype, data[begin:after]),
        }
        end = after
    require(end == len(data), f"{len(data)} bytes of tensors", end)
    return {"metadata": metadata, "dataStart": 8 + length, "tensors": tensors}


def class_names(tensors):
    """UTF-8 of all names in one run, and where each begins."""
    raw = bytes(tensors["class_names.bytes"]["values"])
    offsets = tensors["class_names.offsets"]["values"]
    return [raw[begin:end].decode("utf-8") for begin, end in zip(offsets, offsets[1:])]


def class_rows(tensors, weight):
    """The class matrix as numbers, whatever it is stored as: int8 is a whole number times the scale of its row."""
    (classes, features), values = tensors[weight]["shape"], tensors[weight]["values"]
    rows = [values[c * features : (c + 1) * features] for c in range(classes)]
    scales = tensors.get(f"{weight}.scale")
    if scales is None:
        return rows
    return [[scale * number for number in row] for row, scale in zip(rows, scales["values"])]


def main(path):
    content = read(path)
    tensors = content["tensors"]
    model = json.loads(content["metadata"]["onelogit"])
    dense = [index for index, layer in enumerate(model["layers"]) if layer["type"] == "dense"][-1]
    prefix = model["layers"][dense].get("name", str(dense))
    content["classRows"] = class_rows(tensors, f"{prefix}.weight")
    content["classNames"] = class_names(tensors) if "class_names.bytes" in tensors else None
    print(json.dumps(content))


main(sys.argv[1])
