#!/usr/bin/env python3
"""Writes the reference for the first 100 steps of the digits perceptron, from PyTorch alone.

digits_init.safetensors: the initial weights (Glorot uniform, seed 0), under the paths of the model file.
digits_losses.json: the loss of every step on batches of 32 rows in file order (the last batch of an epoch is
partial), the version of PyTorch, and SHA-256 of the weights and of the batches.
Needs torch and safetensors: digits_torch.py DIGITS.csv
"""
import hashlib
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
torch.set_num_threads(1)
rng = np.random.default_rng(0)


def glorot(rows, columns):
    limit = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)


weights = {"hidden.w": glorot(64, 64), "hidden.b": np.zeros(64, np.float32),
           "logits.w": glorot(64, 10), "logits.b": np.zeros(10, np.float32)}
save_file(weights, here / "digits_init.safetensors")

table = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1, dtype=np.float32)
images, labels = table[:, :64] / np.float32(16), table[:, 64].astype(np.int64)
params = {name: torch.nn.Parameter(torch.from_numpy(value.copy())) for name, value in weights.items()}
optimizer = torch.optim.Adam(params.values(), lr=1e-3)
hashed = hashlib.sha256()
losses = []
at = 0
for _ in range(100):
    x, y = images[at:at + 32], labels[at:at + 32]
    at = 0 if at + 32 >= len(images) else at + 32
    hashed.update(x.tobytes() + y.astype(np.int32).tobytes())
    optimizer.zero_grad()
    hidden = torch.relu(torch.from_numpy(x) @ params["hidden.w"] + params["hidden.b"])
    loss = F.cross_entropy(hidden @ params["logits.w"] + params["logits.b"], torch.from_numpy(y))
    loss.backward()
    optimizer.step()
    losses.append(float(loss.detach()))
weights_hash = hashlib.sha256(b"".join(weights[name].tobytes() for name in sorted(weights))).hexdigest()
json.dump({"torch": torch.__version__, "weights_sha256": weights_hash, "batches_sha256": hashed.hexdigest(),
           "losses": losses}, open(here / "digits_losses.json", "w"), indent=1)
