#!/usr/bin/env python3
"""examples.py FOLDER: every example trains; what train printed, eval computes again from the weights; what predict says of raw
rows has the metrics that eval gives, computed here from the table alone."""
import csv
import json
import math
import pathlib
import sys

from runs import examples, gradus, read_safetensors, read_table, require

folder = pathlib.Path(sys.argv[1])


def table(name):
    return read_table(examples / "data" / f"{name}.csv")


def evaluate(model, weights, part):
    return json.loads(gradus("eval", model, "--weights", weights, "--part", part, "--json"))


def predict(model, weights, *options):
    """The values of the only output."""
    lines = gradus("predict", model, "--weights", weights, *options).split()
    return list(map(float, lines[1:]))


def accuracy(values, truth):
    return sum(a == b for a, b in zip(values, truth)) / len(truth)


def rmse(values, truth):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(values, truth)) / len(truth))


def r2(values, truth):
    mean = sum(truth) / len(truth)
    return 1 - sum((a - b) ** 2 for a, b in zip(values, truth)) / sum((b - mean) ** 2 for b in truth)


def train(name):
    """Model, weights, what was printed, history."""
    model, weights = examples / f"{name}.grad", folder / f"{name}.safetensors"
    out = gradus("train", model, "-o", weights)
    return model, weights, out, read_table(folder / f"{name}.history.csv")


def check_figures(model, weights, out, history):
    """The record whose weights were kept, bit for bit, and as it was printed."""
    best = min(history, key=lambda row: float(row["validation_loss"]))
    again = evaluate(model, weights, "validation")
    require(again["loss"] == float(best["validation_loss"]), f"{model.stem}: eval says {again}, training said {best}")
    for metric, value in again["metrics"].items():
        require(value == float(best[metric]), f"{model.stem}: eval says {again}, training said {best}")
        require(f"{metric} {value:.4f}" in out, f"{model.stem}: {metric} {value} was not printed")
    require(f"weights are those of step {best['step']}, monitored value {again['loss']:.6g}" in out, f"{model.stem}: not printed: {best}")
    return best


def check_rows(model, weights, truth, **metrics):
    """Predictions of all rows, in the order of the file, against the truth."""
    values = predict(model, weights)
    require(len(values) == len(truth), f"{model.stem}: {len(values)} predictions of {len(truth)} rows")
    figures = evaluate(model, weights, "all")["metrics"]
    for name, compute in metrics.items():
        mine = compute(values, truth)
        require(abs(mine - figures[name]) <= 1e-5 * abs(mine), f"{model.stem}: {name} is {mine}, eval says {figures[name]}")
    print(f"{model.stem}: " + ", ".join(f"{name} {figures[name]:.4f}" for name in metrics))
    return values


def check_raw(model, weights, source, kept, values, chosen):
    """The same numbers for a few rows in a file of their own, which lacks the columns that only the loss needs."""
    rows = table(source)
    with open(folder / "raw.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(kept)
        writer.writerows([[rows[i][column] for column in kept] for i in chosen])
    got = predict(model, weights, "--data", folder / "raw.csv")
    require(got == [values[i] for i in chosen], f"{model.stem}: other predictions on rows of another file")


def forward(tensors, pixels):
    """Logits of the digits perceptron, in f64."""
    def dense(x, name):
        w, b = tensors[f"{name}.w"], tensors[f"{name}.b"]
        return [b[j] + sum(x[i] * w[i * len(b) + j] for i in range(len(x))) for j in range(len(b))]
    return dense([max(0.0, v) for v in dense(pixels, "hidden")], "logits")


def cross_entropy(logits, label):
    most = max(logits)
    return most + math.log(sum(math.exp(v - most) for v in logits)) - logits[label]


# digits
model, weights, out, history = run = train("digits")
check_figures(*run)
rows = table("digits")
values = check_rows(model, weights, [int(row["label"]) for row in rows], accuracy=accuracy)
pixels = [column for column in rows[0] if column != "label"]
check_raw(model, weights, "digits", pixels, values, range(100, 200))
tensors = read_safetensors(weights)[1]
mine = [forward(tensors, [float(row[column]) / 16 for column in pixels]) for row in rows[:150]]
require([logits.index(max(logits)) for logits in mine] == values[:150], "digits: other classes than computed from the weights")
loss = sum(cross_entropy(logits, int(row["label"])) for logits, row in zip(mine, rows)) / len(mine)
(folder / "first.csv").write_text("".join((examples / "data" / "digits.csv").read_text().splitlines(keepends=True)[:151]))
given = json.loads(gradus("eval", model, "--weights", weights, "--data", folder / "first.csv", "--json"))["loss"]
require(abs(given - loss) <= 1e-5 * loss, f"digits: eval's loss of the first rows is {given}, computed from the weights {loss}")
count = sum(len(predict(model, weights, "--part", part)) for part in ("train", "validation", "test"))
require(count == len(rows), f"digits: parts of {count} rows in all")

# housing: cells are missing, and rows of them alone are predicted with the medians of the training part
model, weights, out, history = run = train("housing")
check_figures(*run)
rows = table("housing")
values = check_rows(model, weights, [float(row["median_house_value"]) / 1e5 for row in rows], rmse=rmse, r2=r2)
missing = [i for i, row in enumerate(rows) if not row["total_bedrooms"]]
require(len(missing) > 100, "no cells are missing")
kept = [column for column in rows[0] if column not in ("median_house_value", "ocean_proximity")]
check_raw(model, weights, "housing", kept, values, missing[:20] + list(range(20)))
require(evaluate(model, weights, "test")["metrics"]["r2"] > 0.75, "housing: the prices were not learnt")

# overfit: the training loss falls, the validation loss turns
model, weights, out, history = run = train("overfit")
best = check_figures(*run)
last = history[-1]
require("stopped early at step" in out and int(last["step"]) < 2000, "overfit: not stopped early")
require(int(last["epoch"]) - int(best["epoch"]) == 15, "overfit: another patience than 15")
require(float(last["loss"]) < 0.8 * float(best["loss"]), "overfit: the training loss does not fall")
require(float(last["validation_loss"]) > 1.02 * float(best["validation_loss"]), "overfit: the validation loss does not turn")
rows = table("diabetes")
values = check_rows(model, weights, [float(row["target"]) / 100 for row in rows], rmse=rmse)
check_raw(model, weights, "diabetes", [column for column in rows[0] if column != "target"], values, range(5, 50))

# line: no validation part, the last weights are kept
model, weights, out, history = train("line")
again = evaluate(model, weights, "all")
require("finished at step 4000 of 4000" in out and int(history[-1]["step"]) == 4000, "line: not finished")
require(abs(again["loss"] - float(history[-1]["loss"])) <= 1e-5 * again["loss"], "line: another loss than trained to")
check_rows(model, weights, [float(row["target"]) for row in table("diabetes")], r2=r2)
