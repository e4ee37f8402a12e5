#!/usr/bin/env python3
"""metrics.py FOLDER: metrics of a pass in steps of several sizes, against fractions."""
import json
import pathlib
import random
import struct
import sys
from fractions import Fraction

from runs import gradus, require

folder = pathlib.Path(sys.argv[1])
random.seed(4)
ROWS = 61


def single(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def mean(values):
    return sum(values) / len(values)


def variance(values):
    return mean([(v - mean(values)) ** 2 for v in values])


columns = {"a": [single(1e6 + random.gauss(0, 1)) for _ in range(ROWS)],
           "b": [single(-311030 + random.gauss(0, 1)) for _ in range(ROWS)],
           "k": [random.choice([2147483647, 1, 5]) for _ in range(ROWS)]}
columns["p"] = [single(v + random.gauss(0, 0.3)) for v in columns["a"]]
(folder / "m.csv").write_text(",".join(columns) + "\n" + "".join(
    ",".join(repr(column[i]) for column in columns.values()) + "\n" for i in range(ROWS)))
model = folder / "m.grad"
model.write_text("""model m(a: float[batch], b: float[batch], p: float[batch], k: int[batch]) {
  param w: float[] = ones()
  metric explained = r2(p, a)
  metric explained_far = r2(1.00001 * b, b)
  metric spread = mean(a ^ 2) - mean(a) ^ 2
  metric spread_far = variance(b)
  metric spreads = sum(variance(concat([reshape(a, [batch, 1]), reshape(b, [batch, 1])], axis: 1), axis: 0))
  metric total = sum(k)
  metric largest = max(k)
  metric large = mean(k > 3)
  loss mean((w * p - a) ^ 2)
}
data { from csv("m.csv"); a = columns["a"]; b = columns["b"]; p = columns["p"]; k = columns["k"] }
train { optimizer = sgd(rate: 0); batch = 10; steps = 1 }
""")
weights = folder / "m.safetensors"
gradus("train", model, "-o", weights)

a, b, p = [[Fraction(v) for v in columns[name]] for name in "abp"]
k = columns["k"]
scaled = [Fraction(single(1.00001)) * v for v in b]
right = {"explained": 1 - mean([(x - y) ** 2 for x, y in zip(a, p)]) / variance(a),
         "explained_far": 1 - mean([(x - y) ** 2 for x, y in zip(b, scaled)]) / variance(b),
         "spread": variance(a), "spread_far": variance(b), "spreads": variance(a) + variance(b),
         "total": sum(k), "largest": max(k), "large": mean([Fraction(v > 3) for v in k])}
limits = {"explained": 1e-9, "explained_far": 1e-6, "spread": 1e-3, "spread_far": 1e-10, "spreads": 1e-10,
          "total": 0, "largest": 0, "large": 1e-15}
for batch in (1, 2, 7, 1000):
    found = json.loads(gradus("eval", model, "--weights", weights, "--batch", batch, "--json"))["metrics"]
    for name, value in right.items():
        error = abs(Fraction(found[name]) - value)
        require(error <= limits[name] * abs(value), f"batch {batch}: {name} is {found[name]}, right {float(value)}")
    print(f"batch {batch}: all metrics are right")
