#!/usr/bin/env python3
"""exit_codes.py FOLDER: runs that fail leave what is good, or nothing, and say so by their exit codes."""
import json
import pathlib
import subprocess
import sys

from runs import examples, gradus, read_safetensors, read_table, require

top = pathlib.Path(sys.argv[1])
digits, overfit, line = (examples / f"{name}.grad" for name in ("digits", "overfit", "line"))


def fresh(name):
    folder = top / name
    folder.mkdir()
    return folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def fails(code, message, *arguments):
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    require(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stderr}")
    require(message in done.stderr, f"{arguments}: expected `{message}`, found: {done.stderr}")
    return done.stdout


# Of weights 0, 3e12 and -1.5e25 the training rows' squares overflow at the third, the validation row's never: the best, of step 1, is kept.
folder = fresh("diverged")
(folder / "g.grad").write_text("""model g(x: float[batch]) {
  param w: float[] = zeros()
  loss mean((w * x - 1) ^ 2)
}
data { from csv("x.csv", validation: "v.csv"); x = columns[0] }
train { optimizer = sgd(rate: 1e12); epochs = 5 }
""")
(folder / "x.csv").write_text("1\n2\n")
(folder / "v.csv").write_text("1e-12\n")
fails(3, "the loss of step 3 is not finite", "train", folder / "g.grad", "-o", folder / "w.safetensors")
require(names(folder) == ["g.grad", "v.csv", "w.history.csv", "w.safetensors", "w.svg", "x.csv"], f"left: {names(folder)}")
gradus("train", folder / "g.grad", "--stop-after", 1, "-o", folder / "one.safetensors")
require((folder / "one.safetensors").read_bytes() == (folder / "w.safetensors").read_bytes(), "not the weights of step 1")
require([row["step"] for row in read_table(folder / "w.history.csv")] == ["1", "2"], "another history than two steps")

# Without a validation part no weights are known to be good: those of an earlier run stay.
folder = fresh("diverged-line")
fails(3, "is not finite", "train", line, "--rate", 1e9, "--epochs", 30, "-o", folder / "w.safetensors")
require("w.safetensors" not in names(folder), "weights that are not finite were written")
gradus("train", line, "--epochs", 1, "-o", folder / "w.safetensors")
before = (folder / "w.safetensors").read_bytes()
fails(3, "is not finite", "train", line, "--rate", 1e9, "--epochs", 30, "-o", folder / "w.safetensors")
require((folder / "w.safetensors").read_bytes() == before, "good weights were overwritten")

# An index that the model computes is outside of its axis: nothing there is read, and the run ends with its place and row.
folder = fresh("computed-index")
(folder / "c.grad").write_text("""model c(k: int[batch]) { loss mean(embedding(1000000 * k, vocabulary: 3, width: 2)) }
data { from csv("c.csv"); k = columns[0] }
train { epochs = 2 }
""")
(folder / "c.csv").write_text("0\n1\n")
fails(1, "c.grad:1:36: error: row 2 of the data: the index that is computed here is outside of an axis of 3, expected 0 to 2",
      "train", folder / "c.grad", "-o", folder / "w.safetensors")
(folder / "c.csv").write_text("0\n0\n")
gradus("train", folder / "c.grad", "-o", folder / "w.safetensors")

# Columns of one input that index axes of several sizes: each may reach its own end, and no further.
folder = fresh("two-axes")
(folder / "c.grad").write_text("""model c(k: int[batch, 2]) {
  loss mean(embedding(k[:, 0], vocabulary: 3, width: 2) * embedding(k[:, 1], vocabulary: 9, width: 2))
}
data { from csv("c.csv"); k = columns[0:2] }
train { epochs = 2 }
""")
(folder / "c.csv").write_text("2,8\n0,3\n")
gradus("train", folder / "c.grad", "-o", folder / "w.safetensors")
(folder / "c.csv").write_text("3,8\n0,3\n")
fails(1, "c.grad:2:13: error: row 1 of the data: the index that is computed here is outside of an axis of 3", "train", folder / "c.grad", "-o", folder / "w.safetensors")

# A path that cannot be written to is refused before the first step.
folder = fresh("unwritable")
out = fails(1, "no folder", "train", digits, "--epochs", 1, "-o", folder / "none" / "w.safetensors")
require("epoch" not in out, "trained for nothing")
for ending in (".safetensors", ".checkpoint", ".history.csv", ".svg"):
    (folder / f"w{ending}").mkdir()
    out = fails(1, "a folder has this name", "train", digits, "--epochs", 1, "-o", folder / "w.safetensors")
    require("epoch" not in out and names(folder) == [f"w{ending}"], f"trained for nothing, left: {names(folder)}")
    (folder / f"w{ending}").rmdir()
# One that fails only when it is written to leaves nothing half-written.
fails(1, "File name too long", "train", digits, "--epochs", 1, "-o", folder / ("w" * 250 + ".safetensors"))
require(names(folder) == [], f"left: {names(folder)}")
for command in (["compile", digits, "-o", folder / "none" / "d.o"], ["compile", digits, "-o", folder / ("w" * 254 + ".o")]):
    fails(1, "cannot write", *command)
require(names(folder) == [], f"left: {names(folder)}")

# Categories beyond what the header of a weights file holds: a message, not an error of the program.
folder = fresh("categories")
(folder / "c.csv").write_text("c,y\n" + "".join(f"{i}{'x' * 60000},{i}\n" for i in range(300)))
(folder / "c.grad").write_text("""model c(c: int[batch], y: float[batch]) {
  param w: float[300] = zeros()
  loss mse(sum(one_hot(c, 300) * w, axis: 1), y)
}
data { from csv("c.csv"); c = category(columns["c"]); y = columns["y"] }
train { optimizer = sgd(rate: 0.1) }
""")
out = fails(1, "a header of", "train", folder / "c.grad", "--steps", 1, "-o", folder / "w.safetensors")
require("epoch" not in out and names(folder) == ["c.csv", "c.grad"], f"trained for nothing, left: {names(folder)}")

# What a file says of its data must read.
folder = fresh("records")
gradus("train", overfit, "--steps", 1, "-o", folder / "w.safetensors")
data = (folder / "w.safetensors").read_bytes()
length = int.from_bytes(data[:8], "little")
for changes in ({"gradus.fitted": "{"}, {"gradus.rows": "many"}, {"gradus.validation": "2"}, {"gradus.seed": ""},
                {"gradus.validation": "0.9", "gradus.test": "0.9"}, {"gradus.validation": "0.5", "gradus.test": "0.5"}):
    header = json.loads(data[8:8 + length])
    require(changes.keys() <= header["__metadata__"].keys(), f"no {changes}")
    header["__metadata__"] |= changes
    text = json.dumps(header).encode()
    (folder / "bad.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length:])
    fails(1, "its record of the data that it was trained on does not read", "eval", overfit, "--weights", folder / "bad.safetensors")
    (folder / "w.checkpoint").write_bytes((folder / "bad.safetensors").read_bytes())
    fails(1, "its record of the data that it was trained on does not read", "train", overfit, "--resume", "-o", folder / "w.safetensors")
require(read_safetensors(folder / "w.safetensors")[0]["gradus.seed"] == "0", "weights were touched")
print("all exit codes are right")
