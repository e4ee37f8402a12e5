#!/usr/bin/env python3
"""weights_by_path.py FOLDER: weights of one model in another, whose layers have other names or are more."""
import pathlib
import subprocess
import sys

from runs import gradus, read_safetensors, require

folder = pathlib.Path(sys.argv[1])
(folder / "d.csv").write_text("a,b,y\n" + "".join(f"{i / 7},{i % 3},{i % 5}\n" for i in range(24)))
MODEL = """model m(x: float[batch, 2], y: float[batch]) {{
{}
  output p = dense(h, 1)[:, 0]
  loss mse(p, y)
}}
data {{ from csv("d.csv"); x = columns[0:2]; y = columns["y"] }}
train {{ optimizer = sgd(rate: 0.01); epochs = 2 }}
"""


def write(name, *lines):
    path = folder / f"{name}.grad"
    path.write_text(MODEL.format("\n".join(lines)))
    return path


def fails(*arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    require(done.returncode == 1, f"{arguments}: exit code {done.returncode}: {done.stderr}")
    return done.stderr


def close(a, b):
    return len(a) == len(b) and all(abs(x - y) < 1e-20 for x, y in zip(a, b))


weights = folder / "w.safetensors"
first = write("first", "  let hidden = tanh(dense(x, 3))", "  let h = tanh(dense(hidden, 3))")
gradus("train", first, "-o", weights)
predicted = gradus("predict", first, "--weights", weights)

# Other names: both sides are shown, those of one type side by side, the nearest name first.
other = write("other", "  let hiddem = tanh(dense(x, 3))", "  let top = tanh(dense(hiddem, 3))", "  let h = top")
told = fails("eval", other, "--weights", weights)
require("4 missing, 4 left over, 0 of another type" in told, told)
for pair in ("`hiddem.w` F32[2,3] is missing; `hidden.w` of that type is left over: --rename hidden.w=hiddem.w?",
             "`hiddem.b` F32[3] is missing; `hidden.b` of that type is left over",
             "`top.w` F32[3,3] is missing; `h.w` of that type is left over",
             "`top.b` F32[3] is missing; `h.b` of that type is left over"):
    require(pair in told, f"expected {pair}, found {told}")
print("what does not fit is told in pairs")

# An object is not made for weights of another model.
require(fails("compile", other, "-o", folder / "o.o", "--weights", weights).replace("compile", "eval") == told, "`compile` tells something else")
require(not (folder / "o.o").exists(), "an object for weights that do not fit")
gradus("compile", first, "-o", folder / "o.o", "--weights", weights)
print("compile: told as well")

# A path, or all below it.
renames = ("--rename", "hidden=hiddem", "--rename", "h.w=top.w", "--rename", "h.b=top.b")
require(gradus("predict", other, "--weights", weights, *renames) == predicted, "renamed weights predict something else")
gradus("compile", other, "-o", folder / "o.o", "--weights", weights, *renames)
told = fails("eval", other, "--weights", weights, "--rename", "hedden.w=hiddem.w")
require("has no `hedden.w`; did you mean `hidden.w`?" in told, told)
require("two tensors the path `h.w`" in fails("eval", first, "--weights", weights, "--rename", "hidden.w=h.w"), "two of one name")
print("renamed: the same predictions")

# One layer more: it keeps its first values, the others are those of the file.
more = write("more", "  let hidden = tanh(dense(x, 3))", "  let middle = tanh(dense(hidden, 5))", "  let h = tanh(dense(middle, 3))")
told = fails("train", more, "--init", weights, "-o", folder / "m.safetensors")
require("`middle.w` F32[3,5] is missing; nothing of that type is left over" in told, told)
require("`h.w` is F32[3,3] in the file, F32[5,3] in the model" in told, told)
said = gradus("train", more, "--init", weights, "--partial", "--rate", "1e-30", "-o", folder / "m.safetensors")
require("begun anew: middle.w, middle.b, h.w" in said, said)
fresh = folder / "fresh.safetensors"
gradus("train", more, "--rate", "1e-30", "-o", fresh)
old, new, begun = (read_safetensors(path)[1] for path in (weights, folder / "m.safetensors", fresh))
for path in ("hidden.w", "hidden.b", "h.b", "p.w", "p.b"):
    require(close(new[path], old[path]), f"{path} is not the file's")
for path in ("middle.w", "middle.b", "h.w"):
    require(close(new[path], begun[path]), f"{path} is not begun anew")
print("partial: the rest begins anew")
