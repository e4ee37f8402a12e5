#!/usr/bin/env python3
"""norms.py FOLDER: compiled steps on numbers whose squares no float holds, and on arguments near 0."""
import math
import pathlib
import sys

from runs import gradus, read_safetensors, require

folder = pathlib.Path(sys.argv[1])
(folder / "rows.csv").write_text("a,b,c,d\n1,2,3,5\n-2,0,4,1\n3,1,-1,2\n")
rows = [[1, 2, 3, 5], [-2, 0, 4, 1], [3, 1, -1, 2]]


def near(found, expected, relative=1e-5):
    return len(found) == len(expected) and all(abs(f - e) <= relative * abs(e) for f, e in zip(found, expected))


def clipped(slope, limit):
    """The parameter, from 0, after a step of rate 1 down the clipped gradient (slope, 2 slope)."""
    model, weights = folder / "clip.grad", folder / "clip.safetensors"
    model.write_text(f"""model m(x: float[batch, 4]) {{
  param w: float[2] = zeros()
  loss {slope} * (w[0] + 2 * w[1]) + 0 * mean(x)
}}
data {{ from csv("rows.csv"); x = columns[0:4] }}
train {{ optimizer = sgd(rate: 1); gradient = clip_by_norm(limit: {limit}); batch = 3; steps = 1 }}
""")
    gradus("train", model, "-o", weights)
    return read_safetensors(weights)[1]["w"]


for slope, limit in ((2e19, 1), (1.5e38, 1), (1e-30, 1e-32), (0, 1)):
    norm = slope * math.sqrt(5)
    scale = min(1, limit / norm) if norm else 1
    found = clipped(slope, limit)
    require(near(found, [-slope * scale, -2 * slope * scale]), f"slope {slope}, limit {limit}: {found}")
    print(f"clip_by_norm: gradients of {2 * slope if slope > 1e38 else slope:g}")


def table(text):
    return [[float(v) for v in line.split(",")] for line in text.split()[-len(rows):]]


def predicted(body):
    """The model's one output for the rows."""
    model, weights = folder / "layer.grad", folder / "layer.safetensors"
    model.write_text(f"""{body}
data {{ from csv("rows.csv"); x = columns[0:4] }}
train {{ optimizer = sgd(rate: 0); batch = 3; steps = 1 }}
""")
    gradus("train", model, "-o", weights)
    return table(gradus("predict", model, "--weights", weights))


def standard(values):
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return [(v - mean) / deviation for v in values]


def unit(values):
    return [v / math.sqrt(sum(v * v for v in values) / len(values)) for v in values]


def expect(name, found, expected):
    require(all(near(f, e, 1e-5) for f, e in zip(found, expected, strict=True)), f"{name}: {found}, expected {expected}")


MODEL = "model m(x: float[batch, 4]) {{ let y = {}; output z = y; loss mean(y ^ 2) }}"
expect("layer_norm", predicted(MODEL.format("layer_norm(1e19 * x)")), [standard(row) for row in rows])
print("layer_norm: rows of 1e+19")
expect("rms_norm", predicted(MODEL.format("rms_norm(1e19 * x)")), [unit(row) for row in rows])
print("rms_norm: rows of 1e+19")


def computed(expression):
    """The expression for each row, by a model without parameters."""
    model = folder / "plain.grad"
    model.write_text(f"""fn slope(x: float[..., 4]) -> float[..., 4] {{ return grad(sum(gelu_tanh(x)), x) }}
model m(x: float[batch, 4]) {{ output z = {expression} }}
data {{ from csv("rows.csv"); x = columns[0:4] }}
""")
    return table(gradus("predict", model))


far = computed("slope(1e20 * x)")
require(all(f == (1 if x > 0 else 0) for row, found in zip(rows, far) for x, f in zip(row, found) if x != 0), f"gelu_tanh: {far}")
print("gelu_tanh: slopes far out")
near_zero = [[math.expm1(-abs(x) * 1e-8) for x in row] for row in rows]
expect("elu", computed("elu(-1e-8 * abs(x))"), near_zero)
expect("selu", computed("selu(-1e-8 * abs(x))"), [[1.0507009873554805 * 1.6732632423543772 * v for v in row] for row in near_zero])
print("elu, selu: near 0")
