#!/usr/bin/env python3
"""compare_weights.py WEIGHTS.safetensors RAW TENSOR...: the tensors, one after the other, are RAW's bytes."""
import json
import sys

data = open(sys.argv[1], "rb").read()
length = int.from_bytes(data[:8], "little")
header = json.loads(data[8:8 + length])
wanted = b""
for name in sys.argv[3:]:
    begin, end = header[name]["data_offsets"]
    wanted += data[8 + length + begin:8 + length + end]
raw = open(sys.argv[2], "rb").read()
if raw != wanted:
    at = next((i for i, (a, b) in enumerate(zip(raw, wanted)) if a != b), min(len(raw), len(wanted)))
    sys.exit(f"{len(raw)} and {len(wanted)} bytes, first difference at {at}")
print(f"{len(raw)} bytes are equal")
