#!/usr/bin/env python3
"""Writes the references for the first 100 steps of three models, from PyTorch alone: a perceptron with batch norm, an autoencoder with
tied weights, a transformer on text.

MODEL_init.safetensors: the initial weights, under the paths of the model file.
MODEL_losses.json: the loss of every step on batches in the order of the file, the version of PyTorch, SHA-256 of the weights and of
the batches; where the model has running values, those after the last step.
Needs torch and safetensors: models_torch.py DIGITS.csv TEXT.txt
"""
import hashlib
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

here = pathlib.Path(__file__).parent
torch.set_num_threads(1)
STEPS = 100


def glorot(rng, rows, columns):
    limit = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)


def near(rng, value, *sizes):
    """Off the usual first values 0 and 1, so that what reads them is seen."""
    return (value + 0.1 * rng.standard_normal(sizes)).astype(np.float32)


def write(name, weights, states, loss_of, optimizer_of, rate_of, clip, batches):
    save_file({**weights, **states}, here / f"{name}_init.safetensors")
    params = {path: torch.nn.Parameter(torch.from_numpy(value.copy())) for path, value in weights.items()}
    kept = {path: torch.from_numpy(value.copy()) for path, value in states.items()}
    optimizer = optimizer_of(params.values())
    hashed, losses = hashlib.sha256(), []
    for step, arrays in zip(range(1, STEPS + 1), batches):
        for array in arrays:
            hashed.update(array.tobytes())
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = rate_of(step)
        loss = loss_of(params, kept, *[torch.from_numpy(array.astype(np.int64) if array.dtype == np.int32 else array) for array in arrays])
        loss.backward()
        if clip:
            norm = torch.sqrt(sum((p.grad ** 2).sum() for p in params.values()))
            for p in params.values():
                p.grad *= torch.clamp(clip / norm, max=1)
        optimizer.step()
        losses.append(float(loss.detach()))
    tensors = {**weights, **states}
    json.dump({"torch": torch.__version__,
               "weights_sha256": hashlib.sha256(b"".join(tensors[path].tobytes() for path in sorted(tensors))).hexdigest(),
               "batches_sha256": hashed.hexdigest(), "losses": losses, "states": {path: value.tolist() for path, value in kept.items()}},
              open(here / f"{name}_losses.json", "w"), indent=1)


def rows_in_order(size, *arrays):
    at = 0
    while True:
        yield [array[at:at + size] for array in arrays]
        at = 0 if at + size >= len(arrays[0]) else at + size


def adam(params):
    return torch.optim.Adam(params, lr=1e-3)


table = np.loadtxt(sys.argv[1], delimiter=",", skiprows=1, dtype=np.float32)
images, labels = table[:, :64] / np.float32(16), table[:, 64].astype(np.int32)

# ---- batch norm ----
rng = np.random.default_rng(1)
weights, states = {}, {}
for name, inputs in (("first", 64), ("second", 32)):
    weights |= {f"{name}.dense.w": glorot(rng, inputs, 32), f"{name}.batch_norm.gain": near(rng, 1, 32), f"{name}.batch_norm.bias": near(rng, 0, 32)}
    states |= {f"{name}.batch_norm.running_mean": np.zeros(32, np.float32), f"{name}.batch_norm.running_variance": np.ones(32, np.float32)}
weights |= {"logits.w": glorot(rng, 32, 10), "logits.b": near(rng, 0, 10)}


def batch_norm_loss(p, kept, x, label):
    for name in ("first", "second"):
        norm = f"{name}.batch_norm"
        x = F.batch_norm(x @ p[f"{name}.dense.w"], kept[f"{norm}.running_mean"], kept[f"{norm}.running_variance"], p[f"{norm}.gain"],
                         p[f"{norm}.bias"], training=True, momentum=0.1, eps=1e-5)
        x = torch.relu(x)
    return F.cross_entropy(x @ p["logits.w"] + p["logits.b"], label)


write("batch_norm", weights, states, batch_norm_loss, adam, lambda step: 1e-3, None, rows_in_order(32, images, labels))

# ---- autoencoder ----
rng = np.random.default_rng(2)
weights = {"wide.w": glorot(rng, 64, 32), "wide.b": near(rng, 0, 32), "narrow.w": glorot(rng, 32, 8), "narrow.b": near(rng, 0, 8),
           "hidden.b": near(rng, 0, 32), "logits.b": near(rng, 0, 64)}


def autoencoder_loss(p, kept, image):
    code = torch.relu(image @ p["wide.w"] + p["wide.b"]) @ p["narrow.w"] + p["narrow.b"]
    hidden = torch.relu(code @ p["narrow.w"].T + p["hidden.b"])
    return F.binary_cross_entropy_with_logits(hidden @ p["wide.w"].T + p["logits.b"], image)


write("autoencoder", weights, {}, autoencoder_loss, adam, lambda step: 1e-3, None, rows_in_order(32, images))

# ---- chars ----
rng = np.random.default_rng(3)
T, D, HEADS = 32, 16, 4
text = open(sys.argv[2], newline="").read()
order = {character: i for i, character in enumerate(sorted(set(text)))}
numbers = np.array([order[character] for character in text], np.int32)
windows = np.stack([numbers[at:at + T + 1] for at in range(0, STEPS * 8 * T, T)])
weights = {"token.table": (0.1 * rng.standard_normal((len(order), D))).astype(np.float32), "position": near(rng, 0, T, D),
           "final.gain": near(rng, 1, D), "final.bias": near(rng, 0, D)}
for i in range(2):
    for path, inputs, outputs in (("mixed.attention.qkv", D, 3 * D), ("mixed.attention.projected", D, D), ("wide.dense", D, 4 * D), ("narrow", 4 * D, D)):
        weights |= {f"block.{i}.{path}.w": glorot(rng, inputs, outputs), f"block.{i}.{path}.b": near(rng, 0, outputs)}
    for path in ("mixed.layer_norm", "wide.layer_norm"):
        weights |= {f"block.{i}.{path}.gain": near(rng, 1, D), f"block.{i}.{path}.bias": near(rng, 0, D)}


def chars_loss(p, kept, text, following):
    def norm(x, path):
        return F.layer_norm(x, (D,), p[f"{path}.gain"], p[f"{path}.bias"], 1e-5)

    def dense(x, path):
        return x @ p[f"{path}.w"] + p[f"{path}.b"]

    x = p["token.table"][text] + p["position"]
    for i in range(2):
        qkv = dense(norm(x, f"block.{i}.mixed.layer_norm"), f"block.{i}.mixed.attention.qkv")
        q, k, v = [part.reshape(-1, T, HEADS, D // HEADS).transpose(1, 2) for part in qkv.chunk(3, dim=-1)]
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(-1, T, D)
        mixed = x + dense(seen, f"block.{i}.mixed.attention.projected")
        x = mixed + dense(F.gelu(dense(norm(mixed, f"block.{i}.wide.layer_norm"), f"block.{i}.wide.dense")), f"block.{i}.narrow")
    logits = norm(x, "final") @ p["token.table"].T
    return F.cross_entropy(logits.reshape(-1, len(order)), following.reshape(-1))


def cosine(step):
    return 1e-3 * step / 10 if step < 10 else 1e-3 * 0.5 * (1 + math.cos(math.pi * (step - 10) / 90))


write("chars", weights, {}, chars_loss, lambda params: torch.optim.AdamW(params, lr=1e-3, weight_decay=0.01), cosine, 1.0,
      rows_in_order(8, windows[:, :T].copy(), windows[:, 1:].copy()))
