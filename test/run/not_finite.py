#!/usr/bin/env python3
"""not_finite.py FOLDER: NaN ends a run with exit code 3, names what was first, and is written over nothing."""
import json
import pathlib
import struct
import sys

from runs import gradus, read_safetensors, require
import subprocess

folder = pathlib.Path(sys.argv[1])


def write(name, text):
    (folder / name).write_text(text)
    return folder / name


def ends(code, *messages, arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    require(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stdout}{done.stderr}")
    for message in messages:
        require(message in done.stderr, f"{arguments}: expected `{message}`, found: {done.stderr}")
    return done.stdout


write("x.csv", "1\n2\n3\n4\n")
write("negative.csv", "1\n-1\n")

# The only step's loss is 2.5; its gradient, half of w / sqrt(0) twice, is NaN.
start = write("start.grad", """model m(x: float[batch]) {
  param w: float[2] = zeros()
  output y = x * sum(w)
  loss mean(x) + sqrt(sum(w ^ 2))
}
data { from csv("x.csv"); x = columns[0] }
train { optimizer = sgd(rate: 0.1); steps = 1 }
""")
weights = folder / "start.safetensors"
arguments = ["train", start, "-o", weights]
ends(3, "`w` is not finite after step 1: its element 0 is NaN", "start.grad:2:", "the first value that is not: ", "[not-finite]", arguments=arguments)
require(not list(folder.glob("start.s*s")) and not list(folder.glob("*.checkpoint")), f"left: {list(folder.iterdir())}")
weights.write_bytes(b"good")
ends(3, arguments=arguments)
require(weights.read_bytes() == b"good", "written over something good")
# More steps: the second loss shows what the first update did, and the replay tells the first step.
ends(3, "the loss of step 2 is not finite", "start.grad:2:", arguments=[*arguments, "--steps", 5, "--validate-every", 5])
ends(3, "is not finite", "start.grad:2:", arguments=[*arguments, "--steps", 5, "--save-every", 0])
print("a step that makes NaN")

# `gradus check` looks at the first values themselves.
out = ends(1, arguments=["check", start])
require("the gradient of `w` is not finite at the first values of the parameters" in out, out)
require(json.loads(ends(1, arguments=["check", start, "--json"]))["not_finite_at_start"] == ["w"], "not in the JSON")
fine = write("fine.grad", start.read_text().replace("sqrt(sum(w ^ 2))", "sqrt(1 + sum(w ^ 2))"))
require("all gradients agree" in gradus("check", fine), "sqrt(1 + w w) has a gradient")
print("a start that is NaN is no start")

# The validation part has the logarithm of -1.
validates = write("validates.grad", """model m(x: float[batch]) {
  param w: float[] = zeros()
  output y = log(x) + w
  metric far = max(y)
  loss mean((w - log(x)) ^ 2)
}
data { from csv("x.csv", validation: "negative.csv"); x = columns[0] }
train { optimizer = sgd(rate: 0.1); batch = 2; epochs = 2 }
""")
weights = folder / "validates.safetensors"
ends(3, "the loss of the validation part is not finite after step 2", "validates.grad:", arguments=["train", validates, "-o", weights])
require(not weights.exists(), "weights without a validation loss were written")
gradus("train", validates, "--data", folder / "x.csv", "-o", weights)

# What `eval` and `predict` cannot say as a number they do not say at all.
out = ends(3, "the loss of the all part is not finite", "validates.grad:",
           arguments=["eval", validates, "--weights", weights, "--data", folder / "negative.csv"])
require(out == "", f"printed: {out}")
answer = write("y.csv", "before")
ends(3, "output `y` is NaN in row 2 of the data", "validates.grad:3:",
     arguments=["predict", validates, "--weights", weights, "--data", folder / "negative.csv", "-o", answer])
require(answer.read_text() == "before", "NaN was written over an answer")
# The logarithm of 0 is an answer, and is told.
write("zero.csv", "1\n0\n")
ends(0, "note: output `y` is infinite in row 2 of the data",
     arguments=["predict", validates, "--weights", weights, "--data", folder / "zero.csv", "-o", answer])
require(answer.read_text().split()[2] == "-inf", answer.read_text())

# Weights that hold NaN are named.
data = bytearray(weights.read_bytes())
require(len(read_safetensors(weights)[1]["w"]) == 1, "another model")
data[-4:] = struct.pack("<f", float("nan"))
(folder / "bad.safetensors").write_bytes(data)
for command in ("eval", "predict"):
    ends(3, "element 0 of the weights' `w` is NaN", arguments=[command, validates, "--weights", folder / "bad.safetensors", "--part", "train"])
# A metric that is 0 / 0 is none of this: the loss is a number.
ratio = write("ratio.grad", """model m(x: float[batch]) {
  param w: float[] = zeros()
  metric precision = sum(float(x > 9)) / sum(float(x > 9))
  loss mean((w - x) ^ 2)
}
data { from csv("x.csv"); x = columns[0] }
train { optimizer = sgd(rate: 0.1); epochs = 1 }
""")
gradus("train", ratio, "-o", folder / "ratio.safetensors")
require("precision nan" in gradus("eval", ratio, "--weights", folder / "ratio.safetensors"), "0 / 0 is nan, without a sign")
print("eval and predict")
