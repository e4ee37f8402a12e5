#!/usr/bin/env python3
"""fitted_constants.py FOLDER: constants fitted on the training part serve the expression that they were fitted for and no other."""
import pathlib
import subprocess
import sys

from runs import gradus, require

folder = pathlib.Path(sys.argv[1])
(folder / "d.csv").write_text("a,b,town,y\n1,2,bath,1\n3,5,york,2\n4,6,bath,0\n9,,leeds,4\n")
(folder / "t.txt").write_text("abcabcabdabc")
MODEL = """model m(x: float[batch, 2], town: int[batch], y: float[batch]) {{
  output p = dense(x, 1)[:, 0] + float(town)
  loss mse(p, y)
}}
data {{
  from csv("{}")
  x = {}
  town = {}
  y = columns["y"]
}}
train {{ optimizer = sgd(rate: 0.01); epochs = 2 }}
"""
FIRST = ("d.csv", 'standardize(fill_missing(columns["a", "b"], "median"))', 'category(columns["town"])')


def write(name, table, x, town):
    path = folder / f"{name}.grad"
    path.write_text(MODEL.format(table, x, town))
    return path


def complaint(*arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    require(done.returncode == 1 and "[bad-weights]" in done.stderr, f"gradus {arguments}: exit code {done.returncode}: {done.stderr}")
    return done.stderr


def commands(model):
    """Each command that applies saved constants."""
    return (("predict", model, "--weights", weights), ("eval", model, "--weights", weights),
            ("compile", model, "--weights", weights, "-o", folder / "m.o"), ("train", model, "-o", weights, "--resume"))


weights = folder / "w.safetensors"
first = write("first", *FIRST)
gradus("train", first, "-o", weights)
predicted = gradus("predict", first, "--weights", weights)
OTHERS = ('minmax(fill_missing(columns["a", "b"], "median"))', 'standardize(fill_missing(columns["a", "b"], "mean"))',
          'standardize(fill_missing(columns["b", "a"], "median"))', 'standardize(log(fill_missing(columns["a", "b"], "median")))',
          'standardize(fill_missing(columns["a", "b"], "median")) / 2', 'fill_missing(columns["a", "b"], "median")', "columns[0, 0]")
for x in OTHERS:
    for command in commands(write("other", "d.csv", x, FIRST[2])):
        told = complaint(*command)
        require(f"other.grad:7:7: error: `{x}` prepares input `x`, but the constants in {folder}/w." in told, told)
        require(f"were fitted for `{FIRST[1]}`; prepare it as in training, or train anew" in told, told)
told = complaint("predict", write("other", "d.csv", FIRST[1], 'category(columns["a"])'), "--weights", weights)
require('other.grad:8:10: error: `category(columns["a"])` prepares input `town`' in told, told)
print("another expression: refused")

# Where the rows come from, how the expression is written, and what an unseen category becomes are not what was fitted.
(folder / "e.csv").write_text((folder / "d.csv").read_text())
same = write("same", "e.csv", 'standardize( fill_missing(columns["a","b"], with: "median") )', 'category(columns["town"], unknown: 0)')
require(gradus("predict", same, "--weights", weights) == predicted, "the same expression predicts something else")
for command in commands(same):
    gradus(*command)
print("the same expression in other words: taken")

# The characters of a text have other numbers than its bytes.
TEXT = """model m(text: int[batch, 3], next: int[batch, 3]) {{
  output p = float(text)
  loss mean(cross_entropy(dense(embedding(text, vocabulary: 128, width: 2), 128), next))
}}
data {{ from text("t.txt", window: 4{}); text = window[0:3]; next = window[1:4] }}
train {{ optimizer = sgd(rate: 0.01); steps = 1 }}
"""
characters, raw = folder / "characters.grad", folder / "raw.grad"
characters.write_text(TEXT.format(""))
raw.write_text(TEXT.format(', encoding: "bytes"'))
gradus("train", characters, "-o", weights)
for command in commands(raw):
    told = complaint(*command)
    require("raw.grad:5:13: error: the text is read by its bytes, but " in told and "holds the numbers of its characters" in told, told)
print("bytes for characters: refused")
