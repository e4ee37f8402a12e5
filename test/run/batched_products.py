#!/usr/bin/env python3
"""batched_products.py FOLDER: a softmax of batched products, and elements of it at indices that are data; products in f64. The
losses and outputs are computed here, by formula."""
import math
import pathlib
import random
import sys

from runs import gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])
random.seed(4)
ROWS, N, K = 6, 8, 4


def matrix(values, columns):
    return [values[i:i + columns] for i in range(0, len(values), columns)]


def product(a, b):
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [p / sum(powers) for p in powers]


x = [[random.randint(-8, 8) / 8 for _ in range(2 * N * K)] for _ in range(ROWS)]
labels = [[random.randrange(N) for _ in range(N)] for _ in range(ROWS)]
columns = [f"x{i}" for i in range(2 * N * K)] + [f"k{i}" for i in range(N)]
lines = [",".join(columns)] + [",".join(map(str, row + label)) for row, label in zip(x, labels)]
(folder / "d.csv").write_text("\n".join(lines) + "\n")
shares = [[softmax(row) for row in product(matrix(line[:N * K], K), matrix(line[N * K:], N))] for line in x]
taken = [[row[k] for row, k in zip(share, label)] for share, label in zip(shares, labels)]


def run(name, body, outputs):
    """The loss before the first step, and what `predict` writes."""
    model = folder / f"{name}.grad"
    model.write_text(f"""model {name}(x: float[batch, {2 * N * K}], label: int[batch, {N}]) {{
  param t: float[] = ones()
  let u = reshape(x[:, 0:{N * K}], [batch, {N}, {K}])
  let v = reshape(x[:, {N * K}:], [batch, {K}, {N}])
{body}
}}
data {{ from csv("d.csv"); x = columns[0:{2 * N * K}]; label = columns[{2 * N * K}:{2 * N * K + N}] }}
train {{ optimizer = sgd(rate: 0.0); batch = 4; epochs = 1 }}
""")
    weights = folder / f"{name}.safetensors"
    gradus("train", model, "-o", weights)
    loss = float(read_table(folder / f"{name}.history.csv")[0]["loss"])
    if not outputs:
        return loss, None
    lines = gradus("predict", model, "--weights", weights, "--output", "y").split()[1:]
    return loss, [list(map(float, line.split(","))) for line in lines]


def near(found, expected, what):
    if isinstance(expected, list):
        require(len(found) == len(expected), f"{what}: {len(found)} values, expected {len(expected)}")
        for a, b in zip(found, expected):
            near(a, b, what)
    else:
        require(abs(found - expected) <= 2e-6 * max(1, abs(expected)), f"{what}: {found}, expected {expected}")


def mean(values):
    return sum(values) / len(values)


entropy = mean([-math.log(p) for row in taken for p in row])
near(run("entropy", "  loss mean(cross_entropy(t * u @ v, label))", False)[0], entropy, "cross entropy of a product")
loss, y = run("taken", "  output y = take_along(softmax(t * u @ v), label)\n  loss mean(y)", True)
near(loss, mean([p for row in taken for p in row]), "shares at indices, as a loss")
near(y, taken, "shares at indices, predicted")
# In an output alone: it is compiled with the training step.
loss, y = run("beside", "  output y = take_along(log_softmax(u @ v), label)\n  loss mean(t * x[:, 0])", True)
near([loss, y], [mean([line[0] for line in x]), [[math.log(p) for p in row] for row in taken]], "an output beside the loss")

# Products of f64: of matrices, of one matrix for all, over the batch in the gradient.
u, v = [matrix(line[:N * K], K) for line in x], [matrix(line[N * K:], N) for line in x]
batched = [product(a, b) for a, b in zip(u, v)]
loss, y = run("batched", """  output y = reshape(float(f64(u) @ f64(v)), [batch, 64])
  loss mean(float(f64(t * u) @ f64(v)))""", True)
near(loss, mean([e for m in batched for row in m for e in row]), "a batched product of f64")
near(y, [[e for row in m for e in row] for m in batched], "a batched product of f64")
flat = [line[:N * K] for line in x]
loss, y = run("shared", f"""  param w: float[{N * K}, 3] = fill(0.5, [{N * K}, 3])
  let p = f64(x[:, 0:{N * K}]) @ f64(w)
  output y = float(p)
  loss mean(float(p)) * t""", True)
near(y, product(flat, [[0.5] * 3] * (N * K)), "a product of f64 with one matrix")
near(loss, mean([0.5 * sum(row) for row in flat]), "a product of f64 as a loss")

# The gradient of w of the loss sum(p * p) / rows / 3 is x^T p * 2 / rows / 3, a product over the batch: seen as a step of rate 1.
model = folder / "one.grad"
model.write_text(f"""model one(x: float[batch, {N * K}]) {{
  param w: float[{N * K}, 3] = fill(0.5, [{N * K}, 3])
  let p = f64(x) @ f64(w)
  loss mean(float(p * p))
}}
data {{ from csv("d.csv"); x = columns[0:{N * K}] }}
train {{ optimizer = sgd(rate: 1.0); batch = {ROWS}; steps = 1 }}
""")
gradus("train", model, "-o", folder / "one.safetensors")
p = product(flat, [[0.5] * 3] * (N * K))
slope = product(list(map(list, zip(*flat))), p)
expected = [0.5 - 2 * s / (ROWS * 3) for row in slope for s in row]
near(read_safetensors(folder / "one.safetensors")[1]["w"], expected, "the gradient of a product of f64")
print("all products are right")
