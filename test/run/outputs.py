#!/usr/bin/env python3
"""outputs.py FOLDER: what a run writes takes nothing that it reads, and one file that fails takes no other with it."""
import pathlib
import re
import resource
import signal
import subprocess
import sys

from runs import gradus, read_safetensors, require, require_same_files

folder = pathlib.Path(sys.argv[1])


def run(code, *arguments, limit=None):
    """Standard output and error; `limit` is the largest file that may be written, as a full disk would have it."""
    def before():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    done = subprocess.run(["gradus", *map(str, arguments)], capture_output=True, text=True, timeout=300, cwd=folder,
                          restore_signals=limit is None, preexec_fn=before if limit else None)
    require(done.returncode == code, f"{arguments}: exit code {done.returncode}, expected {code}: {done.stdout}{done.stderr}")
    return done.stdout, done.stderr


table = "x,y\n" + "".join(f"{i / 8},{i / 4 - 1}\n" for i in range(16))
model = folder / "m.grad"
model.write_text("""model m(x: float[batch], y: float[batch]) {
  param w: float[500] = normal(std: 0.001)
  output guess = x * sum(w)
  loss mse(guess, y)
}
data { from csv("x.csv"); x = columns["x"]; y = columns["y"] }
train { optimizer = adam(rate: 0.001); batch = 4; epochs = 3 }
""")
(folder / "x.csv").write_text(table)
gradus("train", model, "-o", folder / "w.safetensors")

# Data, under its name or another, is not written over.
(folder / "link.csv").symlink_to("x.csv")
for out in ("x.csv", "./x.csv", "link.csv"):
    _, error = run(1, "predict", "m.grad", "--weights", "w.safetensors", "-o", out)
    require(f"cannot write `{out}`: this run reads it" in error and "[unwritable-file]" in error, error)
(folder / "h.history.csv").write_text(table)
out, error = run(1, "train", "m.grad", "--data", "h.history.csv", "-o", "h.safetensors")
require("cannot write `h.history.csv`: this run reads it" in error and "epoch" not in out, f"{out}{error}")
(folder / "m.svg").write_text(model.read_text())
_, error = run(1, "train", "m.svg", "-o", "m.safetensors")
require("cannot write `m.svg`: this run reads it" in error, error)
for path, text in ((folder / "x.csv", table), (folder / "h.history.csv", table), (folder / "m.svg", model.read_text())):
    require(path.read_text() == text, f"{path} was written over")
print("data are not written over")

# A folder that cannot be written to is found before the first step.
out, error = run(1, "train", "m.grad", "-o", "/proc/w.safetensors")
require("cannot write `/proc/w.safetensors`: open:" in error and "epoch" not in out, f"{out}{error}")
run(1, "predict", "m.grad", "--weights", "w.safetensors", "-o", "/proc/y.csv")
print("an unwritable folder is found first")

# On a disk that has room for the weights (2 kB and their header), but not for the checkpoint (6 kB), weights, history and plot are kept.
for options in ((), ("--save-every", 0)):
    for path in folder.glob("full.*"):
        path.unlink()
    out, error = run(1, "train", "m.grad", "-o", "full.safetensors", *options, limit=6000)
    require("finished at step 12 of 12" in out and "weights  full.safetensors" in out, out)
    require("error: cannot write `full.checkpoint`: write: File too large [unwritable-file]" in error, error)
    warnings = re.findall("warning: cannot write `full.checkpoint`: write: File too large; training goes on", error)
    require(len(warnings) == (1 if options else 0), f"{len(warnings)} warnings: {error}")
    require_same_files(folder / "w", folder / "full", ".safetensors", ".history.csv", ".svg")
require(sorted(p.name for p in folder.glob("full.*")) == ["full.history.csv", "full.safetensors", "full.svg"], "left something else")
# And where only the weights are too large, the history is.
out, error = run(1, "train", "m.grad", "-o", "none.safetensors", limit=1500)
require("weights" not in out and "history  none.history.csv" in out and "cannot write `none.safetensors`" in error, f"{out}{error}")
require(not list(folder.glob(".gradus-*")), "temporary files were left")
print("each file is written though another is not")
