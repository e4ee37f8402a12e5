#!/usr/bin/env python3
"""further_examples.py FOLDER: the examples on texts, pictures, equations and words train (the long ones a few steps); what they say is
computed here again, from the data or from the weights."""
import csv
import gzip
import json
import math
import pathlib
import random
import struct
import sys

from runs import examples, gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])
PICTURES = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"


def train(name, *options):
    weights = folder / f"{name}.safetensors"
    gradus("train", examples / f"{name}.grad", "-o", weights, *options)
    history = read_table(folder / f"{name}.history.csv")
    require(float(history[-1]["loss"]) < float(history[0]["loss"]) or len(history) == 1, f"{name}: the loss does not fall")
    return weights, history


def evaluate(name, weights, *options):
    figures = json.loads(gradus("eval", examples / f"{name}.grad", "--weights", weights, "--json", *options))
    return figures["loss"], figures["metrics"]


def predict(name, weights, *options):
    """Rows of the only output that is asked for."""
    lines = gradus("predict", examples / f"{name}.grad", "--weights", weights, *options).split()[1:]
    return [list(map(float, line.split(","))) for line in lines]


def near(a, b, bound=1e-4):
    return abs(a - b) <= bound * (abs(b) + 1e-3)


def dense(x, tensors, name):
    w, b = tensors[f"{name}.w"], tensors[f"{name}.b"]
    return [b[j] + sum(x[i] * w[i * len(b) + j] for i in range(len(x))) for j in range(len(b))]


# oscillator: the solution is known
weights, _ = train("oscillator")
_, metrics = evaluate("oscillator", weights)
values = [row[0] for row in predict("oscillator", weights)]
mine = math.sqrt(sum((x - math.cos(2 * 3 * i / 255)) ** 2 for i, x in enumerate(values)) / 256)
require(len(values) == 256 and near(metrics["error"], mine, 1e-2), f"oscillator: {metrics}, computed {mine}")
require(mine < 1e-3, f"oscillator: {mine} from the solution")
print(f"oscillator: error {mine:.6f}")

# signal: what is predicted of all rows, against the table
weights, _ = train("signal")
truth = [float(row["value"]) for row in read_table(examples / "data" / "signal.csv")]
values = [row[0] for row in predict("signal", weights)]
mean = sum(truth) / len(truth)
mine = 1 - sum((a - b) ** 2 for a, b in zip(values, truth, strict=True)) / sum((b - mean) ** 2 for b in truth)
require(near(evaluate("signal", weights, "--part", "all")[1]["r2"], mine), f"signal: eval says another r2 than {mine}")
require(evaluate("signal", weights)[1]["r2"] > 0.99, "signal: the waves were not learnt")
print(f"signal: r2 {mine:.4f}")

# embeddings: words that training did not see are alike, empty cells are the median
weights, _ = train("embeddings", "--epochs", 4)
_, metrics = evaluate("embeddings", weights, "--part", "test")
require(metrics["r2"] > 0.65, f"embeddings: {metrics}")
fitted = json.loads(read_safetensors(weights)[0]["gradus.fitted"])
words = ["<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN"]
require(list(fitted["categories"].values()) == [words], f"embeddings: other words: {fitted['categories']}")
rows = read_table(examples / "data" / "housing.csv")
kept = [column for column in rows[0] if column != "median_house_value"]
first = next(row for row in rows if row["total_bedrooms"])
medians = [float.fromhex(value) for place, values in fitted["numbers"].items() if len(values) == 4 for value in values]
changed = [dict(first, ocean_proximity=word) for word in words + ["MOON", "MARS", ""]]
changed += [dict(first, total_bedrooms=""), dict(first, total_bedrooms=str(medians[1]))]
with open(folder / "raw.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, kept, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(changed)
values = [row[0] for row in predict("embeddings", weights, "--data", folder / "raw.csv")]
require(len(set(values[:6])) == 6 and values[5] == values[6] == values[7], f"embeddings: prices by word: {values}")
require(values[8] == values[9] != values[3], f"embeddings: an empty cell gives {values[8]}, the median {values[9]}")
print(f"embeddings: r2 {metrics['r2']:.2f}")

# gradient_penalty: less steep than without
slopes = []
for penalty in (0, 0.5):
    options = ("--set", f"penalty={penalty}")
    weights, _ = train("gradient_penalty", "--epochs", 4, *options)
    loss, metrics = evaluate("gradient_penalty", weights, *options)
    require(near(loss, metrics["rmse"] ** 2 + penalty * metrics["slope"] ** 2, 1e-3), f"gradient_penalty: loss {loss}, {metrics}")
    slopes.append(metrics["slope"])
# The slope itself, by differences between rows that are one column apart.
plain = dict(rows[0])
with open(folder / "raw.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, kept, extrasaction="ignore")
    writer.writeheader()
    writer.writerows([plain, dict(plain, median_income=str(float(plain["median_income"]) + 0.5))])
require(len(set(row[0] for row in predict("gradient_penalty", weights, *options, "--data", folder / "raw.csv"))) == 2, "no slope at all")
require(slopes[1] < 0.7 * slopes[0], f"gradient_penalty: slopes {slopes}")
print("gradient_penalty: less steep")

# autoencoder: the loss from what is restored
with gzip.open(PICTURES) as file:
    pictures = [list(picture) for picture in struct.iter_unpack("784B", file.read(16 + 784 * 40)[16:])]
(folder / "few.idx").write_bytes(struct.pack(">4I", 0x803, 40, 28, 28) + b"".join(map(bytes, pictures)))
weights, _ = train("autoencoder", "--steps", 60, "--validate-every", 30)
few = ("--data", f"image={folder / 'few.idx'}")
loss, _ = evaluate("autoencoder", weights, *few)
restored = predict("autoencoder", weights, *few, "--output", "restored")
mine = sum(-(x / 255 * math.log(p) + (1 - x / 255) * math.log(1 - p)) for xs, ps in zip(pictures, restored, strict=True) for x, p in zip(xs, ps)) / (40 * 784)
require(near(loss, mine) and loss < 0.5, f"autoencoder: eval says {loss}, computed {mine}")
tensors = read_safetensors(weights)[1]
code = dense([max(0, v) for v in dense([x / 255 for x in pictures[0]], tensors, "wide")], tensors, "narrow")
got = predict("autoencoder", weights, *few, "--output", "code")[0]
require(all(near(a, b, 1e-3) for a, b in zip(got, code, strict=True)), "autoencoder: another code than computed from the weights")
print("autoencoder: loss as restored")

# vae: a sample needs noise alone
weights, history = train("vae", "--steps", 60, "--validate-every", 30)
require(float(history[-1]["validation_loss"]) < 400 and float(history[-1]["kl"]) > 0, f"vae: {history[-1]}")
random.seed(0)
noise = [[random.gauss(0, 1) for _ in range(16)] for _ in range(6)]
header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (6, 16), }"
header += b" " * (117 - len(header)) + b"\n"
(folder / "noise.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"".join(struct.pack("<16f", *row) for row in noise))
samples = predict("vae", weights, "--output", "sample", "--data", f"noise={folder / 'noise.npy'}")
tensors = read_safetensors(weights)[1]
for row, sample in zip(noise, samples, strict=True):
    logits = dense([max(0, v) for v in dense(row, tensors, "decode.dense")], tensors, "decode.dense_1")
    require(all(near(a, 1 / (1 + math.exp(-v)), 1e-3) for a, v in zip(sample, logits, strict=True)), "vae: another sample than computed")
print("vae: samples as computed")

# chars: shares that sum to 1, the last characters of each window, the vocabulary of the whole text
weights, history = train("chars", "--steps", 12, "--batch", 8, "--validate-every", 12)
require(float(history[-1]["validation_loss"]) < 4.0, f"chars: {history[-1]}")
text = (examples / "data" / "tinyshakespeare.txt").read_text()
require(json.loads(read_safetensors(weights)[0]["gradus.fitted"])["categories"] == {"from text": sorted(set(text))}, "chars: another vocabulary")
(folder / "tale.txt").write_text(text[5000:5075])
shares = predict("chars", weights, "--data", folder / "tale.txt")
require(len(shares) == 11 and all(len(row) == 65 and near(sum(row), 1) for row in shares), "chars: no shares")
print("chars: shares of 65 characters")
