#!/usr/bin/env python3
"""models_reference.py REFERENCE_FOLDER DIGITS.csv TEXT.txt WEIGHTS_FOLDER: the references began at these weights and saw these batches;
running values after the last step are those of the reference."""
import csv
import hashlib
import itertools
import json
import pathlib
import struct
import sys

from runs import read_safetensors, require

reference, trained = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[4])
rows = [list(map(int, row)) for row in list(csv.reader(open(sys.argv[2])))[1:]]
pixels = [struct.pack("<64f", *(pixel / 16 for pixel in row[:64])) for row in rows]
labels = [struct.pack("<i", row[64]) for row in rows]
text = open(sys.argv[3], newline="").read()
order = {character: i for i, character in enumerate(sorted(set(text)))}
windows = [[order[character] for character in text[at:at + 33]] for at in range(0, 100 * 8 * 32, 32)]
seen, following = ([struct.pack("<32i", *window[begin:begin + 32]) for window in windows] for begin in (0, 1))


def batches(size, *columns):
    while True:
        for at in range(0, len(columns[0]), size):
            yield b"".join(b"".join(column[at:at + size]) for column in columns)


for name, data in (("batch_norm", batches(32, pixels, labels)), ("autoencoder", batches(32, pixels)), ("chars", batches(8, seen, following))):
    figures = json.load(open(reference / f"{name}_losses.json"))
    _, tensors = read_safetensors(reference / f"{name}_init.safetensors")
    weights = b"".join(struct.pack(f"<{len(tensors[path])}f", *tensors[path]) for path in sorted(tensors))
    require(hashlib.sha256(weights).hexdigest() == figures["weights_sha256"], f"{name}: other weights")
    hashed = hashlib.sha256(b"".join(itertools.islice(data, 100)))
    require(hashed.hexdigest() == figures["batches_sha256"], f"{name}: other batches")
    ours = read_safetensors(trained / f"{name}.safetensors")[1]
    require((name == "batch_norm") == bool(figures["states"]), f"{name}: running values {list(figures['states'])}")
    for path, values in figures["states"].items():
        worst = max(abs(a - b) / (abs(b) + 0.1) for a, b in zip(ours[path], values, strict=True))
        require(worst <= 1e-4, f"{name}: `{path}` differs by {worst:.1e}")
    print(f"{name}: weights, batches and running values are those of the reference")
