#!/usr/bin/env python3
"""reference_hashes.py LOSSES.json INIT.safetensors DIGITS.csv: the reference began at these weights and saw these batches."""
import csv
import hashlib
import json
import struct
import sys

from runs import read_safetensors, require

reference = json.load(open(sys.argv[1]))
_, tensors = read_safetensors(sys.argv[2])
weights = b"".join(struct.pack(f"<{len(tensors[name])}f", *tensors[name]) for name in sorted(tensors))
require(hashlib.sha256(weights).hexdigest() == reference["weights_sha256"], "other weights")

rows = [list(map(int, row)) for row in list(csv.reader(open(sys.argv[3])))[1:]]
hashed, at = hashlib.sha256(), 0
for _ in reference["losses"]:
    batch = rows[at:at + 32]
    at = 0 if at + 32 >= len(rows) else at + 32
    for row in batch:
        hashed.update(struct.pack("<64f", *(pixel / 16 for pixel in row[:64])))
    hashed.update(struct.pack(f"<{len(batch)}i", *(row[64] for row in batch)))
require(hashed.hexdigest() == reference["batches_sha256"], "other batches")
print("weights and batches are those of the reference")
