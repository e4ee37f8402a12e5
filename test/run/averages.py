#!/usr/bin/env python3
"""averages.py FOLDER: with `average` the saved weights, eval and predict are those of the average, training is not. The steps are
done again here, in f64."""
import json
import pathlib
import sys

from runs import gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])
DECAY, RATE, STEPS = 0.9, 0.1, 40
rows = [(1.0, 3.0), (2.0, 1.0), (-1.0, 0.5), (0.5, -2.0)]
(folder / "d.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in rows))
(folder / "v.csv").write_text("x,y\n1,1\n2,2\n")
MODEL = """model m(x: float[batch], y: float[batch]) {{
  param w: float[] = constant(2)
  param b: float[] = zeros()
  output p = w * x + b
  loss mse(p, y)
}}
data {{ from csv("d.csv"{}); x = columns["x"]; y = columns["y"] }}
train {{ optimizer = sgd(rate: {}){}; batch = 4; steps = {}; validate_every = 1 }}
"""
AVERAGE = f"; average = moving_average(decay: {DECAY})"


def train(name, average=AVERAGE, validation="", steps=STEPS, *options):
    model, weights = folder / f"{name}.grad", folder / f"{name}.safetensors"
    model.write_text(MODEL.format(validation, RATE, average, steps))
    gradus("train", model, "-o", weights, *options)
    return model, weights, read_table(folder / f"{name}.history.csv")


def close(a, b):
    return abs(a - b) <= 1e-5 * (abs(b) + 0.1)


def loss(w, b, of):
    return sum((w * x + b - y) ** 2 for x, y in of) / len(of)


w, b, total = 2.0, 0.0, [0.0, 0.0]
losses, averages = [], []
for step in range(1, STEPS + 1):
    losses.append(loss(w, b, rows))
    errors = [2 * (w * x + b - y) / len(rows) for x, y in rows]
    w, b = w - RATE * sum(e * x for e, (x, _) in zip(errors, rows)), b - RATE * sum(errors)
    total = [DECAY * t + (1 - DECAY) * v for t, v in zip(total, (w, b))]
    averages.append([t / (1 - DECAY ** step) for t in total])

model, weights, history = train("averaged")
require(all(close(float(row["loss"]), mine) for row, mine in zip(history, losses)), "the training losses are not those of the weights")
tensors = read_safetensors(weights)[1]
require(sorted(tensors) == ["b", "w"], f"other tensors: {sorted(tensors)}")
require(close(tensors["w"][0], averages[-1][0]) and close(tensors["b"][0], averages[-1][1]), f"saved {tensors}, averages {averages[-1]}")
require(not close(w, averages[-1][0]), "the average is the weight: nothing is tested")
print("saved: the averages")
got = json.loads(gradus("eval", model, "--weights", weights, "--json"))["loss"]
require(close(got, loss(*averages[-1], rows)), f"eval says {got}")
got = [float(line) for line in gradus("predict", model, "--weights", weights).split()[1:]]
require(all(close(p, averages[-1][0] * x + averages[-1][1]) for p, (x, _) in zip(got, rows)), f"predict says {got}")
print("eval and predict: by the averages")

gradus("compile", model, "-o", folder / "m.o", "--header", folder / "m.h")
require("It reads the `_average`" in (folder / "m.h").read_text(), "the header does not say that predict reads the averages")

# The validation loss is the averages', and so are the best weights.
held = [(1.0, 1.0), (2.0, 2.0)]
model, weights, history = train("validated", validation=', validation: "v.csv"')
mine = [loss(*average, held) for average in averages]
require(all(close(float(row["validation_loss"]), value) for row, value in zip(history, mine)), "validation is not by the averages")
best = mine.index(min(mine))
require(best < STEPS - 1, "the last weights are the best: nothing is tested")
tensors = read_safetensors(weights)[1]
require(close(tensors["w"][0], averages[best][0]) and close(tensors["b"][0], averages[best][1]), f"saved {tensors}, best {averages[best]}")
print("validation and best weights: by the averages")

# A run that is stopped goes on with weights and averages; weights without an average are the weights.
model, whole, _ = train("stopped", AVERAGE, ', validation: "v.csv"', STEPS, "--stop-after", 7)
gradus("train", model, "-o", whole, "--resume")
for ending in (".safetensors", ".checkpoint", ".history.csv"):
    a, b = [line.with_suffix(ending).read_bytes() for line in (whole, weights)]
    require(a == b, f"stopped and resumed: another {ending}")
model, weights, _ = train("plain", "")
require(close(read_safetensors(weights)[1]["w"][0], w), "without an average other weights")
print("resumed: the same bits")
