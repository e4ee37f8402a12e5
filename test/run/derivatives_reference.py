#!/usr/bin/env python3
"""derivatives_reference.py MODEL.grad REFERENCE.safetensors FOLDER RELATIVE: what the compiled code predicts at the reference's points,
against the reference's derivatives; the error of each in the norm."""
import ast
import json
import math
import pathlib
import re
import struct
import sys

from runs import gradus, read_safetensors, require

model, reference, folder, limit = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), float(sys.argv[4])


def write_npy(path, kind, sizes, values):
    header = str({"descr": {"F32": "<f4", "I32": "<i4"}[kind], "fortran_order": False, "shape": tuple(sizes)}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    data = struct.pack(f"<{len(values)}{'f' if kind == 'F32' else 'i'}", *values)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def read_npy(path):
    data = path.read_bytes()
    length, = struct.unpack_from("<H", data, 8)
    header = ast.literal_eval(data[10:10 + length].decode())
    require(header["descr"] == "<f4", f"{path}: {header}")
    return header["shape"], struct.unpack(f"<{math.prod(header['shape'])}f", data[10 + length:])


def norm(values):
    return math.sqrt(sum(value * value for value in values))


metadata, tensors = read_safetensors(reference)
data = reference.read_bytes()
entries = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
options, expected = [], {}
for name, values in tensors.items():
    kind, sizes = entries[name]["dtype"], entries[name]["shape"]
    if kind == "F64":
        expected[name] = sizes, values
        continue
    write_npy(folder / f"{name}.npy", kind, sizes, values)
    options += ["--data", f"{name}={folder / name}.npy"]
outputs = re.findall(r"^  output (\w+) =", model.read_text(), re.M)
require(sorted(outputs) == sorted(expected), f"outputs are {sorted(outputs)}, the reference has {sorted(expected)}")
gradus("predict", model, *options, "-o", folder / "found.npy")
print(f"JAX {metadata['jax']}")
wrong = []
for name in outputs:
    sizes, values = expected[name]
    shape, found = read_npy(folder / f"found.{name}.npy")
    require(list(shape) == sizes, f"{name}: sizes {shape}, expected {sizes}")
    require(norm(values) > 0.1, f"{name}: nothing to compare")
    error = norm([a - b for a, b in zip(found, values, strict=True)]) / norm(values)
    print(f"{name}: relative error {error:.1e}")
    if not error <= limit:
        wrong.append(name)
sys.exit(f"larger than {limit}: {wrong}" if wrong else 0)
