#!/usr/bin/env python3
"""windows.py FOLDER: windows over texts and tables, categories: which numbers each part sees, what is saved with the weights, and
what is said where they do not fit. Expected rows are cut here, in Python."""
import pathlib
import random
import subprocess
import sys

from runs import gradus, read_safetensors, require

folder = pathlib.Path(sys.argv[1])
random.seed(1)


def write_model(name, inputs, outputs, data):
    """A model whose outputs are its data: its only weight is 1 and stays."""
    path = folder / f"{name}.grad"
    target = outputs[0].split(" = ")[1]
    path.write_text(f"model {name}({inputs}) {{\n  param w: float[] = ones()\n" + "".join(f"  output {line}\n" for line in outputs)
                    + f"  loss mean(({target} - 1) ^ 2)\n}}\ndata {{\n{data}\n}}\ntrain {{ optimizer = sgd(rate: 0) }}\n")
    return path


def train(model):
    weights = model.with_suffix(".safetensors")
    return weights, gradus("train", model, "--steps", 1, "-o", weights)


def predict(model, weights, *options):
    lines = gradus("predict", model, "--weights", weights, *options).split()[1:]
    return [[int(float(cell)) for cell in line.split(",")] for line in lines]


def complaint(*arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    require(done.returncode == 1, f"gradus {arguments}: exit code {done.returncode}, expected 1")
    return done.stderr


def cut(series, begin, end, window, apart, stride=1):
    first = -(-begin // stride) * stride
    return [series[at:at + window] for at in range(first, end - window + 1, apart)]


# A text of 200 characters: 140 train, 40 validate, 20 test.
TEXT_INPUTS = "text: int[batch, 4], next: int[batch, 4]"
TEXT_OUTPUTS = ["seen = float(text) * w", "asked = float(next) * w"]
TEXT_LINES = "  text = window[0:4]\n  next = window[1:5]\n"
letters = "bdéa \n"
text = letters + "".join(random.choice(letters) for _ in range(194))
(folder / "t.txt").write_text(text)
order = sorted(letters)
numbers = [order.index(letter) for letter in text]
for stride in (1, 3, 6):
    model = write_model(f"text{stride}", TEXT_INPUTS, TEXT_OUTPUTS,
                        f'  from text("t.txt", window: 5, stride: {stride})\n{TEXT_LINES}  validation = 0.2\n  test = 0.1')
    weights, out = train(model)
    apart = -(-4 // stride) * stride
    parts = {"train": cut(numbers, 0, 140, 5, stride, stride), "validation": cut(numbers, 140, 180, 5, apart, stride),
             "test": cut(numbers, 180, 200, 5, apart, stride), "all": cut(numbers, 0, 200, 5, stride, stride)}
    for part, windows in parts.items():
        for output, begin in (("seen", 0), ("asked", 1)):
            got = predict(model, weights, "--part", part, "--output", output)
            require(got == [window[begin:begin + 4] for window in windows], f"stride {stride}, {part}, {output}: {got}, expected {windows}")
print("text: each part its stretch")

# The characters of training, on a text that lacks some and on one that has others.
(folder / "few.txt").write_text("da da da")
got = predict(model, weights, "--data", folder / "few.txt", "--output", "seen")
require(got == [[order.index(letter) for letter in "da da da"][:4]], f"another text: {got}")
(folder / "strange.txt").write_text("da dax da")
found = complaint("predict", model, "--weights", weights, "--data", folder / "strange.txt")
require("strange.txt: byte 5: `x` is a character that training did not see" in found, found)
require('"from text":["\\\\n"," ","a","b","d","é"]' in read_safetensors(weights)[0]["gradus.fitted"].replace("\\n", "\\\\n"), "no vocabulary is saved")
print("the vocabulary is saved")

model = write_model("bytes", TEXT_INPUTS, TEXT_OUTPUTS, f'  from text("t.txt", window: 5, encoding: "bytes")\n{TEXT_LINES}')
got = predict(model, train(model)[0], "--output", "seen")
raw = list(text.encode())
require(got == [window[:4] for window in cut(raw, 0, len(raw), 5, 1)], "other bytes than the file's")
print("bytes: as they are")

# Files of their own for validation and test, by the characters of the main text.
(folder / "v.txt").write_text("dada dada\n")
(folder / "z.txt").write_text("dabadabda")
model = write_model("files", TEXT_INPUTS, TEXT_OUTPUTS, f'  from text("t.txt", window: 5, validation: "v.txt", test: "z.txt")\n{TEXT_LINES}')
weights, out = train(model)
for part, words in (("validation", ["dada ", " dada"]), ("test", ["dabad", "dabda"]), ("train", [text[i:i + 5] for i in range(196)])):
    got = predict(model, weights, "--part", part, "--output", "asked")
    require(got == [[order.index(letter) for letter in word[1:]] for word in words], f"a file of its own for {part}: {got}")
(folder / "z.txt").write_text("dabadabda!")
found = complaint("train", model, "-o", folder / "none.safetensors")
require("byte 9: `!` is a character that training did not see" in found, found)
print("validation and test files: by the same characters")

# A table in windows, all columns or some, time first.
table = [[i, 1000 + i, 2000 + i] for i in range(60)]
lines = ["time,load,wind"] + [",".join(map(str, row)) for row in table]
(folder / "w.csv").write_text("\n".join(lines))
model = write_model("table", "all: int[batch, 2, 3], past: int[batch, 6, 2], next: int[batch]",
                    ["after = float(next) * w", "first = reshape(float(all) * w, [batch, 6])", "before = reshape(float(past), [batch, 12]) * w"],
                    '  from csv("w.csv", window: 8)\n  all = window[0:2]\n  past = window[1:7, "wind", "load"]\n  next = window[7, "load"]\n  validation = 0.5')
weights, out = train(model)
for part, rows in (("train", cut(table, 0, 30, 8, 1)), ("validation", cut(table, 30, 60, 8, 7))):
    expected = {"after": [[row[7][1]] for row in rows], "first": [row[0] + row[1] for row in rows],
                "before": [sum(([line[2], line[1]] for line in row[1:7]), []) for row in rows]}
    for output, values in expected.items():
        got = predict(model, weights, "--part", part, "--output", output)
        require(got == values, f"table, {part}, {output}: {got}, expected {values}")
print("table: time first, each part its stretch")

# Categories: numbers by value, then words; what training did not see is an error or a number.
CATEGORY = '  from csv("c.csv", validation: "cv.csv")\n  kind = category(columns["kind"]{})\n'
(folder / "c.csv").write_text("kind\nred\n10\n9\nblue\nred\n")
(folder / "cv.csv").write_text("kind\nblue\ngreen\n\"\"\nred\n")
model = write_model("strict", "kind: int[batch]", ["seen = float(kind) * w"], CATEGORY.format(""))
found = complaint("train", model, "-o", folder / "none.safetensors")
require("`green` is a category that training did not see; `unknown:` gives it a number" in found, found)
model = write_model("mild", "kind: int[batch]", ["seen = float(kind) * w"], CATEGORY.format(", unknown: 0"))
weights, out = train(model)
require(predict(model, weights) == [[3], [1], [0], [2], [3], [2], [0], [0], [3]], "other categories")
(folder / "other.csv").write_text("kind\nred\nblue\nnothing\n")
require(predict(model, weights, "--data", folder / "other.csv") == [[3], [2], [0]], "the categories of another file are not those of training")
print("categories: as training saw them")

# What does not fit is said.
model = folder / "small.grad"
model.write_text('model small(text: int[batch, 4], next: int[batch, 4]) {\n  let rows = embedding(text, vocabulary: 6, width: 2)\n'
                 '  loss mean(cross_entropy(dense(rows, 5), next))\n}\ndata {\n  from text("t.txt", window: 5)\n' + TEXT_LINES + "}\n")
found = complaint("train", model, "-o", folder / "none.safetensors")
require("small.grad:1:34: error: input `next` is an index below 5; its data have 6 characters [data-mismatch]" in found, found)
require("`text`" not in found, found)
model.write_text(model.read_text().replace("dense(rows, 5)", "dense(rows, 6)").replace("  next =", "  validation = 0.02\n  next ="))
found = complaint("train", model, "-o", folder / "none.safetensors")
require("the validation part, 0.02 of a series of 200, holds no window of 5" in found, found)
for wrong, message in (("columns[0]", "a text has no columns; `window[..]` takes its characters"),
                       ('window[0:4, "a"]', "a text has no columns: `window` takes time alone, as in `window[0:64]`")):
    model.write_text(f'model small(text: int[batch, 4]) {{\n  output y = text\n}}\ndata {{\n  from text("t.txt", window: 5)\n  text = {wrong}\n}}\n')
    found = complaint("show", model)
    require(f"small.grad:6:10: error: {message} [bad-setting]" in found, found)
print("what does not fit is said")
